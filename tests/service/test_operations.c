/* The operator's listener: what it answers, and that clients of the public one are neither answered there nor in its way. */
#include "support/http.h"
#include "support/metrics.h"
#include "support/raw.h"
#include "support/server.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/routes.h"

#include <check.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *operations_suite(void);

#define THREADS_MAX 16

static struct server server, operations;

static void start(void) {
    server = server_start((const char *const[]){ "ops.listen=127.0.0.1:0", "server.threads=2", "server.max_connections=4",
                                                 "cors.allowed_origins=https://app.example", NULL });
    operations = server_operations(&server);
}

static void finish(void) {
    server_finish(&server);
}

static struct reply get(const struct server *from, const char *path) {
    return http_send(from, "GET", path, NULL, NULL);
}

START_TEST(metrics_are_on_the_operators_listener_and_nowhere_else) {
    struct reply reply = get(&operations, "/metrics");
    char type[96];
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(http_header(&reply, "Content-Type", type, sizeof type), "text/plain; version=0.0.4; charset=utf-8");
    ck_assert_ptr_nonnull(strstr(reply.body, "\njwtd_build_info{version=\""));
    http_free(&reply);
    expect_problem(get(&server, "/metrics"), 404, "not_found");
    expect_problem(http_send(&server, "POST", "/metrics", NULL, NULL), 404, "not_found");
}
END_TEST

START_TEST(health_is_on_both) {
    static const char *const paths[] = { "/health", "/health/live", "/health/ready" };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        expect_status(get(&server, paths[i]), 200);
        expect_status(get(&operations, paths[i]), 200);
    }
}
END_TEST

START_TEST(nothing_of_the_api_is_on_the_operators_listener) {
    static const char *const methods[] = { "GET", "POST", "PATCH", "DELETE", "PUT" };
    static const char *const paths[] = { "/",      "/docs",       "/docs/x",      "/openapi.json", "/admin",
                                         "/users", "/auth/login", "/auth/verify", "/auth/refresh", "/.well-known/jwks.json" };
    struct server unrecorded = operations; /* the rows of these paths answer on the public listener, and never so */
    unrecorded.is_proxy = true;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        for (size_t j = 0; j < ARRAY_LEN(methods); j++)
            expect_problem(http_send(&unrecorded, methods[j], paths[i], NULL, NULL), 404, "not_found");
    for (size_t i = 0; i < routes_count; i++)
        ck_assert_msg(routes[i].access == ACCESS_PUBLIC || routes[i].listener == LISTENER_PUBLIC, "%s", routes[i].path);
}
END_TEST

/* A page of any origin in the operator's browser could otherwise read it. */
START_TEST(no_page_may_read_what_the_operator_is_answered) {
    static const char *const headers[] = { "Origin: https://app.example", "Access-Control-Request-Method: GET", NULL };
    static const char *const methods[] = { "GET", "OPTIONS" };
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        struct reply reply = http_send(&operations, methods[i], "/metrics", headers, NULL);
        char value[64];
        ck_assert_str_eq(http_header(&reply, "Access-Control-Allow-Origin", value, sizeof value), "");
        http_free(&reply);
    }
}
END_TEST

/* By its own name, which it has had DNS lead to this machine, a page could. */
static const struct {
    const char *host;
    bool is_answered;
} hosts[] = {
    { "Host: 127.0.0.1:9464", true },
    { "Host: [::1]:9464", true },
    { "Host: LocalHost:9464", true },
    { "Host: 192.0.2.1", true }, /* an address cannot be led elsewhere */
    { "Host;", true },           /* an empty one, as libcurl takes it */
    { "Host: rebound.example:9464", false },
    { "Host: rebound.example", false },
    { "Host: localhost.rebound.example", false },
    { "Host: 127.0.0.1.rebound.example", false },
    { "Host: operator", false },
};

START_TEST(nor_by_a_name_that_leads_to_this_machine) {
    static const char *const paths[] = { "/metrics", "/debug/threads", "/health/ready" };
    const char *const headers[] = { hosts[_i].host, NULL };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct server asked = operations;
        asked.is_proxy = strcmp(paths[i], "/health/ready") == 0; /* whose row is the public listener's, too: not recorded */
        struct reply reply = http_send(&asked, "GET", paths[i], headers, NULL);
        if (hosts[_i].is_answered)
            expect_status(reply, 200);
        else
            expect_problem(reply, 421, "misdirected_request");
        expect_status(http_send(&server, "GET", "/health/ready", headers, NULL), 200);
    }
}
END_TEST

