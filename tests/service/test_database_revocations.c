/* Revocations on their way from one instance to another, however busy the database is. */
#include "support/cluster.h"
#include "support/follower.h"
#include "support/load.h"
#include "support/proxy.h"

#include "jwtd/clock.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *database_revocations_suite(void);

static struct cluster cluster;

static void make_cluster(void) {
    cluster = cluster_create(NULL);
}

static void remove_cluster(void) {
    cluster_remove(&cluster);
}

/* ---- while dead sessions are deleted ---- */

#define SESSIONS 6

/* A transaction that has done this. */
static PGconn *hold(const char *lock) {
    char url[CLUSTER_URL_SIZE];
    PGconn *connection = PQconnectdb(cluster_url("postgres", cluster.port, url));
    ck_assert_msg(PQstatus(connection) == CONNECTION_OK, "%s", PQerrorMessage(connection));
    PQclear(PQexec(connection, "BEGIN"));
    PGresult *result = PQexec(connection, lock);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(connection));
    PQclear(result);
    return connection;
}

/* By this path, which asks the database (/auth/me) or does not (/auth/verify). */
static double seconds_until_refused_by(const struct server *server, const char *path, const char *access_token) {
    int64_t began_us = clock_monotonic_us();
    while (clock_monotonic_us() < began_us + 10 * CLOCK_US_PER_S) {
        struct reply reply = http_json(server, "GET", path, access_token, NULL);
        long status = reply.status;
        http_free(&reply);
        if (status == 401)
            return (double)(clock_monotonic_us() - began_us) / 1e6;
        usleep(5000);
    }
    ck_abort_msg("the other instance never learns of the logout");
}

static double seconds_until_refused(const struct server *server, const char *access_token) {
    return seconds_until_refused_by(server, "/auth/me", access_token);
}

START_TEST(a_logout_is_known_everywhere_within_a_second_while_the_cleanup_waits) {
    char url[CLUSTER_SETTING_SIZE];
    const char *const settings[] = { cluster_setting(cluster.port, "", url), "database.cleanup_interval=1s", NULL };
    struct server one = server_start(settings), other = server_start_beside(&one, settings);
    struct account account = account_register(&one);
    struct tokens tokens[SESSIONS];
    for (size_t i = 0; i < SESSIONS; i++)
        tokens[i] = account_login(&one, &account);
    await_ready(&other);
    /* holds up the deletion of what is dead, and no logout */
    PGconn *holder = hold("LOCK TABLE known_addresses IN SHARE ROW EXCLUSIVE MODE");
    cluster_await(&cluster, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'jwtd' AND wait_event_type = 'Lock'"
                            " HAVING count(*) = 2");
    for (size_t i = 0; i < SESSIONS; i++) {
        ck_assert_int_eq(me_status(&other, tokens[i].access), 200);
        expect_status(http_json(&one, "POST", "/auth/logout", tokens[i].access, NULL), 204);
        double seconds = seconds_until_refused(&other, tokens[i].access);
        ck_assert_msg(seconds < 1, "logout %zu was known after %.2f s", i, seconds);
        usleep(150000);
    }
    PQfinish(holder);
    server_finish(&other);
    server_finish(&one);
}
END_TEST

/* The same connection reads both, and a statement has two seconds. */
START_TEST(a_revocation_is_known_within_three_seconds_while_the_roles_cannot_be_read) {
    char url[CLUSTER_SETTING_SIZE];
    struct server server = server_start((const char *const[]){ cluster_setting(cluster.port, "", url), NULL });
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    PGconn *holder = hold("LOCK TABLE users IN ACCESS EXCLUSIVE MODE");
    cluster_await(&cluster, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                            " AND query LIKE '%roles_changed_xid%'");
    cluster_run(&cluster,
                "INSERT INTO revocations (session_id, user_id, reason) SELECT id, user_id, 'logout' FROM sessions"
                " WHERE user_id = '%s'",
                account.id);
    double seconds = seconds_until_refused_by(&server, "/auth/verify", tokens.access);
    ck_assert_msg(seconds < 3, "it was known after %.2f s", seconds);
    PQfinish(holder);
    server_finish(&server);
}
END_TEST

/* Waits for a heartbeat that is at least, or exactly 0, so stale. */
static void await_stale(struct follower *follower, long at_least_s) {
    struct stream_event event;
    long stale_s;
    do {
        ck_assert(follower_next(follower, 20000, &event));
        stale_s = event.comment[0] != '\0' ? strtol(event.comment + strlen("stale-for "), NULL, 10) : -1;
    } while (at_least_s > 0 ? stale_s < at_least_s : stale_s != 0);
}

/* ---- what is known is not read again and again ---- */

#define OF_BURST 20000

