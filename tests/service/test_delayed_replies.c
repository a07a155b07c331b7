/* Clients that are refused with Retry-After, and retry at once. */
#include "support/account.h"
#include "support/load.h"
#include "support/metrics.h"
#include "support/process.h"
#include "support/raw.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

Suite *delayed_replies_suite(void);

/* An answer is held back for 4/5 of this at most. */
#define TIMEOUT "server.request_timeout=2s"
#define HELD_MS 1100 /* and up to a third earlier, so that a crowd scatters */
#define AT_ONCE_MS 800

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void ask(int fd, const char *forwarded) {
    char request[512];
    int len = snprintf(request, sizeof request,
                       "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n%s\r\n{}",
                       forwarded);
    raw_send(fd, request, (size_t)len);
}

/* Reads one reply and returns its status; *took_ms is the time until its first byte. */
static int read_status(int fd, int64_t *took_ms) {
    struct raw_reply reply;
    int64_t begin_ms = now_ms();
    char byte;
    ck_assert_int_eq(recv(fd, &byte, 1, MSG_PEEK), 1);
    *took_ms = now_ms() - begin_ms;
    raw_read(fd, 100, &reply);
    ck_assert_uint_eq(reply.count, 1);
    return reply.statuses[0];
}

static void expect(int fd, const char *forwarded, int status, int64_t at_least_ms, int64_t at_most_ms) {
    int64_t took_ms;
    ask(fd, forwarded);
    ck_assert_int_eq(read_status(fd, &took_ms), status);
    ck_assert_msg(took_ms >= at_least_ms && took_ms <= at_most_ms, "%lld ms", (long long)took_ms);
}

/* The first refusal, and as many more as one may ask for at once before it looks like a loop: a person who presses a button. */
static void press(int fd) {
    for (int i = 0; i < 4; i++)
        expect(fd, "", 429, 0, AT_ONCE_MS);
}

static struct server start_with_one_login_an_hour(const char *trusted) {
    return server_start(
        (const char *const[]){ "limit.enabled=true", "limit.login=1/h", TIMEOUT, "ops.listen=127.0.0.1:0", trusted, NULL });
}

