/* /health/ready, which any client may call at any rate: what it reports of the database, and what that costs. */
#include "support/cluster.h"
#include "support/load.h"
#include "support/proxy.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *database_readiness_suite(void);

#define ASKERS 8
#define QUESTIONS 400

static struct cluster cluster;

static void make_cluster(void) {
    cluster = cluster_create(NULL);
}

static void remove_cluster(void) {
    cluster_remove(&cluster);
}

static struct reply ask(const struct server *server) {
    return http_send(server, "GET", "/health/ready", NULL, NULL);
}

static const char *check_of(const struct reply *reply, const char *name) {
    const char *result = json_object_get_string(json_object_object_get(json_object_object_get(reply->json, "checks"), name));
    return result != NULL ? result : "";
}

static void ask_often(size_t index, void *context) {
    (void)index;
    for (int i = 0; i < QUESTIONS; i++)
        expect_status(ask(context), 200);
}

/* Counted by PostgreSQL, whose processes hand in their counts once a second. */
static long transactions(void) {
    usleep(1000000);
    return cluster_number(&cluster, "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'jwtd'");
}

START_TEST(thousands_of_questions_are_one_to_the_database) {
    char url[CLUSTER_SETTING_SIZE];
    struct server server = server_start((const char *const[]){ cluster_setting(cluster.port, "", url), NULL });
    await_ready(&server);
    long before = transactions();
    int64_t began_us = clock_monotonic_us();
    run_parallel(ASKERS, ask_often, &server);
    long spent = transactions() - before;
    long seconds = (long)((clock_monotonic_us() - began_us) / CLOCK_US_PER_S) + 2;
    ck_assert_msg(spent < 20 * seconds, "%ld transactions in %ld s for %d questions", spent, seconds, ASKERS * QUESTIONS);
    server_finish(&server);
}
END_TEST

static const enum proxy_mode troubles[] = { PROXY_HOLDS, PROXY_SWALLOWS, PROXY_REFUSES };

/* At once, whether the database refuses or is silent, and without a connection for each probe. */
START_TEST(a_database_that_is_lost_or_returns_shows_within_two_seconds) {
    struct proxy *proxy = proxy_start(cluster.port);
    char url[CLUSTER_SETTING_SIZE];
    cluster_setting(proxy_port(proxy), "sslmode=disable gssencmode=disable", url);
    struct server server = server_start((const char *const[]){ url, "server.request_timeout=5s", NULL });
    await_ready(&server);
    proxy_set_mode(proxy, troubles[_i]);
    int64_t began_us = clock_monotonic_us();
    for (long status = 200; status == 200;) {
        struct reply reply = ask(&server);
        status = reply.status;
        ck_assert_msg(reply.seconds < 0.5, "an answer took %.2f s", reply.seconds);
        if (status == 503) {
            ck_assert_str_eq(check_of(&reply, "database"), "failed");
            ck_assert_str_eq(check_of(&reply, "migrations"), "unknown");
            ck_assert_str_eq(check_of(&reply, "revocations"), "ok");
        }
        http_free(&reply);
        double seconds = (double)(clock_monotonic_us() - began_us) / 1e6;
        ck_assert_msg(seconds < 2.2, "still %ld after %.1f s", status, seconds);
        usleep(20000);
    }
    proxy_set_mode(proxy, PROXY_FORWARDS);
    ck_assert(await_ready(&server) < 5);
    server_finish(&server);
    proxy_stop(proxy);
}
END_TEST

static void await_check(const struct server *server, const char *name, const char *result, long status) {
    int64_t until_us = clock_monotonic_us() + 10 * CLOCK_US_PER_S;
    for (bool is_there = false; !is_there;) {
        struct reply reply = ask(server);
        is_there = strcmp(check_of(&reply, name), result) == 0 && reply.status == status;
        ck_assert_msg(is_there || clock_monotonic_us() < until_us, "%ld %s", reply.status, reply.body);
        http_free(&reply);
        usleep(20000);
    }
}

START_TEST(a_schema_that_is_older_or_newer_is_reported_as_such) {
    char url[CLUSTER_SETTING_SIZE];
    struct server server = server_start((const char *const[]){ cluster_setting(cluster.port, "", url), NULL });
    await_check(&server, "migrations", "ok", 200);
    cluster_run(&cluster, "DELETE FROM schema_migrations WHERE version = '0001'");
    await_check(&server, "migrations", "failed", 503);
    server_await_log(&server, "\"cure\":\"run jwtd migrate as the owner of the tables\"", 1000);
    cluster_run(&cluster, "INSERT INTO schema_migrations VALUES ('0001'), ('9999')");
    await_check(&server, "migrations", "newer", 200);
    server_await_log(&server, "\"event\":\"schema_newer\",\"applied\":\"9999\"", 1000);
    cluster_run(&cluster, "DELETE FROM schema_migrations WHERE version = '9999'");
    await_check(&server, "migrations", "ok", 200);
    server_check_log_count(&server, "schema_outdated", 1);
    server_check_log_count(&server, "schema_newer", 1);
    server_finish(&server);
}
END_TEST