/* A service of Kubernetes, for example. */
START_TEST(elsewhere_than_on_loopback_the_operator_is_reached_by_names) {
    struct server open = server_start_beside(&server, (const char *const[]){ "ops.listen=0.0.0.0:0", NULL });
    struct server own = server_operations(&open);
    snprintf(own.url, sizeof own.url, "http://127.0.0.1:%d", own.port);
    expect_status(http_send(&own, "GET", "/metrics", (const char *const[]){ "Host: jwtd.monitoring.svc", NULL }, NULL), 200);
    server_finish(&open);
}
END_TEST

static const char whole_request[] = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";

static void await_bytes(int fd) {
    struct pollfd input = { .fd = fd, .events = POLLIN };
    char bytes[4096];
    ck_assert_int_eq(poll(&input, 1, 10000), 1);
    ck_assert_int_gt(recv(fd, bytes, sizeof bytes, 0), 0);
}

/* Sends a request, and reads the beginning of a reply; false: it has none or another status. */
static bool is_refused(int fd) {
    struct pollfd input = { .fd = fd, .events = POLLIN };
    char bytes[4096] = "";
    raw_send(fd, whole_request, strlen(whole_request));
    ck_assert_int_eq(poll(&input, 1, 10000), 1);
    return recv(fd, bytes, sizeof bytes - 1, 0) > 0 && strncmp(bytes, "HTTP/1.1 503 ", 13) == 0;
}

/* server.max_connections of 4, and one beyond that is accepted to be refused: the fifth, or an earlier one while a connection of
 * the test before is still open. */
START_TEST(a_public_listener_that_is_full_does_not_fill_the_operators) {
    int clients[8];
    unsigned refused = 0;
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        clients[i] = raw_connect(&server);
    for (size_t i = 3; i < ARRAY_LEN(clients); i++)
        refused += is_refused(clients[i]) ? 1 : 0;
    ck_assert_uint_ge(refused, 1);
    metrics_await_at_least(&operations, "jwtd_requests_shed_total{listener=\"public\",reason=\"too_many_connections\"}", 1);
    expect_status(get(&operations, "/health/live"), 200);
    expect_status(get(&operations, "/metrics"), 200);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        close(clients[i]);
}
END_TEST

/* ---- clients that stay ---- */

#define STAYING 80 /* the listener has 32 connections */

/* More of replies than the kernel takes for a client that does not read. */
#define FOUR(text) text text text text
#define UNREAD "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
static const char unread_requests[] = FOUR(FOUR(UNREAD)) FOUR(UNREAD);

/* What each client sends before it stays. */
static const struct {
    const char *bytes;
    bool has_reply;
    bool has_begun; /* a request, which is answered 503 when its connection has to go */
} staying[] = {
    { unread_requests, true, false },
    { whole_request, true, false },
    { "", false, false },
    { "GET /health/live HTTP/1.1\r\nHo", false, true },
    { "GE", false, true },
};

static void scrape(int scraper) {
    raw_send(scraper, whole_request, strlen(whole_request));
    await_bytes(scraper);
}

/* All on this machine have one address: the ones that have waited for longest have to go. */
START_TEST(clients_that_stay_on_the_operators_listener_do_not_keep_others_out) {
    static const char shed[] = "jwtd_requests_shed_total{listener=\"operations\",reason=\"too_many_connections\"}",
                      refused[] = "jwtd_http_requests_total{route=\"operations\",status=\"503\"}",
                      of_public[] = "jwtd_http_requests_total{route=\"none\",status=\"503\"}";
    double shed_before = metrics_value(&operations, shed), refused_before = metrics_value(&operations, refused);
    double public_before = metrics_value(&operations, of_public);
    int clients[STAYING];
    for (size_t i = 0; i < STAYING; i++) {
        clients[i] = raw_connect(&operations);
        raw_send(clients[i], staying[_i].bytes, strlen(staying[_i].bytes));
        if (staying[_i].has_reply)
            await_bytes(clients[i]);
        if (i % 8 == 7)
            expect_status(get(&operations, "/metrics"), 200);
    }
    if (staying[_i].has_begun) {
        metrics_await_at_least(&operations, shed, shed_before + 1);
        metrics_await_at_least(&operations, refused, refused_before + 1);
    } else {
        ck_assert_double_eq(metrics_value(&operations, shed), shed_before);
    }
    ck_assert_double_eq(metrics_value(&operations, of_public), public_before);
    for (size_t i = 0; i < STAYING; i++)
        close(clients[i]);
    ck_assert_int_eq(server_log_count(&server, "\"refusing_connections_started\",\"listener\":\"operations\""), 0);
}
END_TEST

