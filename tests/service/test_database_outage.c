/* The database, or the network to it, fails: late at the start, crashed, ended piece by piece, silent. */
#include "support/cluster.h"
#include "support/load.h"
#include "support/proxy.h"

#include "jwtd/clock.h"
#include "tests/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *database_outage_suite(void);

#define TIMEOUT_S 2
#define TIMEOUT_SETTING "server.request_timeout=2s"
#define SLACK_S 1.5 /* for a machine with other things to do */

static struct cluster cluster;

static void create(void) {
    cluster = cluster_create(NULL);
}

static void remove_(void) {
    cluster_remove(&cluster);
}

static struct server start_at(int port) {
    char url[CLUSTER_SETTING_SIZE];
    return server_start((const char *const[]){ cluster_setting(port, "", url), TIMEOUT_SETTING, NULL });
}

/* The best of three, since the machine may be busy with something else; a thread that waits for the database would be slow each
 * time. Instrumented code is slower, ThreadSanitizer's ten times. */
static void expect_live(const struct server *server) {
    double bound = test_is_sanitized() ? 0.5 : 0.1, seconds = 1;
    for (int i = 0; i < 3 && seconds >= bound; i++) {
        struct reply reply = http_send(server, "GET", "/health/live", NULL, NULL);
        ck_assert_int_eq(reply.status, 200);
        seconds = reply.seconds;
        http_free(&reply);
    }
    ck_assert_msg(seconds < bound, "live took %.3f s", seconds);
}

/* ---- at the start ---- */

/* The line at the end of an outage says how long it lasted, and how many requests were refused, at least. */
static void expect_summary(const struct server *server, long ms, long refused) {
    char *log = server_log(server);
    const char *line = strstr(log, "\"event\":\"database_available\""), *end = strchr(line, '\n');
    const char *lasted = strstr(line, "\"ms\":"), *count = strstr(line, "\"refused\":");
    ck_assert(lasted != NULL && lasted < end && count != NULL && count < end);
    ck_assert_int_ge(strtol(lasted + strlen("\"ms\":"), NULL, 10), ms);
    ck_assert_int_ge(strtol(count + strlen("\"refused\":"), NULL, 10), refused);
    free(log);
}

START_TEST(a_service_that_starts_before_its_database_waits_for_it) {
    char url[CLUSTER_SETTING_SIZE], body[BODY_SIZE];
    struct server keys = server_start((const char *const[]){ cluster_setting(cluster.port, "", url), NULL });
    struct account account = account_register(&keys), other = account_new();
    struct tokens tokens = account_login(&keys, &account);
    cluster_stop(&cluster);

    struct server server = server_start_unready_beside(
        &keys, (const char *const[]){ cluster_setting(cluster.port, "", url), TIMEOUT_SETTING, NULL });
    for (int i = 0; i < 3; i++) {
        expect_live(&server);
        struct reply ready = http_send(&server, "GET", "/health/ready", NULL, NULL);
        ck_assert_int_eq(ready.status, 503);
        ck_assert_str_eq(json_string_at(json_object_object_get(ready.json, "checks"), "database"), "failed");
        http_free(&ready);
        expect_problem(http_json(&server, "POST", "/auth/register", NULL, credentials(&other, PASSWORD, body)), 503,
                       "database_unavailable");
        expect_problem(refresh_with(&server, tokens.refresh), 503, "database_unavailable");
        /* the revocations have not been read yet */
        expect_problem(http_json(&server, "GET", "/auth/me", tokens.access, NULL), 503, "starting");
        usleep(300000);
    }
    cluster_start(&cluster);
    double seconds = await_ready(&server);
    ck_assert_msg(seconds < 5, "ready after %.1f s", seconds);
    server_check_log_count(&server, "\"event\":\"database_unavailable\"", 1); /* not one for each connection */
    server_check_log_count(&server, "\"event\":\"database_available\"", 1);
    expect_summary(&server, 900, 6); /* three rounds, of two requests that ask the database and a pause */
    server_check_log_count(&server, "\"level\":\"warn\"", 2); /* and no other */
    ck_assert_int_eq(me_status(&server, tokens.access), 200);
    expect_status(refresh_with(&server, tokens.refresh), 200);
    account_register(&server);
    server_finish(&server);
    server_finish(&keys);
}
END_TEST

/* ---- stopped ---- */

#define MAX_STALE_S 5
#define MAX_STALE_SETTING "token.max_stale=5s"