/* Each of the rows is in the window of passes for some ten seconds. */
START_TEST(a_burst_of_revocations_is_not_read_twice_a_second) {
    static const char *const statistics = "SELECT idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'revocations'";
    char url[CLUSTER_SETTING_SIZE];
    struct server server = server_start((const char *const[]){ cluster_setting(cluster.port, "", url), NULL });
    await_ready(&server);
    cluster_run(&cluster,
                "INSERT INTO revocations (session_id, user_id, reason) SELECT gen_random_uuid(), gen_random_uuid(),"
                " 'logout' FROM generate_series(1, %d)",
                OF_BURST);
    for (int i = 0; i < 5; i++)
        usleep(900000);
    long long fetched = cluster_number(&cluster, statistics);
    ck_assert_int_ge(fetched, OF_BURST);
    ck_assert_msg(fetched < 4LL * OF_BURST, "%lld", fetched);
    server_finish(&server);
}
END_TEST

/* ---- beside revoked keys ---- */

/* What is not known of them is as much as what is not known of sessions. */
START_TEST(while_the_revoked_keys_cannot_be_read_that_is_said_and_logouts_are_known_soon) {
    char url[CLUSTER_SETTING_SIZE], value[32] = "";
    struct server server = server_start((const char *const[]){ cluster_setting(cluster.port, "", url), NULL });
    await_ready(&server);
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account), ended = account_login(&server, &account);
    follower_set_service(service_add(&server, "orders"));
    PGconn *holder = hold("LOCK TABLE revoked_keys IN ACCESS EXCLUSIVE MODE");
    for (int i = 0; i < 100 && strtol(value, NULL, 10) < 2; i++) {
        struct reply reply = http_json(&server, "GET", "/auth/verify", tokens.access, NULL);
        http_header(&reply, "X-Auth-Stale-For", value, sizeof value);
        http_free(&reply);
        usleep(100000);
    }
    ck_assert_int_ge(strtol(value, NULL, 10), 2);
    struct follower *follower = follower_open(&server, NULL, "heartbeat=1");
    await_stale(follower, 2);
    follower_close(follower);
    cluster_run(&cluster,
                "INSERT INTO revocations (session_id, user_id, reason) SELECT id, user_id, 'logout' FROM sessions"
                " WHERE user_id = '%s' ORDER BY id DESC LIMIT 1",
                account.id);
    double seconds = seconds_until_refused_by(&server, "/auth/verify", ended.access);
    ck_assert_msg(seconds < 2, "it was known after %.2f s", seconds);
    PQfinish(holder);
    server_finish(&server);
}
END_TEST

/* A reading for each of them, of a database that is far away. */
START_TEST(followers_that_come_and_go_do_not_hold_up_changes_of_roles) {
    char url[CLUSTER_SETTING_SIZE], roles[256] = "";
    struct proxy *proxy = proxy_start(cluster.port);
    struct server server = server_start((const char *const[]){ cluster_setting(proxy_port(proxy), "", url), NULL });
    await_ready(&server);
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    follower_set_service(service_add(&server, "orders"));
    proxy_set_delay(proxy, 30);
    cluster_run(&cluster, "UPDATE users SET roles = '{editor}' WHERE id = '%s'", account.id);
    int64_t began_us = clock_monotonic_us();
    while (strcmp(roles, "editor") != 0) {
        struct follower *follower = follower_open(&server, NULL, NULL);
        struct reply reply = http_json(&server, "GET", "/auth/verify", tokens.access, NULL);
        ck_assert_int_eq(reply.status, 200);
        http_header(&reply, "X-Auth-Roles", roles, sizeof roles);
        http_free(&reply);
        follower_close(follower);
        ck_assert_msg(clock_monotonic_us() - began_us < 4 * CLOCK_US_PER_S, "the roles are still %s", roles);
        usleep(2000);
    }
    server_finish(&server);
    proxy_stop(proxy);
}
END_TEST

/* ---- to followers, while the database is away ---- */

START_TEST(followers_are_told_how_stale_the_knowledge_is_and_lose_nothing) {
    static const char session_id[] = "00000000-0000-4000-8000-000000000003";
    char url[CLUSTER_SETTING_SIZE];
    struct proxy *proxy = proxy_start(cluster.port);
    struct server server = server_start((const char *const[]){ cluster_setting(proxy_port(proxy), "", url), NULL });
    bool is_resumed;
    follower_set_service(service_add(&server, "orders"));
    await_ready(&server);
    struct follower *follower = follower_open(&server, NULL, "heartbeat=1");
    follower_await_snapshot(follower, &is_resumed);
    await_stale(follower, 0);
    proxy_set_mode(proxy, PROXY_REFUSES);
    cluster_run(&cluster, "INSERT INTO revocations (session_id, user_id, reason) VALUES ('%s', gen_random_uuid(), 'logout')",
                session_id);
    await_stale(follower, 2);
    proxy_set_mode(proxy, PROXY_FORWARDS);
    ck_assert(follower_await_session(follower, session_id, 20000));
    await_stale(follower, 0);
    follower_close(follower);
    server_finish(&server);
    proxy_stop(proxy);
}
END_TEST

/* ---- at the start ---- */

