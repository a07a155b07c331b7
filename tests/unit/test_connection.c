/* How long a client may take for a reply. The clock of the checks is an argument. */
#include "src/http/connection.h"

#include "tests/runner.h"

#include "jwtd/clock.h"

#include <arpa/inet.h>
#include <check.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *connection_suite(void);

#define LIMIT_US (10 * CLOCK_US_PER_S)
#define WAIT_MS 10000

static const struct connection_deadlines deadlines = { LIMIT_US, LIMIT_US, LIMIT_US };
static struct connection connection;
static int client;
static char bytes[65536];

/* Over TCP, with a client that buffers little. */
static void set_up(void) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), size = 4096;
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listening, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listening, 1), 0);
    ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&address, &len), 0);
    ck_assert_int_eq(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    ck_assert_int_eq(connect(client, (const struct sockaddr *)&address, sizeof address), 0);
    connection_init(&connection, LISTENER_PUBLIC, accept4(listening, NULL, NULL, SOCK_CLOEXEC), clock_monotonic_us());
    ck_assert_int_ge(connection.fd, 0);
    close(listening);
}

static void tear_down(void) {
    close(connection.fd);
    close(client);
    connection_fini(&connection);
}

/* As much of a reply as the kernel takes. */
static void send_reply(void) {
    while (send(connection.fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        continue;
}

/* The client reads until the kernel has had confirmed so much more. */
static void take(size_t wanted) {
    struct pollfd readable = { .fd = client, .events = POLLIN };
    struct tcp_info info;
    size_t before = 0;
    do {
        socklen_t len = sizeof info;
        ck_assert_int_eq(getsockopt(connection.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
        before = before != 0 ? before : (size_t)info.tcpi_bytes_acked;
        send_reply();
        ck_assert_int_eq(poll(&readable, 1, WAIT_MS), 1);
        ck_assert_int_gt(recv(client, bytes, sizeof bytes, MSG_DONTWAIT), 0);
    } while ((size_t)info.tcpi_bytes_acked < before + wanted);
}

/* qemu-user returns the first bytes of it only. */
static bool kernel_tells_what_is_confirmed(void) {
    struct tcp_info info;
    socklen_t len = sizeof info;
    return getsockopt(connection.fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           len > offsetof(struct tcp_info, tcpi_bytes_acked);
}

static bool is_open_after(int64_t us) {
    connection_check(&connection, &deadlines, connection.since_us + us);
    struct pollfd end = { .fd = connection.fd };
    return poll(&end, 1, 0) == 0; /* else POLLHUP */
}

static void begin_answer(void) {
    connection_set_state(&connection, CONNECTION_HEADER);
    connection_set_state(&connection, CONNECTION_ANSWER);
    send_reply();
    ck_assert(is_open_after(CLOCK_US_PER_S));
}

START_TEST(a_client_that_takes_nothing_has_the_limit) {
    begin_answer();
    ck_assert(is_open_after(LIMIT_US));
    ck_assert(!is_open_after(LIMIT_US + 1));
}
END_TEST

START_TEST(a_client_that_takes_a_long_reply_slowly_has_longer) {
    if (!kernel_tells_what_is_confirmed())
        SKIP_TEST("the kernel does not tell what a client has confirmed");
    begin_answer();
    take((size_t)8 * CONNECTION_TAKEN_PER_S);
    ck_assert(is_open_after(LIMIT_US + 8 * CLOCK_US_PER_S));
    ck_assert(!is_open_after(3 * LIMIT_US + 8 * CLOCK_US_PER_S));
}
END_TEST

/* The kernel has taken all of it at once, and the library waits for the next request. */
START_TEST(what_the_kernel_has_taken_must_reach_the_client_too) {
    const int64_t limit_us = LIMIT_US + CONNECTION_SEND_BUFFER * CLOCK_US_PER_S / CONNECTION_TAKEN_PER_S;
    begin_answer();
    connection_set_state(&connection, CONNECTION_IDLE);
    ck_assert(is_open_after(limit_us));
    ck_assert(!is_open_after(limit_us + 1));
}
END_TEST

START_TEST(a_client_that_has_taken_all_may_rest) {
    connection_set_state(&connection, CONNECTION_HEADER);
    connection_set_state(&connection, CONNECTION_ANSWER);
    ck_assert_int_eq(send(connection.fd, "reply", 5, MSG_NOSIGNAL), 5);
    connection_set_state(&connection, CONNECTION_IDLE);
    ck_assert_int_eq(recv(client, bytes, 5, MSG_WAITALL), 5);
    ck_assert(is_open_after(100 * LIMIT_US));
}
END_TEST

Suite *connection_suite(void) {
    Suite *suite = suite_create("connection");
    TCase *tcase = tcase_create("replies");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_client_that_takes_nothing_has_the_limit);
    tcase_add_test(tcase, a_client_that_takes_a_long_reply_slowly_has_longer);
    tcase_add_test(tcase, what_the_kernel_has_taken_must_reach_the_client_too);
    tcase_add_test(tcase, a_client_that_has_taken_all_may_rest);
    suite_add_tcase(suite, tcase);
    return suite;
}
