/* More connections than are allowed. */
#include "support/account.h"
#include "support/metrics.h"
#include "support/process.h"
#include "support/raw.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

Suite *connections_suite(void);

#define LIVE "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
#define MANY 60
#define SHED "jwtd_requests_shed_total{listener=\"public\",reason="
#define WAIT_S 5
#define BURST 1000
#define DESCRIPTORS_OF_ITS_OWN 16 /* what the service may open besides: connections to the database, checks of its own */

/* What a new connection gets: 200, 503, or 0 when it is closed without a word. */
static int ask_from(const struct server *server, const char *source, int *fd) {
    char reply[1024];
    struct timeval limit = { .tv_sec = WAIT_S };
    *fd = raw_connect_from(server, source);
    setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    raw_send(*fd, LIVE, strlen(LIVE));
    ssize_t len = recv(*fd, reply, sizeof reply - 1, 0);
    ck_assert_msg(len >= 0 || errno != EAGAIN, "no answer and no end");
    reply[len > 0 ? len : 0] = '\0';
    return strncmp(reply, "HTTP/1.1 ", 9) == 0 ? (int)strtol(reply + 9, NULL, 10) : 0;
}

struct crowd {
    int fds[MANY];
    int served, refused, closed;
};

static void gather(struct crowd *crowd, const struct server *server, const char *source) {
    *crowd = (struct crowd){ .served = 0 };
    for (size_t i = 0; i < MANY; i++) {
        int status = ask_from(server, source, &crowd->fds[i]);
        crowd->served += status == 200;
        crowd->refused += status == 503;
        crowd->closed += status == 0;
    }
    ck_assert_int_eq(crowd->served + crowd->refused + crowd->closed, MANY);
}

static void scatter(const struct crowd *crowd) {
    for (size_t i = 0; i < MANY; i++)
        close(crowd->fds[i]);
}

static void expect_service_again(const struct server *server, const char *source) {
    int status = 0;
    for (int i = 0; i < 100 && status != 200; i++) {
        int fd;
        status = ask_from(server, source, &fd);
        close(fd);
        if (status != 200)
            usleep(50000);
    }
    ck_assert_int_eq(status, 200);
}

START_TEST(beyond_the_limit_some_get_503_and_the_rest_are_closed) {
    struct server server = server_start_unready((const char *const[]){ "server.max_connections=40", NULL });
    struct crowd crowd;
    gather(&crowd, &server, "127.0.0.1");
    ck_assert_int_eq(crowd.served, 40);
    ck_assert_int_eq(crowd.refused + crowd.closed, 20);
    ck_assert_int_ge(crowd.refused, 1);
    process_assert_rests(server.pid);
    scatter(&crowd);
    expect_service_again(&server, "127.0.0.1");
    server_finish(&server);
}
END_TEST

START_TEST(one_address_cannot_take_the_connections_of_all) {
    struct server server =
        server_start_unready((const char *const[]){ "server.max_connections_per_address=10", "ops.listen=127.0.0.1:0", NULL });
    struct server operations = server_operations(&server);
    struct crowd crowd, neighbour;
    gather(&crowd, &server, "127.0.0.2");
    ck_assert_int_eq(crowd.served, 10);
    /* no overload: so nobody can call the operator by himself */
    ck_assert_double_eq(metrics_value(&operations, SHED "\"address_limit\"}"), MANY - 10);
    ck_assert_double_eq(metrics_value(&operations, SHED "\"too_many_connections\"}"), 0);
    ck_assert_double_eq(metrics_value(&operations, SHED "\"connection_closed\"}"), 0);
    if (crowd.refused > 0)
        metrics_await_at_least(&operations, "jwtd_http_requests_total{route=\"address_limit\",status=\"503\"}", crowd.refused);
    gather(&neighbour, &server, "127.0.0.3");
    ck_assert_int_eq(neighbour.served, 10);
    scatter(&crowd);
    expect_service_again(&server, "127.0.0.2");
    scatter(&neighbour);
    server_finish(&server);
}
END_TEST

static const char *const without_limit[][2] = {
    { "server.max_connections_per_address=10", "server.trusted_proxies=127.0.0.0/8" },
    { "server.max_connections_per_address=0", "server.trusted_proxies=" },
};

START_TEST(a_trusted_proxy_may_have_as_many_as_it_likes) {
    struct server server = server_start_unready((const char *const[]){ without_limit[_i][0], without_limit[_i][1], NULL });
    struct crowd crowd;
    gather(&crowd, &server, "127.0.0.2");
    ck_assert_int_eq(crowd.served, MANY);
    scatter(&crowd);
    server_finish(&server);
}
END_TEST

START_TEST(fewer_descriptors_than_connections_are_known_from_the_start) {
    struct rlimit before, low = { .rlim_cur = 128, .rlim_max = 128 };
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct server server = server_start_unready(NULL);
    server_finish(&server);
    /* of this test's own process, which ends with it */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    server = server_start_unready((const char *const[]){ "database.connections=2", NULL });
    ck_assert(server_log_contains(&server, "\"event\":\"max_connections_clamped\""));
    struct crowd crowd;
    gather(&crowd, &server, "127.0.0.1");
    ck_assert_int_ge(crowd.served, 30);
    process_assert_rests(server.pid);
    scatter(&crowd);
    expect_service_again(&server, "127.0.0.1");
    server_finish(&server);
}
END_TEST