START_TEST(who_has_most_connections_to_the_operators_listener_loses_one) {
    int scraper = raw_connect(&operations), clients[STAYING];
    scrape(scraper);
    for (size_t i = 0; i < STAYING; i++)
        clients[i] = raw_connect_from(&operations, "127.0.0.2");
    expect_status(get(&operations, "/metrics"), 200);
    scrape(scraper);
    for (size_t i = 0; i < STAYING; i++)
        close(clients[i]);
    close(scraper);
}
END_TEST

/* ---- with the threads of the public listener stopped ---- */

/* Idle ones, so that none is stopped with a lock; those of the operator's listener are "MHD-single", "ops-accept" and
 * "ops-reaper". */
static bool serves_the_public(const char *name) {
    static const char *const beginnings[] = { "MHD-worker", "accept", "delayed", "streams", "crypto-", "dispatch-" };
    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++)
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

static void read_name(const char *thread, char name[32]) {
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/task/%.16s/comm", (int)server.pid, thread);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(name, 32, file));
    fclose(file);
}

/* One thread alone, as a debugger stops it. */
static void stop_thread(pid_t thread) {
    ck_assert_int_eq(ptrace(PTRACE_SEIZE, thread, NULL, NULL), 0);
    ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
    ck_assert_int_eq(waitpid(thread, NULL, __WALL), thread);
}

static size_t stop_threads(pid_t stopped[THREADS_MAX]) {
    char path[64], name[32];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)server.pid);
    DIR *threads = opendir(path);
    ck_assert_ptr_nonnull(threads);
    for (const struct dirent *entry; (entry = readdir(threads)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        read_name(entry->d_name, name);
        if (!serves_the_public(name))
            continue;
        ck_assert_uint_lt(count, THREADS_MAX);
        stopped[count] = (pid_t)strtol(entry->d_name, NULL, 10);
        stop_thread(stopped[count++]);
    }
    closedir(threads);
    return count;
}

START_TEST(the_operator_waits_behind_nothing_of_the_public_listener) {
    pid_t stopped[THREADS_MAX];
    size_t count = stop_threads(stopped);
    ck_assert_uint_ge(count, 6);
    expect_status(get(&operations, "/health/live"), 200);
    expect_status(get(&operations, "/health/ready"), 200);
    expect_status(get(&operations, "/metrics"), 200);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(ptrace(PTRACE_DETACH, stopped[i], NULL, NULL), 0);
    expect_status(get(&server, "/health/live"), 200);
}
END_TEST

/* ---- /debug/threads ---- */

static struct json_object *thread_named(const struct reply *reply, const char *name) {
    struct json_object *threads = json_object_object_get(reply->json, "threads");
    for (size_t i = 0; i < json_object_array_length(threads); i++) {
        struct json_object *thread = json_object_array_get_idx(threads, i);
        if (strcmp(json_string_at(thread, "name"), name) == 0)
            return thread;
    }
    ck_abort_msg("there is no thread %s", name);
}

static const struct {
    const char *name, *activity;
} shown[] = { { "jwtd", "waits" },       { "accept", "waits" },
              { "ops-accept", "waits" }, { "reaper", "waits" },
              { "ops-reaper", "waits" }, { "delayed", "waits" },
              { "streams", "waits" },    { "database-0", "waits" },
              { "crypto-0", "waits" },   { "dispatch-0", "waits" },
              { "cleanup", "waits" },    { "upkeep", "waits" },
              { "audit", "waits" },      { "MHD-single", "/debug/threads" } };

/* Those of periodic tasks may run in the moment of the question. */
START_TEST(each_thread_says_what_it_does_now) {
    int64_t until_us = clock_monotonic_us() + 10 * CLOCK_US_PER_S;
    for (;;) {
        struct reply reply = get(&operations, "/debug/threads");
        ck_assert_int_eq(reply.status, 200);
        struct json_object *thread = thread_named(&reply, shown[_i].name);
        ck_assert_int_ge(json_integer_at(thread, "for_ms"), 0);
        bool is_shown = strcmp(json_string_at(thread, "activity"), shown[_i].activity) == 0;
        ck_assert_msg(is_shown || clock_monotonic_us() < until_us, "%s: %s", shown[_i].name, reply.body);
        http_free(&reply);
        if (is_shown)
            return;
    }
}
END_TEST