/* Calls /auth/verify until its status is another. Returns for how long it said that what it knows is old, -1: it never did. */
static long verify_while(const struct server *server, const char *access_token, long status, struct reply *last) {
    long stale_for = -1;
    double began_s = (double)clock_monotonic_us() / 1e6;
    for (;; usleep(50000)) {
        char value[64];
        *last = http_json(server, "GET", "/auth/verify", access_token, NULL);
        if (last->status != status)
            return stale_for;
        if (http_header(last, "X-Auth-Stale-For", value, sizeof value)[0] != '\0') {
            long seconds = strtol(value, NULL, 10);
            ck_assert_msg(seconds >= 2 && seconds >= stale_for && seconds <= MAX_STALE_S, "X-Auth-Stale-For: %s", value);
            stale_for = seconds;
        }
        http_free(last);
        ck_assert_msg((double)clock_monotonic_us() / 1e6 < began_s + 20, "it is still %ld", status);
    }
}

START_TEST(without_its_database_verify_goes_on_from_memory_says_how_old_that_is_and_then_fails_closed) {
    char url[CLUSTER_SETTING_SIZE], value[64];
    struct server server = server_start((const char *const[]){ cluster_setting(cluster.port, "", url), MAX_STALE_SETTING, NULL });
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account), ended = account_login(&server, &account);
    expect_status(http_json(&server, "POST", "/auth/logout", ended.access, NULL), 204);
    struct reply reply = http_json(&server, "GET", "/auth/verify", tokens.access, NULL);
    ck_assert_str_eq(http_header(&reply, "X-Auth-Stale-For", value, sizeof value), "");
    http_free(&reply);

    cluster_stop(&cluster);
    int64_t stopped_us = clock_monotonic_us();
    long stale_for = verify_while(&server, tokens.access, 200, &reply);
    double seconds = (double)(clock_monotonic_us() - stopped_us) / 1e6;
    assert_problem(&reply, 503, "revocations_stale");
    http_free(&reply);
    ck_assert_int_ge(stale_for, MAX_STALE_S - 1);
    ck_assert_msg(seconds > MAX_STALE_S - 2 && seconds < MAX_STALE_S + SLACK_S, "refused after %.1f s", seconds);
    expect_problem(http_json(&server, "GET", "/auth/me", tokens.access, NULL), 503, "revocations_stale");
    expect_problem(http_json(&server, "GET", "/auth/verify", ended.access, NULL), 401, "invalid_token");
    expect_problem(http_json(&server, "GET", "/auth/verify", NULL, NULL), 401, "missing_token");
    reply = http_send(&server, "GET", "/health/ready", NULL, NULL);
    ck_assert_str_eq(json_string_at(json_object_object_get(reply.json, "checks"), "revocations"), "failed");
    http_free(&reply);

    cluster_start(&cluster);
    verify_while(&server, tokens.access, 503, &reply);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(http_header(&reply, "X-Auth-Stale-For", value, sizeof value), "");
    http_free(&reply);
    expect_problem(http_json(&server, "GET", "/auth/verify", ended.access, NULL), 401, "invalid_token");
    await_ready(&server);
    server_check_log_count(&server, "\"event\":\"revocations_stale\"", 1);
    /* one line at its start and one at its end, and none for each connection or statement */
    server_check_log_count(&server, "\"event\":\"database_unavailable\"", 1);
    server_check_log_count(&server, "\"event\":\"database_available\"", 1);
    server_check_log_count(&server, "\"event\":\"database_error\"", 0);
    server_check_log_count(&server, "\"event\":\"database_connection_lost\"", 0);
    server_await_log(&server, "\"event\":\"revocations_current\"", 5000); /* written behind the reading that ends it */
    server_check_log_count(&server, "\"event\":\"revocations_current\"", 1);
    server_finish(&server);
}
END_TEST

/* ---- crashed ---- */

static void crash_and_start(struct load *load) {
    double *recovery_s = load->context;
    usleep(300000);
    cluster_crash(&cluster);
    usleep(700000);
    expect_live(load->server);
    cluster_start(&cluster);
    *recovery_s = await_ready(load->server);
    usleep(300000);
}

START_TEST(a_crash_of_the_database_under_load_costs_503_and_nobodys_session) {
    struct server server = start_at(cluster.port);
    struct load load;
    double recovery_s = 0;
    load_prepare(&load, &server);
    load_run(&load, crash_and_start, &recovery_s);
    load_assert_only_200_and_503(&load, TIMEOUT_S + SLACK_S);
    ck_assert_uint_gt(load_unavailable(&load), 0);
    ck_assert_msg(recovery_s < 5, "ready after %.1f s", recovery_s);
    load_assert_sessions_live(&load);
    server_finish(&server);
}
END_TEST