static const char *const burst_limits[] = { "server.max_connections=40", "server.max_connections_per_address=40" };

/* All of them are in the listen queue before the first one is accepted. */
START_TEST(a_burst_is_held_to_the_limit_and_a_tenth_too) {
    struct server server = server_start_unready((const char *const[]){ burst_limits[_i], NULL });
    int fds[BURST];
    char byte;
    unsigned long before = process_descriptors(server.pid);
    ck_assert_int_eq(kill(server.pid, SIGSTOP), 0);
    for (size_t i = 0; i < BURST; i++)
        fds[i] = raw_connect(&server);
    ck_assert_int_eq(kill(server.pid, SIGCONT), 0);
    /* no client sends anything, so that those that were admitted stay; the last of the queue is not admitted */
    struct timeval limit = { .tv_sec = WAIT_S };
    setsockopt(fds[BURST - 1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ssize_t last = recv(fds[BURST - 1], &byte, 1, 0);
    ck_assert_msg(last == 0 || (last < 0 && errno == ECONNRESET), "the last one was admitted");
    unsigned long open = process_descriptors(server.pid) - before;
    ck_assert_msg(open >= 40 && open <= 40 + 40 / 10 + 1 + DESCRIPTORS_OF_ITS_OWN, "%lu of the burst are open", open);
    for (size_t i = 0; i < BURST; i++)
        close(fds[i]);
    expect_service_again(&server, "127.0.0.1");
    server_finish(&server);
}
END_TEST

/* The limit falls while the service runs, below what it has open: accepting fails although connections are allowed. */
START_TEST(descriptors_that_run_out_neither_spin_the_service_nor_end_it) {
    struct server server = server_start_unready(NULL);
    struct rlimit before, none;
    ck_assert_int_eq(prlimit(server.pid, RLIMIT_NOFILE, NULL, &before), 0);
    none = (struct rlimit){ .rlim_cur = 3, .rlim_max = before.rlim_max };
    ck_assert_int_eq(prlimit(server.pid, RLIMIT_NOFILE, &none, NULL), 0);
    int fds[MANY];
    for (size_t i = 0; i < MANY; i++) {
        fds[i] = raw_connect(&server);
        raw_send(fds[i], LIVE, strlen(LIVE));
    }
    process_assert_rests(server.pid);
    ck_assert_int_eq(prlimit(server.pid, RLIMIT_NOFILE, &before, NULL), 0);
    for (size_t i = 0; i < MANY; i++) {
        char reply[16] = "";
        ck_assert_int_gt(recv(fds[i], reply, sizeof reply - 1, 0), 0);
        ck_assert_int_eq(strncmp(reply, "HTTP/1.1 200", 12), 0);
        close(fds[i]);
    }
    server_finish(&server);
}
END_TEST

/* Clients keep their connections, so that no descriptor is closed. */
START_TEST(without_a_descriptor_a_client_is_refused_and_with_one_served_again) {
    struct server server = server_start_unready(NULL);
    struct crowd kept, crowd;
    struct rlimit before, tight;
    gather(&kept, &server, "127.0.0.1");
    ck_assert_int_eq(kept.served, MANY);
    ck_assert_int_eq(prlimit(server.pid, RLIMIT_NOFILE, NULL, &before), 0);
    tight = (struct rlimit){ .rlim_cur = process_descriptors(server.pid), .rlim_max = before.rlim_max };
    ck_assert_int_eq(prlimit(server.pid, RLIMIT_NOFILE, &tight, NULL), 0);
    gather(&crowd, &server, "127.0.0.1");
    ck_assert_int_ge(crowd.closed, MANY - 3); /* there may be gaps among the numbers */
    process_assert_rests(server.pid);
    ck_assert_int_eq(prlimit(server.pid, RLIMIT_NOFILE, &before, NULL), 0);
    scatter(&crowd);
    expect_service_again(&server, "127.0.0.1");
    scatter(&kept);
    server_check_log_count(&server,
                           "\"event\":\"refusing_connections_started\",\"listener\":\"public\",\"reason\":\"descriptors\"", 1);
    server_finish(&server);
}
END_TEST

Suite *connections_suite(void) {
    Suite *suite = suite_create("connections");
    TCase *tcase = tcase_create("connections");
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, beyond_the_limit_some_get_503_and_the_rest_are_closed);
    tcase_add_test(tcase, one_address_cannot_take_the_connections_of_all);
    tcase_add_loop_test(tcase, a_trusted_proxy_may_have_as_many_as_it_likes, 0, 2);
    tcase_add_loop_test(tcase, a_burst_is_held_to_the_limit_and_a_tenth_too, 0, 2);
    tcase_add_test(tcase, fewer_descriptors_than_connections_are_known_from_the_start);
    tcase_add_test(tcase, descriptors_that_run_out_neither_spin_the_service_nor_end_it);
    tcase_add_test(tcase, without_a_descriptor_a_client_is_refused_and_with_one_served_again);
    suite_add_tcase(suite, tcase);
    return suite;
}