/* What an operator finds who forgot to migrate: the cure once, and no line for each of the statements that fail all the time. */
START_TEST(a_service_without_its_schema_says_so_once) {
    char url[CLUSTER_SETTING_SIZE];
    cluster_run(&cluster, "CREATE DATABASE empty");
    snprintf(url, sizeof url, "database.url=host=127.0.0.1 port=%d user=jwtd dbname=empty sslmode=disable gssencmode=disable",
             cluster.port);
    struct server server = server_start_unready((const char *const[]){ url, NULL });
    await_check(&server, "migrations", "failed", 503);
    struct reply reply = ask(&server);
    ck_assert_str_eq(check_of(&reply, "database"), "ok");
    http_free(&reply);
    usleep(1000000); /* four rounds of the tasks */
    server_check_log_count(&server, "schema_outdated", 1);
    ck_assert_int_le(server_log_count(&server, "\"level\":\"error\""), 2);
    server_finish(&server);
}
END_TEST

#define CURE "\",\"cure\":\""

/* The statements that the last line `rights_missing` of the log has as its cure, as the owner of the tables. */
static void run_cure(const struct server *server) {
    char *log = server_log(server), *line = log;
    for (char *next = log; (next = strstr(next, "\"event\":\"rights_missing\"")) != NULL; next++)
        line = next;
    char *cure = strstr(line, CURE);
    ck_assert_msg(cure != NULL, "%s", log);
    cure += strlen(CURE);
    cluster_run(&cluster, "SET ROLE jwtd_owner; %.*s", (int)strcspn(cure, "\""), cure);
    free(log);
}

/* After a restore without them, for instance: "the database does not answer" would be false. */
START_TEST(rights_that_are_missing_are_named_once_with_the_grant_that_ends_it) {
    char url[CLUSTER_SETTING_SIZE], output[8192];
    const char *const check[] = { "--set", cluster_setting(cluster.port, "", url), "check-config", "--connect", NULL };
    struct server server = server_start((const char *const[]){ url, NULL });
    await_check(&server, "migrations", "ok", 200);
    cluster_run(&cluster, "REVOKE ALL ON users, revocations, auth_events FROM jwtd");
    await_check(&server, "migrations", "failed", 503);
    await_check(&server, "database", "ok", 503);
    server_await_log(
        &server, "\"missing\":\"SELECT, INSERT, UPDATE, DELETE on users; SELECT, INSERT, UPDATE, DELETE on revocations; ", 1000);
    usleep(1000000); /* four rounds of the tasks */
    server_check_log_count(&server, "rights_missing", 1);
    ck_assert_int_le(server_log_count(&server, "permission denied for table users"), 1);
    ck_assert_int_le(server_log_count(&server, "permission denied for table revocations"), 1);
    ck_assert_int_eq(program_run(check, NULL, output, sizeof output), 1);
    ck_assert_msg(strstr(output, "jwtd: rights: the role lacks SELECT, INSERT, UPDATE, DELETE on users") != NULL, "%s", output);
    ck_assert_msg(strstr(output, "; GRANT SELECT, INSERT ON auth_events TO jwtd\n") != NULL, "%s", output);
    run_cure(&server);
    await_check(&server, "migrations", "ok", 200);
    server_check_log_count(&server, "rights_complete", 1);
    ck_assert_int_eq(cluster_number(&cluster, "SELECT has_table_privilege('jwtd', 'auth_events', 'UPDATE')::integer"), 0);
    (void)program_run(check, NULL, output, sizeof output);
    ck_assert_msg(strstr(output, "# schema: ") != NULL, "%s", output);
    server_finish(&server);
}
END_TEST

static const struct {
    const char *change, *missing;
    const char *migrations;
    long status;
} rights[] = {
    /* used by clean-up, commands and the audit: requests are served without them */
    { "REVOKE INSERT ON auth_events FROM jwtd", "INSERT on auth_events", "ok", 200 },
    { "REVOKE INSERT ON revoked_keys FROM jwtd", "INSERT on revoked_keys", "ok", 200 },
    { "REVOKE UPDATE, DELETE ON revocations, idempotency_keys FROM jwtd",
      "UPDATE, DELETE on revocations; UPDATE, DELETE on idempotency_keys", "ok", 200 },
    { "REVOKE INSERT ON idempotency_keys FROM jwtd", "INSERT on idempotency_keys", "failed", 503 },
    /* without it the tables are not even found */
    { "REVOKE USAGE ON SCHEMA public FROM jwtd", "USAGE on schema public", "failed", 503 },
    /* of the columns only */
    { "REVOKE SELECT, DELETE ON sessions FROM jwtd; GRANT SELECT (id) ON sessions TO jwtd", "DELETE on sessions", "failed", 503 },
};