START_TEST(a_thread_that_is_stuck_shows) {
    pid_t stopped[THREADS_MAX];
    size_t count = stop_threads(stopped);
    struct reply reply = get(&operations, "/debug/threads");
    ck_assert_str_eq(json_string_at(thread_named(&reply, "accept"), "state"), "t");
    ck_assert_str_eq(json_string_at(thread_named(&reply, "MHD-single"), "state"), "R");
    http_free(&reply);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(ptrace(PTRACE_DETACH, stopped[i], NULL, NULL), 0);
    expect_problem(get(&server, "/debug/threads"), 404, "not_found");
}
END_TEST

/* ---- servers of their own ---- */

START_TEST(a_service_whose_operators_address_is_taken_does_not_start) {
    char listen[160], output[4096], keys[128], refresh[128];
    snprintf(listen, sizeof listen, "ops.listen=%s", operations.url + strlen("http://"));
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", server.directory);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s/refresh.key", server.directory);
    const char *const words[] = { "--set", listen, "--set", keys, "--set", refresh, "--set", "server.listen=127.0.0.1:0",
                                  "serve", NULL };
    ck_assert_int_eq(program_run(words, NULL, output, sizeof output), 1);
    ck_assert_msg(strstr(output, "listen_failed") != NULL && strstr(output, "ops.listen") != NULL, "%s", output);
}
END_TEST

START_TEST(the_operators_listener_may_be_a_unix_socket_or_none) {
    char setting[128], path[96];
    snprintf(path, sizeof path, "%s/operations", server.directory);
    snprintf(setting, sizeof setting, "ops.listen=unix:%s", path);
    struct server local = server_start_beside(&server, (const char *const[]){ setting, NULL });
    ck_assert_int_eq(access(path, F_OK), 0);
    server_finish(&local);
    ck_assert_int_ne(access(path, F_OK), 0);
    struct server without = server_start_beside(&server, NULL);
    ck_assert_int_eq(server_log_count(&without, "\"operations\""), 0); /* it would stand in front of the line that was awaited */
    server_finish(&without);
}
END_TEST

/* The last to end: what a balancer that goes on probing is answered during the drain, the operator is answered, too. */
START_TEST(the_operators_listener_answers_while_the_service_drains) {
    struct server draining =
        server_start_beside(&server, (const char *const[]){ "ops.listen=127.0.0.1:0", "server.drain_delay=20s", NULL });
    struct server own = server_operations(&draining);
    kill(draining.pid, SIGTERM);
    server_await_log(&draining, "\"event\":\"stopping\"", 10000);
    struct reply reply;
    for (int i = 0; (reply = get(&own, "/health/ready")).status == 200 && i < 1000; i++) {
        http_free(&reply);
        usleep(10000);
    }
    ck_assert_int_eq(reply.status, 503);
    ck_assert_ptr_nonnull(strstr(reply.body, "\"serving\":\"stopping\""));
    http_free(&reply);
    expect_status(get(&own, "/metrics"), 200);
    kill(draining.pid, SIGKILL); /* the second signal ends it at once, too, but says nothing of the exit */
    waitpid(draining.pid, NULL, 0);
}
END_TEST

Suite *operations_suite(void) {
    Suite *suite = suite_create("operations");
    TCase *tcase = tcase_create("operations");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, start, finish);
    tcase_add_test(tcase, metrics_are_on_the_operators_listener_and_nowhere_else);
    tcase_add_test(tcase, health_is_on_both);
    tcase_add_test(tcase, nothing_of_the_api_is_on_the_operators_listener);
    tcase_add_test(tcase, no_page_may_read_what_the_operator_is_answered);
    tcase_add_loop_test(tcase, nor_by_a_name_that_leads_to_this_machine, 0, ARRAY_LEN(hosts));
    tcase_add_test(tcase, elsewhere_than_on_loopback_the_operator_is_reached_by_names);
    tcase_add_test(tcase, a_public_listener_that_is_full_does_not_fill_the_operators);
    tcase_add_loop_test(tcase, clients_that_stay_on_the_operators_listener_do_not_keep_others_out, 0, ARRAY_LEN(staying));
    tcase_add_test(tcase, who_has_most_connections_to_the_operators_listener_loses_one);
    tcase_add_test(tcase, the_operator_waits_behind_nothing_of_the_public_listener);
    tcase_add_loop_test(tcase, each_thread_says_what_it_does_now, 0, ARRAY_LEN(shown));
    tcase_add_test(tcase, a_thread_that_is_stuck_shows);
    tcase_add_test(tcase, a_service_whose_operators_address_is_taken_does_not_start);
    tcase_add_test(tcase, the_operators_listener_may_be_a_unix_socket_or_none);
    tcase_add_test(tcase, the_operators_listener_answers_while_the_service_drains);
    suite_add_tcase(suite, tcase);
    return suite;
}