/* ---- connections ended one by one ---- */

static void end_each_connection(struct load *load) {
    unsigned *ended = load->context;
    usleep(100000);
    for (int round = 0; round < 3; round++) {
        *ended += (unsigned)cluster_number(&cluster, "SELECT sum(pg_terminate_backend(pid, 2000)::integer) FROM pg_stat_activity"
                                                     " WHERE usename = 'jwtd'");
        usleep(100000);
    }
}

START_TEST(each_connection_ended_by_the_server_costs_at_most_one_request) {
    struct server server = start_at(cluster.port);
    struct load load;
    unsigned ended = 0;
    load_prepare(&load, &server);
    load_run(&load, end_each_connection, &ended);
    load_assert_only_200_and_503(&load, TIMEOUT_S + SLACK_S);
    ck_assert_uint_ge(ended, 9);
    ck_assert_msg(load_unavailable(&load) <= ended, "%u of %u", load_unavailable(&load), ended);
    load_assert_sessions_live(&load);
    server_finish(&server);
}
END_TEST

/* ---- silent ---- */

static const enum proxy_mode silences[] = { PROXY_HOLDS, PROXY_SWALLOWS };

struct silence {
    struct proxy *proxy;
    enum proxy_mode mode;
    double recovery_s;
};

static void be_silent(struct load *load) {
    struct silence *silence = load->context;
    usleep(200000);
    proxy_set_mode(silence->proxy, silence->mode);
    for (int i = 0; i < 28; i++) {
        expect_live(load->server);
        usleep(100000);
    }
    proxy_set_mode(silence->proxy, PROXY_FORWARDS);
    silence->recovery_s = await_ready(load->server);
}

/* What the line at the end of an outage says. */
static long late_statements(const struct server *server) {
    char *log = server_log(server);
    const char *line = strstr(log, "\"event\":\"database_available\""), *late = strstr(line, "\"late\":");
    ck_assert(late != NULL && late < strchr(line, '\n'));
    long count = strtol(late + strlen("\"late\":"), NULL, 10);
    free(log);
    return count;
}

START_TEST(behind_a_black_hole_every_request_is_answered_by_its_deadline) {
    struct silence silence = { .proxy = proxy_start(cluster.port), .mode = silences[_i] };
    struct server server = start_at(proxy_port(silence.proxy));
    struct load load;
    load_prepare(&load, &server);
    load_run(&load, be_silent, &silence);
    load_assert_only_200_and_503(&load, TIMEOUT_S + SLACK_S);
    ck_assert_uint_gt(load_unavailable(&load), 0);
    ck_assert_msg(silence.recovery_s < 5, "ready after %.1f s", silence.recovery_s);
    load_assert_sessions_live(&load);
    ck_assert(server_log_contains(&server, "\"event\":\"database_available\""));
    server_check_log_count(&server, "\"event\":\"database_unavailable\"", 1);          /* whichever connection notices it */
    ck_assert_int_eq(server_log_count(&server, "\"event\":\"database_too_slow\""), 0); /* the end of the outage counts them */
    ck_assert_int_ge(late_statements(&server), 1);
    server_finish(&server);
    proxy_stop(silence.proxy);
}
END_TEST

static void cut_often(struct load *load) {
    for (int i = 0; i < 20; i++) {
        proxy_cut(load->context);
        usleep(50000);
    }
}

START_TEST(a_network_that_resets_connections_costs_nobody_the_session) {
    struct proxy *proxy = proxy_start(cluster.port);
    struct server server = start_at(proxy_port(proxy));
    struct load load;
    load_prepare(&load, &server);
    load_run(&load, cut_often, proxy);
    load_assert_only_200_and_503(&load, TIMEOUT_S + SLACK_S);
    load_assert_sessions_live(&load);
    server_finish(&server);
    proxy_stop(proxy);
}
END_TEST

START_TEST(a_slow_network_is_only_slow) {
    struct proxy *proxy = proxy_start(cluster.port);
    char url[CLUSTER_SETTING_SIZE];
    struct server server = server_start((const char *const[]){ cluster_setting(proxy_port(proxy), "", url), NULL });
    struct account account = account_register(&server);
    proxy_set_delay(proxy, 100);
    struct tokens tokens = account_login(&server, &account);
    struct reply reply = refresh_with(&server, tokens.refresh);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_msg(reply.seconds > 0.2 && reply.seconds < TIMEOUT_S + SLACK_S, "%.3f s", reply.seconds);
    http_free(&reply);
    server_finish(&server);
    proxy_stop(proxy);
}
END_TEST