static int connect_to(const struct server *server) {
    int fd = raw_connect(server);
    struct timeval limit = { .tv_sec = 10 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

START_TEST(who_presses_a_button_four_times_is_answered_at_once_and_a_loop_is_held_back) {
    struct server server = start_with_one_login_an_hour("server.trusted_proxies=");
    int fd = connect_to(&server);
    expect(fd, "", 422, 0, AT_ONCE_MS);
    press(fd);
    expect(fd, "", 429, HELD_MS - 100, 2000);
    expect(fd, "", 429, HELD_MS - 100, 2000);
    close(fd);
    /* that is no time of the service's */
    struct server operations = server_operations(&server);
    ck_assert_double_lt(metrics_value(&operations, "jwtd_http_request_duration_seconds_sum{route=\"POST /auth/login\"}"),
                        2 * (HELD_MS - 100) / 1000.0);
    ck_assert_double_eq(metrics_value(&operations, "jwtd_http_request_duration_seconds_count{route=\"POST /auth/login\"}"), 7);
    server_finish(&server);
}
END_TEST

START_TEST(a_refusal_that_waited_asks_for_no_more_than_the_time_that_is_left) {
    struct server server = start_with_one_login_an_hour("server.trusted_proxies=");
    int fd = connect_to(&server);
    int64_t begin_ms = now_ms();
    expect(fd, "", 422, 0, AT_ONCE_MS);
    press(fd);
    int64_t after_ms = now_ms();
    struct raw_reply reply;
    ask(fd, "");
    raw_read_replies(fd, 1, &reply);
    int64_t least_ms = now_ms() - after_ms, most_ms = now_ms() - begin_ms;
    ck_assert_int_eq(reply.statuses[0], 429);
    const char *retry_after = strstr(reply.bytes, "Retry-After: "), *reset = strstr(reply.bytes, ";t=");
    ck_assert(retry_after != NULL && reset != NULL);
    ck_assert_int_le(strtol(retry_after + strlen("Retry-After: "), NULL, 10), 3600 - least_ms / 1000);
    ck_assert_int_ge(strtol(retry_after + strlen("Retry-After: "), NULL, 10), 3600 - most_ms / 1000 - 1);
    ck_assert_int_le(strtol(reset + strlen(";t="), NULL, 10), 3600 - least_ms / 1000);
    close(fd);
    server_finish(&server);
}
END_TEST

START_TEST(a_reply_other_than_a_refusal_is_never_delayed) {
    struct server server = start_with_one_login_an_hour("server.trusted_proxies=");
    int fd = connect_to(&server);
    int64_t took_ms;
    expect(fd, "", 422, 0, AT_ONCE_MS);
    press(fd);
    static const char other[] = "GET /auth/me HTTP/1.1\r\nHost: x\r\n\r\n";
    raw_send(fd, other, sizeof other - 1);
    ck_assert_int_eq(read_status(fd, &took_ms), 401);
    ck_assert_int_le(took_ms, AT_ONCE_MS);
    close(fd);
    server_finish(&server);
}
END_TEST

START_TEST(a_client_with_a_retry_after_of_a_second_waits_no_longer) {
    struct server server = server_start((const char *const[]){ "limit.enabled=true", "limit.login=1/s", NULL });
    int fd = connect_to(&server);
    expect(fd, "", 422, 0, AT_ONCE_MS);
    press(fd);
    int64_t took_ms;
    ask(fd, "");
    int status = read_status(fd, &took_ms);
    ck_assert(status == 429 ? took_ms <= 1200 : status == 422);
    close(fd);
    server_finish(&server);
}
END_TEST

/* Of the many clients that share a proxy's connection only one was refused. */
START_TEST(no_client_behind_a_proxy_waits_for_the_refusal_of_another) {
    struct server server = start_with_one_login_an_hour("server.trusted_proxies=127.0.0.1/32");
    int fd = connect_to(&server);
    expect(fd, "X-Forwarded-For: 192.0.2.1\r\n", 422, 0, AT_ONCE_MS);
    for (int i = 0; i < 8; i++)
        expect(fd, "X-Forwarded-For: 192.0.2.1\r\n", 429, 0, AT_ONCE_MS);
    close(fd);
    server_finish(&server);
}
END_TEST

#define CROWD 40

struct crowd {
    const struct server *server;
    int64_t took_ms[CROWD];
};

static void be_refused_five_times(size_t index, void *context) {
    struct crowd *crowd = context;
    int fd = connect_to(crowd->server);
    int64_t took_ms;
    for (int i = 0; i < 5; i++) {
        ask(fd, "");
        ck_assert_int_eq(read_status(fd, &took_ms), 429);
    }
    crowd->took_ms[index] = took_ms;
    close(fd);
}

START_TEST(others_are_served_at_once_while_many_are_held_back) {
    struct server server = start_with_one_login_an_hour("server.trusted_proxies=");
    static struct crowd crowd;
    crowd.server = &server;
    expect_problem(http_json(&server, "POST", "/auth/login", NULL, "{}"), 422, "validation_failed");
    run_parallel(CROWD, be_refused_five_times, &crowd);
    for (size_t i = 0; i < CROWD; i++)
        ck_assert_msg(crowd.took_ms[i] >= HELD_MS - 100, "%lld ms", (long long)crowd.took_ms[i]);
    server_finish(&server);
}
END_TEST

START_TEST(a_client_that_leaves_while_held_back_leaves_nothing_behind) {
    struct server server =
        server_start((const char *const[]){ "limit.enabled=true", "limit.login=1/h", TIMEOUT, "database.connections=1", NULL });
    await_ready(&server);
    unsigned long descriptors = process_descriptors(server.pid);
    for (int i = 0; i < 20; i++) {
        int fd = connect_to(&server);
        int64_t took_ms;
        for (int reply = 0; reply < 4; reply++) {
            ask(fd, "");
            read_status(fd, &took_ms);
        }
        ask(fd, "");
        if (i > 0)
            usleep(20000);
        close(fd);
    }
    for (int i = 0; i < 200 && process_descriptors(server.pid) > descriptors; i++)
        usleep(50000);
    ck_assert_uint_le(process_descriptors(server.pid), descriptors);
    expect_status(http_send(&server, "GET", "/health/live", NULL, NULL), 200);
    server_finish(&server);
}
END_TEST

struct stop {
    struct server *server;
    int fd;
    int64_t took_ms;
};

static void read_or_stop(size_t index, void *context) {
    struct stop *stop = context;
    if (index == 0) {
        ck_assert_int_eq(read_status(stop->fd, &stop->took_ms), 429);
        return;
    }
    usleep(300000);
    server_finish(stop->server);
}

START_TEST(a_delayed_reply_is_sent_at_once_when_the_service_stops) {
    struct server server =
        server_start((const char *const[]){ "limit.enabled=true", "limit.login=1/h", "server.request_timeout=30s", NULL });
    struct stop stop = { .server = &server, .fd = connect_to(&server) };
    expect(stop.fd, "", 422, 0, AT_ONCE_MS);
    press(stop.fd);
    ask(stop.fd, "");
    run_parallel(2, read_or_stop, &stop);
    ck_assert_int_le(stop.took_ms, 2000);
    close(stop.fd);
}
END_TEST

Suite *delayed_replies_suite(void) {
    Suite *suite = suite_create("delayed_replies");
    TCase *tcase = tcase_create("delayed_replies");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, who_presses_a_button_four_times_is_answered_at_once_and_a_loop_is_held_back);
    tcase_add_test(tcase, a_refusal_that_waited_asks_for_no_more_than_the_time_that_is_left);
    tcase_add_test(tcase, a_reply_other_than_a_refusal_is_never_delayed);
    tcase_add_test(tcase, a_client_with_a_retry_after_of_a_second_waits_no_longer);
    tcase_add_test(tcase, no_client_behind_a_proxy_waits_for_the_refusal_of_another);
    tcase_add_test(tcase, others_are_served_at_once_while_many_are_held_back);
    tcase_add_test(tcase, a_client_that_leaves_while_held_back_leaves_nothing_behind);
    tcase_add_test(tcase, a_delayed_reply_is_sent_at_once_when_the_service_stops);
    suite_add_tcase(suite, tcase);
    return suite;
}
