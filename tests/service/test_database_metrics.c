/* What /metrics says of the database: while it answers, when connections to it are lost, and while it is away. */
#include "support/account.h"
#include "support/database.h"
#include "support/metrics.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

Suite *database_metrics_suite(void);

START_TEST(connections_statements_and_jobs_are_measured_and_a_lost_connection_is_a_reconnect) {
    char url[512];
    snprintf(url, sizeof url, "database.url=%s application_name=jwtd_metrics_test", getenv("JWTD_TEST_DATABASE"));
    struct server server = server_start((const char *const[]){ "ops.listen=127.0.0.1:0", "password.workers=3", url, NULL });
    struct server operations = server_operations(&server);
    struct account account = account_register(&server);
    account_login(&server, &account);
    ck_assert_double_eq(metrics_value(&operations, "jwtd_database_up"), 1);
    ck_assert_double_eq(metrics_value(&operations, "jwtd_ready"), 1);
    ck_assert_double_eq(metrics_value(&operations, "jwtd_executor_capacity{executor=\"crypto\"}"), 3);
    ck_assert_double_ge(metrics_value(&operations, "jwtd_database_connections{state=\"idle\"}"), 1);
    ck_assert_double_ge(metrics_value(&operations, "jwtd_statement_duration_seconds_count{statement=\"sessions_open\"}"), 1);
    for (int i = 0; i < 2; i++) {
        static const char *const executors[] = { "database", "crypto" };
        char series[96];
        snprintf(series, sizeof series, "jwtd_queue_wait_seconds_count{executor=\"%s\"}", executors[i]);
        ck_assert_double_ge(metrics_value(&operations, series), 1);
        snprintf(series, sizeof series, "jwtd_job_duration_seconds_count{executor=\"%s\"}", executors[i]);
        ck_assert_double_ge(metrics_value(&operations, series), 1);
        snprintf(series, sizeof series, "jwtd_queue_length{executor=\"%s\"}", executors[i]);
        metrics_await_at_most(&operations, series, 0);
    }
    double reconnects = metrics_value(&operations, "jwtd_database_reconnects_total");
    ck_assert_int_ge(database_number("SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity"
                                     " WHERE application_name = $1",
                                     "jwtd_metrics_test"),
                     1);
    metrics_await_at_least(&operations, "jwtd_database_reconnects_total", reconnects + 1);
    metrics_await_at_least(&operations, "jwtd_database_up", 1);
    server_finish(&server);
}
END_TEST

START_TEST(a_database_that_is_away_is_said_and_what_it_costs_is_counted) {
    char url[128], body[BODY_SIZE];
    struct account account = account_new();
    snprintf(url, sizeof url, "database.url=host=127.0.0.1 port=%d", find_free_port());
    struct server server = server_start_unready((const char *const[]){ "ops.listen=127.0.0.1:0", url, NULL });
    struct server operations = server_operations(&server);
    ck_assert_double_eq(metrics_value(&operations, "jwtd_database_up"), 0);
    ck_assert(metrics_have(&operations, "jwtd_ready"));
    ck_assert_double_eq(metrics_value(&operations, "jwtd_ready"), 0);
    ck_assert_double_eq(metrics_value(&operations, "jwtd_database_connections{state=\"idle\"}"), 0);
    ck_assert(!metrics_have(&operations, "jwtd_revocations_age_seconds"));
    ck_assert_double_eq(
        metrics_value(&operations, "jwtd_requests_shed_total{listener=\"public\",reason=\"database_unavailable\"}"), 0);
    expect_problem(http_json(&server, "POST", "/auth/login", NULL, credentials(&account, PASSWORD, body)), 503,
                   "database_unavailable");
    ck_assert_double_eq(
        metrics_value(&operations, "jwtd_requests_shed_total{listener=\"public\",reason=\"database_unavailable\"}"), 1);
    server_finish(&server);
}
END_TEST

Suite *database_metrics_suite(void) {
    Suite *suite = suite_create("database_metrics");
    TCase *tcase = tcase_create("database_metrics");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, connections_statements_and_jobs_are_measured_and_a_lost_connection_is_a_reconnect);
    tcase_add_test(tcase, a_database_that_is_away_is_said_and_what_it_costs_is_counted);
    suite_add_tcase(suite, tcase);
    return suite;
}
