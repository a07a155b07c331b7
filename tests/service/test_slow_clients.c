/* Clients that take their time: each part of a request has one deadline, whatever trickles in. */
#include "support/account.h"
#include "support/raw.h"
#include "tests/runner.h"

#include "jwtd/macros.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

Suite *slow_clients_suite(void);

#define LIVE "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
#define LOGIN "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
#define QUIET_MS 300
#define ESTABLISHED 1 /* as /proc/net/tcp numbers states */
#define REPLIES_NOT_TAKEN 40

static struct server server;

static void start(void) {
    server = server_start(
        (const char *const[]){ "server.header_timeout=2s", "server.body_timeout=2s", "server.request_timeout=1s", NULL });
}

static void finish(void) {
    server_finish(&server);
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const struct {
    const char *what;
    const char *first; /* a whole request that is answered before the slow one begins */
    const char *begin; /* at once */
    const char *drop;  /* again and again */
} trickles[] = {
    { "the request line", "", "GET /hea", "a" },
    { "a header", "", "GET /health/live HTTP/1.1\r\nX: ", "a" },
    { "many headers", "", "GET /health/live HTTP/1.1\r\nHost: x\r\n", "X: y\r\n" },
    { "empty lines", "", "\r\n", "\r\n" },
    { "a body", "", LOGIN "Content-Length: 5000\r\n\r\n", "a" },
    { "chunks", "", LOGIN "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n" },
    { "the size of a chunk", "", LOGIN "Transfer-Encoding: chunked\r\n\r\n", "0" },
    { "trailers", "", LOGIN "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", "X: y\r\n" },
    { "the request line of a kept connection", LIVE, "GET /hea", "a" },
    { "a header on a kept connection", LIVE, "GET /health/live HTTP/1.1\r\nX: ", "a" },
    { "a body on a kept connection", LIVE, LOGIN "Content-Length: 5000\r\n\r\n", "a" },
    { "a request line behind a whole request", "", LIVE "GET /hea", "a" },
    { "a body behind a whole request", "", LIVE LOGIN "Content-Length: 5000\r\n\r\n", "a" },
    { "a body that is refused already", "", "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", "a" },
};

/* Sends drops until the server closes; returns when that was, and what it said. */
static double trickle(int fd, const char *drop, struct raw_reply *reply) {
    double begin = seconds_now();
    size_t len = 0;
    char said[sizeof reply->bytes];
    do {
        raw_send(fd, drop, strlen(drop));
        raw_read(fd, QUIET_MS, reply);
        memcpy(said + len, reply->bytes, reply->len + 1);
        len += reply->len;
    } while (!reply->closed && seconds_now() - begin < 15);
    memcpy(reply->bytes, said, len + 1);
    return seconds_now() - begin;
}

static void expect_408(size_t index, void *context) {
    (void)context;
    struct raw_reply reply;
    int fd = raw_connect(&server);
    if (trickles[index].first[0] != '\0') {
        raw_send(fd, trickles[index].first, strlen(trickles[index].first));
        raw_read_replies(fd, 1, &reply);
        ck_assert_int_eq(reply.statuses[0], 200);
    }
    raw_send(fd, trickles[index].begin, strlen(trickles[index].begin));
    double took = trickle(fd, trickles[index].drop, &reply);
    ck_assert_msg(reply.closed && took > 1.5 && took < 6, "%s: %.1f s", trickles[index].what, took);
    ck_assert_msg(strstr(reply.bytes, "HTTP/1.1 408 ") != NULL, "%s: %s", trickles[index].what, reply.bytes);
    ck_assert_ptr_nonnull(strstr(reply.bytes, "\"code\":\"request_timeout\""));
    close(fd);
}

START_TEST(a_request_that_trickles_in_gets_408_when_its_time_is_over) {
    run_parallel(ARRAY_LEN(trickles), expect_408, NULL);
}
END_TEST

START_TEST(the_deadlines_of_header_and_body_and_work_follow_one_another) {
    static const char *const pieces[] = { "POST /auth/login HTTP/1.1\r\nHost: x\r\n",
                                          "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n", "{", "}" };
    struct raw_reply reply = { .len = 0 };
    int fd = raw_connect(&server);
    for (size_t i = 0; i < 4; i++) {
        raw_read(fd, 700, &reply);
        ck_assert(reply.len == 0 && !reply.closed);
        raw_send(fd, pieces[i], strlen(pieces[i]));
    }
    raw_read_replies(fd, 1, &reply);
    ck_assert_int_eq(reply.statuses[0], 422);
    close(fd);
}
END_TEST

START_TEST(a_connection_that_never_speaks_is_closed_without_a_reply) {
    struct raw_reply reply;
    int fd = raw_connect(&server);
    raw_read(fd, 8000, &reply);
    ck_assert(reply.closed);
    ck_assert_uint_eq(reply.len, 0);
    close(fd);
}
END_TEST

START_TEST(a_kept_connection_may_rest_for_longer_than_a_header_may_take) {
    struct raw_reply reply;
    int fd = raw_connect(&server);
    for (int i = 0; i < 2; i++) {
        raw_send(fd, LIVE, strlen(LIVE));
        raw_read_replies(fd, 1, &reply);
        ck_assert_int_eq(reply.statuses[0], 200);
        raw_read(fd, i == 0 ? 3000 : 0, &reply);
        ck_assert(!reply.closed);
    }
    close(fd);
}
END_TEST

/* RFC 9112 section 2.2: a client may send an empty line after a request. It must not begin the next one's deadline. */
START_TEST(a_late_empty_line_does_not_end_a_kept_connection) {
    struct raw_reply reply;
    int fd = raw_connect(&server);
    raw_send(fd, LIVE, strlen(LIVE));
    raw_read(fd, 1500, &reply);
    ck_assert_int_eq(reply.statuses[0], 200);
    raw_send(fd, "\r\n", 2);
    raw_read(fd, 4500, &reply);
    ck_assert_msg(reply.len == 0 && !reply.closed, "%s", reply.bytes);
    raw_send(fd, LIVE, strlen(LIVE));
    raw_read(fd, 1500, &reply);
    ck_assert_int_eq(reply.statuses[0], 200);
    close(fd);
}
END_TEST

/* RFC 9110 section 9.3.2 */
static const char *const slow_heads[] = { "HEAD /health/live HTTP/1.1\r\nX: ",
                                          "HEAD /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" };

static void expect_408_without_body(size_t index, void *context) {
    (void)context;
    struct raw_reply reply;
    int fd = raw_connect(&server);
    raw_send(fd, slow_heads[index], strlen(slow_heads[index]));
    raw_read(fd, 6000, &reply);
    ck_assert_int_eq(strncmp(reply.bytes, "HTTP/1.1 408 ", 13), 0);
    ck_assert_ptr_nonnull(strstr(reply.bytes, "Content-Length: "));
    ck_assert_str_eq(reply.bytes + reply.len - 4, "\r\n\r\n");
    close(fd);
}

START_TEST(a_late_head_receives_408_without_a_body) {
    run_parallel(ARRAY_LEN(slow_heads), expect_408_without_body, NULL);
}
END_TEST

/* Asks for as many answers as fit into the buffers of both sides, and takes none. */
START_TEST(a_client_that_takes_no_answer_is_cut_off) {
    int fd = raw_connect(&server);
    double begin = seconds_now(), limit = test_is_sanitized() ? 60 : 15; /* a slow service takes long to fill them */
    bool is_open = true;
    while (is_open && seconds_now() - begin < limit) {
        ssize_t sent = send(fd, LIVE LIVE LIVE LIVE, 4 * strlen(LIVE), MSG_NOSIGNAL | MSG_DONTWAIT);
        is_open = sent >= 0 || errno == EAGAIN;
        if (sent < 0 && is_open)
            usleep(50000);
    }
    ck_assert(!is_open);
    close(fd);
}
END_TEST

/* Bytes of replies that the service's side of a connection has not got rid of, as the kernel lists it; -1: it is not there. */
static long bytes_to_send(in_port_t client_port) {
    char line[512];
    unsigned local, remote, state;
    unsigned long left = 0;
    bool is_found = false;
    FILE *table = fopen("/proc/net/tcp", "r");
    ck_assert_ptr_nonnull(table);
    while (!is_found && fgets(line, sizeof line, table) != NULL)
        is_found = sscanf(line, " %*d: %*8x:%4x %*8x:%4x %2x %8lx:", &local, &remote, &state, &left) == 4 &&
                   local == (unsigned)server.port && remote == client_port && state == ESTABLISHED;
    fclose(table);
    return is_found ? (long)left : -1;
}

/* Else one that reads nothing costs the kernel megabytes, and the service calls the replies sent. */
START_TEST(the_kernel_keeps_little_of_replies_that_a_client_does_not_take) {
    static const char request[] = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    struct sockaddr_in own;
    socklen_t len = sizeof own;
    int fd = raw_connect(&server);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&own, &len), 0);
    for (int i = 0; i < REPLIES_NOT_TAKEN; i++)
        raw_send(fd, request, sizeof request - 1);
    double begin = seconds_now();
    long most = 0, left;
    while ((left = bytes_to_send(ntohs(own.sin_port))) >= 0 && seconds_now() - begin < 20) {
        most = left > most ? left : most;
        usleep(20000);
    }
    ck_assert_msg(most > 0 && most < 300000, "%ld bytes", most);
    ck_assert_msg(left < 0, "still connected");
    close(fd);
}
END_TEST

Suite *slow_clients_suite(void) {
    Suite *suite = suite_create("slow_clients");
    TCase *tcase = tcase_create("slow clients");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, start, finish);
    tcase_add_test(tcase, a_request_that_trickles_in_gets_408_when_its_time_is_over);
    tcase_add_test(tcase, the_deadlines_of_header_and_body_and_work_follow_one_another);
    tcase_add_test(tcase, a_connection_that_never_speaks_is_closed_without_a_reply);
    tcase_add_test(tcase, a_kept_connection_may_rest_for_longer_than_a_header_may_take);
    tcase_add_test(tcase, a_late_empty_line_does_not_end_a_kept_connection);
    tcase_add_test(tcase, a_late_head_receives_408_without_a_body);
    tcase_add_test(tcase, a_client_that_takes_no_answer_is_cut_off);
    tcase_add_test(tcase, the_kernel_keeps_little_of_replies_that_a_client_does_not_take);
    suite_add_tcase(suite, tcase);
    return suite;
}