START_TEST(a_service_is_unready_for_rights_that_requests_need_and_reports_the_others) {
    char url[CLUSTER_SETTING_SIZE], text[256];
    struct server server = server_start((const char *const[]){ cluster_setting(cluster.port, "", url), NULL });
    await_check(&server, "migrations", "ok", 200);
    for (size_t i = 0; i < ARRAY_LEN(rights); i++) {
        cluster_run(&cluster, "%s", rights[i].change);
        snprintf(text, sizeof text, "\"event\":\"rights_missing\",\"missing\":\"%s\"", rights[i].missing);
        server_await_log(&server, text, 3000);
        await_check(&server, "migrations", rights[i].migrations, rights[i].status);
        run_cure(&server);
        server_await_log_count(&server, "rights_complete", (int)i + 1, 3000);
        await_check(&server, "migrations", "ok", 200);
    }
    ck_assert_int_eq(server_log_count(&server, "schema_outdated"), 0);
    cluster_run(&cluster, "REVOKE SELECT (id) ON sessions FROM jwtd; GRANT SELECT ON sessions TO jwtd");
    server_finish(&server);
}
END_TEST

/* Its tables would not be the owner's. */
START_TEST(a_superuser_migrates_with_a_warning) {
    char setting[CLUSTER_SETTING_SIZE], output[8192], url[CLUSTER_URL_SIZE];
    const char *const migrate[] = { "--set", setting, "migrate", NULL };
    cluster_run(&cluster, "CREATE ROLE super LOGIN SUPERUSER");
    snprintf(setting, sizeof setting, "database.url=%s", cluster_url("super", cluster.port, url));
    ck_assert_int_eq(program_run(migrate, NULL, output, sizeof output), 0);
    ck_assert_msg(strstr(output, "migrates_as_superuser") != NULL, "%s", output);
    snprintf(setting, sizeof setting, "database.url=%s", cluster_url("jwtd_owner", cluster.port, url));
    ck_assert_int_eq(program_run(migrate, NULL, output, sizeof output), 0);
    ck_assert_msg(strstr(output, "migrates_as_superuser") == NULL, "%s", output);
}
END_TEST

/* Root's commands with the URL that has no password. The tables' owner is no user of the system that runs the tests. */
START_TEST(a_command_that_peer_authentication_refuses_says_as_whom_to_run_it) {
    char setting[CLUSTER_SETTING_SIZE], output[8192], socket[CLUSTER_PATH_SIZE];
    cluster_find_socket(&cluster, socket);
    cluster_run(&cluster,
                "COPY (VALUES ('local all jwtd_owner peer'), ('host all all 127.0.0.1/32 trust')) TO '%s/data/pg_hba.conf'",
                cluster.directory);
    cluster_run(&cluster, "SELECT pg_reload_conf()");
    cluster_await(&cluster, "SELECT (pg_conf_load_time() >= (pg_stat_file('pg_hba.conf')).modification)::integer");
    snprintf(setting, sizeof setting, "database.url=host=%s port=%d user=jwtd_owner dbname=jwtd", socket, cluster.port);
    const char *const words[] = { "--set", setting, "user", "list", NULL };
    ck_assert_int_eq(program_run(words, NULL, output, sizeof output), 1);
    ck_assert_msg(strstr(output, "Peer authentication failed") != NULL, "%s", output);
    ck_assert_msg(strstr(output, "\"cure\":\"run as the user jwtd (runuser -u jwtd -- jwtd ...)") != NULL, "%s", output);
}
END_TEST

/* One of the executor, and one that reads what has changed. */
START_TEST(a_service_without_requests_has_two_connections) {
    char url[CLUSTER_SETTING_SIZE];
    struct server server = server_start((const char *const[]){ cluster_setting(cluster.port, "", url), NULL });
    await_ready(&server);
    cluster_await(&cluster, "SELECT (count(*) = 2)::integer FROM pg_stat_activity WHERE usename = 'jwtd'");
    server_finish(&server);
}
END_TEST

Suite *database_readiness_suite(void) {
    Suite *suite = suite_create("database_readiness");
    TCase *tcase = tcase_create("a cluster of their own");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, make_cluster, remove_cluster);
    tcase_add_test(tcase, thousands_of_questions_are_one_to_the_database);
    tcase_add_loop_test(tcase, a_database_that_is_lost_or_returns_shows_within_two_seconds, 0, (int)ARRAY_LEN(troubles));
    tcase_add_test(tcase, a_schema_that_is_older_or_newer_is_reported_as_such);
    tcase_add_test(tcase, a_service_without_its_schema_says_so_once);
    tcase_add_test(tcase, rights_that_are_missing_are_named_once_with_the_grant_that_ends_it);
    tcase_add_test(tcase, a_service_is_unready_for_rights_that_requests_need_and_reports_the_others);
    tcase_add_test(tcase, a_superuser_migrates_with_a_warning);
    tcase_add_test(tcase, a_command_that_peer_authentication_refuses_says_as_whom_to_run_it);
    tcase_add_test(tcase, a_service_without_requests_has_two_connections);
    suite_add_tcase(suite, tcase);
    return suite;
}
