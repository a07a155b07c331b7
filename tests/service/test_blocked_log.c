/* A log whose reader takes nothing holds up nothing. */
#include "support/account.h"
#include "support/raw.h"

#include "jwtd/clock.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *blocked_log_suite(void);

#define WAIT_US (10 * CLOCK_US_PER_S)

static struct server server;

static void finish(void) {
    server_finish(&server);
}

struct blocked {
    char path[128];
    int fd; /* keeps the pipe open, and reads it at last */
};

/* Standard error is a named pipe that nobody reads. The log's line with the port is in it, so the port is chosen here. */
static void start_blocked(struct blocked *blocked) {
    static char listen[64];
    int port = find_free_port();
    snprintf(listen, sizeof listen, "server.listen=127.0.0.1:%d", port);
    server = server_prepare((const char *const[]){ listen, "server.threads=1", NULL });
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%d", port);
    server.port = port;
    snprintf(blocked->path, sizeof blocked->path, "%s/pipe", server.directory);
    ck_assert_int_eq(mkfifo(blocked->path, 0600), 0);
    blocked->fd = open(blocked->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    ck_assert_int_ge(blocked->fd, 0);
    const char *const wrapper[] = { "/bin/sh", "-c", "exec \"$@\" 2>\"$0\"", blocked->path, NULL };
    server_launch(&server, wrapper);
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    long status;
    do {
        struct reply reply = http_try(&server, "GET", "/health/ready", NULL, NULL);
        status = reply.status;
        http_free(&reply);
        usleep(5000);
    } while (status != 200 && clock_monotonic_us() < until_us);
    ck_assert_int_eq(status, 200);
}

#define ROUNDS 60
#define EACH 30 /* requests on the way at a time */

/* Reads until so many replies have begun. */
static void await_replies(int fd, int count) {
    static const char mark[] = "HTTP/1.1 404";
    static char bytes[65536];
    size_t len = 0;
    int seen = 0;
    struct pollfd input = { .fd = fd, .events = POLLIN };
    while (seen < count) {
        ck_assert_msg(poll(&input, 1, (int)(WAIT_US / 1000)) == 1, "%d replies of %d", seen, count);
        ssize_t got = recv(fd, bytes + len, sizeof bytes - 1 - len, 0);
        ck_assert_int_gt(got, 0);
        len += (size_t)got;
        bytes[len] = '\0';
        seen = 0;
        for (const char *at = strstr(bytes, mark); at != NULL; at = strstr(at + 1, mark))
            seen++;
    }
}

/* More lines than the pipe and the queue of the HTTP thread hold. Each reply comes in time. */
static void fill(void) {
    char request[256], all[EACH * sizeof request];
    size_t len = 0;
    int fd = raw_connect(&server);
    snprintf(request, sizeof request,
             "GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: x\r\nX-Request-Id: %064d\r\n\r\n", 0);
    for (int i = 0; i < EACH; i++)
        len += (size_t)snprintf(all + len, sizeof all - len, "%s", request);
    for (int i = 0; i < ROUNDS; i++) {
        raw_send(fd, all, len);
        await_replies(fd, EACH);
    }
    close(fd);
}

/* Reads on, until there is this text in all that was read, or nothing comes for so long. */
static bool read_until(const struct blocked *blocked, const char *wanted, int wait_ms) {
    static char text[2 * 1024 * 1024];
    static size_t len;
    struct pollfd input = { .fd = blocked->fd, .events = POLLIN };
    while (strstr(text, wanted) == NULL && len < sizeof text - 1 && poll(&input, 1, wait_ms) == 1) {
        ssize_t got = read(blocked->fd, text + len, sizeof text - 1 - len);
        len += got > 0 ? (size_t)got : 0;
        text[len] = '\0';
    }
    return strstr(text, wanted) != NULL;
}

START_TEST(a_log_that_nobody_reads_holds_up_no_request_and_says_later_what_is_lost) {
    static const char lost[] = "\"event\":\"log_lines_lost\",\"count\":";
    struct blocked blocked;
    start_blocked(&blocked);
    fill();
    bool is_told = read_until(&blocked, lost, 300); /* all that waited; the count comes in front of the next line */
    expect_status(http_send(&server, "GET", "/health/live", NULL, NULL), 200);
    ck_assert(is_told || read_until(&blocked, lost, (int)(WAIT_US / 1000)));
    ck_assert_int_eq(server_stop(&server, SIGTERM), 0);
    close(blocked.fd);
    finish();
}
END_TEST

START_TEST(a_log_that_nobody_reads_does_not_hold_up_the_end_of_the_service) {
    struct blocked blocked;
    start_blocked(&blocked);
    fill();
    int64_t began_us = clock_monotonic_us();
    ck_assert_int_eq(server_stop(&server, SIGTERM), 0);
    ck_assert_int_lt(clock_monotonic_us() - began_us, WAIT_US);
    close(blocked.fd);
    finish();
}
END_TEST

Suite *blocked_log_suite(void) {
    Suite *suite = suite_create("blocked_log");
    TCase *tests = tcase_create("tests");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_log_that_nobody_reads_holds_up_no_request_and_says_later_what_is_lost);
    tcase_add_test(tests, a_log_that_nobody_reads_does_not_hold_up_the_end_of_the_service);
    suite_add_tcase(suite, tests);
    return suite;
}