/* So many that one statement cannot read them in the time that one statement has. */
START_TEST(a_service_starts_with_half_a_million_revocations_to_read) {
    char url[CLUSTER_SETTING_SIZE];
    cluster_setting(cluster.port, "", url);
    struct server one = server_start((const char *const[]){ url, NULL });
    struct account account = account_register(&one);
    struct tokens live = account_login(&one, &account), first = account_login(&one, &account),
                  last = account_login(&one, &account);
    expect_status(http_json(&one, "POST", "/auth/logout", first.access, NULL), 204);
    cluster_run(&cluster, "INSERT INTO revocations (session_id, user_id, reason) SELECT gen_random_uuid(), gen_random_uuid(),"
                          " 'logout' FROM generate_series(1, 500000)");
    expect_status(http_json(&one, "POST", "/auth/logout", last.access, NULL), 204);
    struct server other =
        server_start_beside(&one, (const char *const[]){ url, "database.statement_timeout=100ms", "log.level=debug", NULL });
    await_ready(&other);
    ck_assert_int_eq(me_status(&other, live.access), 200);
    ck_assert_int_eq(me_status(&other, first.access), 401);
    ck_assert_int_eq(me_status(&other, last.access), 401);
    server_finish(&other);
    server_finish(&one);
}
END_TEST

/* ---- beside changed roles ---- */

/* So many that one statement cannot read them in the time that one statement has. */
#define MANY_USERS "300000"
/* As autovacuum does within a minute. Until then the planner takes them for few, and each page reads and sorts all of them. */
#define ANALYZE "ANALYZE users"

static void expect_roles(const struct server *server, const char *access_token, const char *roles, double limit_s) {
    int64_t began_us = clock_monotonic_us();
    char value[256] = "";
    while (clock_monotonic_us() < began_us + (int64_t)(limit_s * 1e6)) {
        struct reply reply = http_json(server, "GET", "/auth/verify", access_token, NULL);
        ck_assert_int_eq(reply.status, 200);
        http_header(&reply, "X-Auth-Roles", value, sizeof value);
        http_free(&reply);
        if (strcmp(value, roles) == 0)
            return;
        usleep(20000);
    }
    ck_abort_msg("roles are %s and not %s", value, roles);
}

START_TEST(the_roles_of_everybody_change_and_hold_up_neither_logouts_nor_a_start) {
    char url[CLUSTER_SETTING_SIZE];
    const char *const settings[] = { cluster_setting(cluster.port, "", url), "database.statement_timeout=100ms", NULL };
    struct server one = server_start((const char *const[]){ url, NULL });
    struct account account = account_register(&one);
    cluster_run(&cluster, "UPDATE users SET roles = '{editor}'");
    cluster_run(&cluster,
                "INSERT INTO users (id, email, email_canonical, password_hash, roles) SELECT gen_random_uuid(), n || '@x.org',"
                " n || '@x.org', 'x', '{editor}' FROM generate_series(1, " MANY_USERS ") AS n");
    cluster_run(&cluster, ANALYZE);
    struct server other = server_start_beside(&one, settings);
    struct tokens kept = account_login(&one, &account), tokens[SESSIONS];
    for (size_t i = 0; i < SESSIONS; i++)
        tokens[i] = account_login(&one, &account);
    await_ready(&other);
    expect_roles(&other, kept.access, "editor", 1);
    cluster_run(&cluster, "UPDATE users SET roles = '{}'");
    cluster_run(&cluster, ANALYZE);
    for (size_t i = 0; i < SESSIONS; i++) {
        expect_status(http_json(&one, "POST", "/auth/logout", tokens[i].access, NULL), 204);
        double seconds = seconds_until_refused(&other, tokens[i].access);
        ck_assert_msg(seconds < 1, "logout %zu was known after %.2f s", i, seconds);
        expect_status(http_json(&other, "GET", "/health/ready", NULL, NULL), 200);
    }
    expect_roles(&other, kept.access, "-", 20);
    struct server late = server_start_beside(&one, settings);
    await_ready(&late);
    expect_roles(&late, kept.access, "-", 0.5);
    server_finish(&late);
    server_finish(&other);
    server_finish(&one);
}
END_TEST

Suite *database_revocations_suite(void) {
    Suite *suite = suite_create("database_revocations");
    TCase *tcase = tcase_create("a cluster of their own");
    tcase_set_timeout(tcase, 300);
    tcase_add_unchecked_fixture(tcase, make_cluster, remove_cluster);
    tcase_add_test(tcase, a_logout_is_known_everywhere_within_a_second_while_the_cleanup_waits);
    tcase_add_test(tcase, a_revocation_is_known_within_three_seconds_while_the_roles_cannot_be_read);
    tcase_add_test(tcase, a_burst_of_revocations_is_not_read_twice_a_second);
    tcase_add_test(tcase, while_the_revoked_keys_cannot_be_read_that_is_said_and_logouts_are_known_soon);
    tcase_add_test(tcase, followers_that_come_and_go_do_not_hold_up_changes_of_roles);
    tcase_add_test(tcase, followers_are_told_how_stale_the_knowledge_is_and_lose_nothing);
    tcase_add_test(tcase, a_service_starts_with_half_a_million_revocations_to_read);
    tcase_add_test(tcase, the_roles_of_everybody_change_and_hold_up_neither_logouts_nor_a_start);
    suite_add_tcase(suite, tcase);
    return suite;
}