/* ---- back-off ---- */

#define OUTAGE_US (4 * CLOCK_US_PER_S)
#define ARRIVALS_MAX 4096

struct refusal {
    struct proxy *proxy;
    int64_t began_us;
    int64_t arrivals_us[ARRIVALS_MAX];
    size_t count;
};

static void refuse_for_a_while(struct load *load) {
    struct refusal *refusal = load->context;
    usleep(100000);
    proxy_set_mode(refusal->proxy, PROXY_REFUSES);
    proxy_clear_arrivals(refusal->proxy);
    refusal->began_us = clock_monotonic_us();
    usleep(OUTAGE_US);
    refusal->count = proxy_arrivals(refusal->proxy, refusal->arrivals_us, ARRIVALS_MAX);
    proxy_set_mode(refusal->proxy, PROXY_FORWARDS);
}

static size_t arrivals_between(const struct refusal *refusal, int64_t from_us, int64_t to_us) {
    size_t count = 0;
    for (size_t i = 0; i < refusal->count; i++) {
        int64_t after_us = refusal->arrivals_us[i] - refusal->began_us;
        count += after_us >= from_us && after_us < to_us ? 1 : 0;
    }
    return count;
}

/* How many came with no other within span_us, from from_us on. */
static size_t alone_within(const struct refusal *refusal, int64_t from_us, int64_t span_us) {
    size_t alone = 0;
    for (size_t i = 0; i < refusal->count; i++) {
        int64_t at_us = refusal->arrivals_us[i] - refusal->began_us;
        alone += at_us >= from_us && arrivals_between(refusal, at_us - span_us, at_us + span_us) == 1;
    }
    return alone;
}

/*
 * One connection for requests (what it finds holds for the others, which are closed) and one or two in the background, whose
 * pauses double from 50 ms to 2 s, each shortened by up to half: in four seconds that is at most nine tries each, few of them in
 * the end, and not in step.
 */
START_TEST(connections_are_sought_again_less_and_less_often_and_not_in_step) {
    static struct refusal refusal;
    refusal.proxy = proxy_start(cluster.port);
    struct server server = start_at(proxy_port(refusal.proxy));
    struct load load;
    load_prepare(&load, &server);
    load_run(&load, refuse_for_a_while, &refusal);
    size_t first = arrivals_between(&refusal, 0, OUTAGE_US / 2), last = arrivals_between(&refusal, OUTAGE_US / 2, OUTAGE_US);
    ck_assert_uint_ge(refusal.count, 6);
    ck_assert_uint_le(refusal.count, 9 * 10);
    ck_assert_msg(last >= 1 && last * 4 <= first * 3, "%zu, then %zu", first, last);
    size_t late = arrivals_between(&refusal, CLOCK_US_PER_S, OUTAGE_US), alone = alone_within(&refusal, CLOCK_US_PER_S, 5000);
    ck_assert_msg(alone * 4 >= late, "%zu of %zu alone", alone, late);
    load_assert_only_200_and_503(&load, TIMEOUT_S + SLACK_S);
    load_assert_sessions_live(&load);
    server_finish(&server);
    proxy_stop(refusal.proxy);
}
END_TEST

Suite *database_outage_suite(void) {
    Suite *suite = suite_create("database_outage");
    TCase *tcase = tcase_create("a database of its own");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, create, remove_);
    tcase_add_test(tcase, a_service_that_starts_before_its_database_waits_for_it);
    tcase_add_test(tcase, without_its_database_verify_goes_on_from_memory_says_how_old_that_is_and_then_fails_closed);
    tcase_add_test(tcase, a_crash_of_the_database_under_load_costs_503_and_nobodys_session);
    tcase_add_test(tcase, each_connection_ended_by_the_server_costs_at_most_one_request);
    tcase_add_loop_test(tcase, behind_a_black_hole_every_request_is_answered_by_its_deadline, 0, 2);
    tcase_add_test(tcase, a_network_that_resets_connections_costs_nobody_the_session);
    tcase_add_test(tcase, a_slow_network_is_only_slow);
    tcase_add_test(tcase, connections_are_sought_again_less_and_less_often_and_not_in_step);
    suite_add_tcase(suite, tcase);
    return suite;
}
