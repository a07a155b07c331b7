/* The audit is broken: its table is locked, its disk is full, its partitions are missing. Logins go on, and what was lost is
 * counted. */
#include "support/account.h"
#include "support/cluster.h"
#include "support/load.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "tests/runner.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

Suite *database_audit_suite(void);

#define CLIENTS 4
#define LOGINS 60 /* of all clients together */
#define LEAVERS 12
#define WAIT_MS 15000

static struct cluster cluster;
static struct server server;
static struct account account;

static void create(void) {
    char url[CLUSTER_SETTING_SIZE];
    cluster = cluster_create(NULL);
    server = server_start((const char *const[]){ cluster_setting(cluster.port, "", url), NULL });
}

static void register_account(void) {
    account = account_register(&server);
}

static void remove_(void) {
    server_finish(&server);
    cluster_remove(&cluster);
}

/* ---- logins ---- */

struct crowd {
    atomic_uint left; /* logins that are still to be made */
    atomic_bool is_over;
    double slowest_s[CLIENTS];
    struct tokens tokens[LEAVERS];
};

static void log_in(struct crowd *crowd, size_t index) {
    char body[BODY_SIZE];
    while (atomic_fetch_sub(&crowd->left, 1) <= LOGINS && atomic_load(&crowd->left) < LOGINS) {
        struct reply reply = http_json(&server, "POST", "/auth/login", NULL, credentials(&account, PASSWORD, body));
        ck_assert_msg(reply.status == 200, "%ld: %s", reply.status, reply.body);
        if (reply.seconds > crowd->slowest_s[index])
            crowd->slowest_s[index] = reply.seconds;
        http_free(&reply);
    }
    atomic_store(&crowd->is_over, true);
}

/* Changes of state do wait for the audit, and are refused when it cannot be had; their waiting must not take the connections. */
static void leave(struct crowd *crowd, size_t index) {
    char body[BODY_SIZE];
    do {
        struct reply reply = http_json(&server, "POST", "/auth/logout", NULL, refresh_json(crowd->tokens[index].refresh, body));
        ck_assert_msg(reply.status == 204 || reply.status == 503, "%ld: %s", reply.status, reply.body);
        http_free(&reply);
    } while (!atomic_load(&crowd->is_over));
}

static void log_in_or_leave(size_t index, void *context) {
    struct crowd *crowd = context;
    if (index < CLIENTS)
        log_in(crowd, index);
    else
        leave(crowd, index - CLIENTS);
}

/* Returns how long all of them took. */
static double run_logins(bool with_leavers, double *slowest_s) {
    static struct crowd crowd;
    crowd = (struct crowd){ .left = LOGINS };
    for (size_t i = 0; with_leavers && i < LEAVERS; i++)
        crowd.tokens[i] = account_login(&server, &account);
    *slowest_s = 0;
    int64_t began_us = clock_monotonic_us();
    run_parallel(CLIENTS + (with_leavers ? LEAVERS : 0), log_in_or_leave, &crowd);
    int64_t took_us = clock_monotonic_us() - began_us;
    for (size_t i = 0; i < CLIENTS; i++)
        if (crowd.slowest_s[i] > *slowest_s)
            *slowest_s = crowd.slowest_s[i];
    return (double)took_us / CLOCK_US_PER_S;
}

/* ---- what breaks ---- */

static PGconn *locker;

static void lock_by(const char *script) {
    char url[CLUSTER_URL_SIZE];
    locker = PQconnectdb(cluster_url("jwtd_owner", cluster.port, url));
    PGresult *result = PQexec(locker, script);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(locker));
    PQclear(result);
}

static void lock_table(void) {
    lock_by("BEGIN; LOCK TABLE auth_events IN ACCESS EXCLUSIVE MODE");
}

static void unlock(void) {
    PQfinish(locker);
}

/* That of this month: it is rebuilt, say. */
static void lock_partition(void) {
    lock_by("BEGIN; DO $$ BEGIN EXECUTE 'LOCK TABLE auth_events_' ||"
            " to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM') || ' IN SHARE MODE'; END $$");
}

static void take_partitions(void) {
    cluster_run(&cluster, "DO $$ DECLARE name text; BEGIN"
                          " FOR name IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'auth_events'::regclass LOOP"
                          "   EXECUTE 'ALTER TABLE auth_events DETACH PARTITION ' || name;"
                          " END LOOP; END $$");
}

static void return_partitions(void) {
    cluster_run(&cluster, "ALTER TABLE auth_events ATTACH PARTITION auth_events_default DEFAULT;"
                          " DO $$ DECLARE name text; BEGIN"
                          " FOR name IN SELECT relname FROM pg_class WHERE relname ~ '^auth_events_[0-9]{4}_[0-9]{2}$' LOOP"
                          "   EXECUTE format('ALTER TABLE auth_events ATTACH PARTITION %%I FOR VALUES FROM (%%L) TO (%%L)', name,"
                          "     to_date(right(name, 7), 'YYYY_MM'), to_date(right(name, 7), 'YYYY_MM') + interval '1 month');"
                          " END LOOP; END $$");
}

static void drop_this_month(void) {
    cluster_run(&cluster, "DO $$ BEGIN"
                          " EXECUTE 'DROP TABLE auth_events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM'); END $$");
}

static void make_this_month(void) {
    cluster_run(&cluster, "SELECT FROM auth_events_maintain(NULL)");
}

static void refuse_rights(void) {
    cluster_run(&cluster, "REVOKE INSERT ON auth_events FROM jwtd");
}

static void return_rights(void) {
    cluster_run(&cluster, "GRANT INSERT ON auth_events TO jwtd");
}

static const struct {
    void (*begin)(void);
    void (*end)(void);
    bool drops_events; /* those from before */
} troubles[] = {
#define LOCKS 2 /* the first ones */
    { lock_table, unlock, false },
    { lock_partition, unlock, false },
    { take_partitions, return_partitions, false },
    { drop_this_month, make_this_month, true },
    { refuse_rights, return_rights, false },
};

/* Of the account. */
static long events(const char *event) {
    return cluster_number(&cluster, "SELECT count(*) FROM auth_events WHERE event = '%s' AND user_id = '%s'", event, account.id);
}

static void await_events(const char *event, long expected) {
    for (int waited_ms = 0; waited_ms < WAIT_MS && events(event) < expected; waited_ms += 50)
        usleep(50000);
    ck_assert_int_eq(events(event), expected);
}

static void await_opened(long expected) {
    await_events("session_opened", expected);
}

static double slowness(void) {
    return test_is_sanitized() ? 10 : 1;
}

/* "At full speed": no login waits for what the audit waits for, which is two seconds, and together they take about as long as
 * before. What could not be written waits, and is written in the end. */
START_TEST(logins_go_on_at_full_speed_while_the_audit_is_broken) {
    double slowest_s, before_s = run_logins(false, &slowest_s);
    await_opened(LOGINS);
    troubles[_i].begin();
    double during_s = run_logins(false, &slowest_s);
    if (troubles[_i].drops_events)
        await_opened(LOGINS); /* in the DEFAULT partition */
    troubles[_i].end();
    ck_assert_msg(slowest_s < 1.5 * slowness(), "a login took %.3f s", slowest_s);
    ck_assert_msg(during_s < 4 * before_s + 0.5, "%d logins took %.3f s, and %.3f s before", LOGINS, during_s, before_s);
    await_opened(troubles[_i].drops_events ? LOGINS : 2 * LOGINS);
}
END_TEST

/* A change of state needs its event, and is refused when the table is locked; at once, so that many of them do not keep the
 * logins from the connections. */
START_TEST(changes_that_the_audit_refuses_do_not_hold_up_logins) {
    double slowest_s, before_s = run_logins(true, &slowest_s);
    troubles[_i].begin();
    double during_s = run_logins(true, &slowest_s);
    troubles[_i].end();
    ck_assert_msg(slowest_s < 1.5 * slowness(), "a login took %.3f s", slowest_s);
    ck_assert_msg(during_s < 4 * before_s + 0.5, "%d logins took %.3f s, and %.3f s before", LOGINS, during_s, before_s);
}
END_TEST

/* Months that have ended, or are to come, and the rest are rebuilt, archived or detached while the service runs. */
static const char *const other_partitions[] = {
    "BEGIN; DO $$ BEGIN EXECUTE 'LOCK TABLE auth_events_' ||"
    " to_char(now() AT TIME ZONE 'UTC' + interval '1 month', 'YYYY_MM') || ' IN ACCESS EXCLUSIVE MODE'; END $$",
    "BEGIN; LOCK TABLE auth_events_default IN ACCESS EXCLUSIVE MODE",
};

START_TEST(changes_need_no_partition_but_that_of_now) {
    char body[BODY_SIZE];
    struct tokens tokens = account_login(&server, &account);
    lock_by(other_partitions[_i]);
    struct reply reply = http_json(&server, "POST", "/auth/logout", NULL, refresh_json(tokens.refresh, body));
    unlock();
    ck_assert_msg(reply.status == 204, "%ld: %s", reply.status, reply.body);
    http_free(&reply);
    ck_assert_int_eq(events("session_ended"), 1);
}
END_TEST

/* How many lines of this event the request has. */
static int lines_of(const char *event, const char *request_id) {
    char *log = server_log(&server), *rest = log, *line, name[64], id[128];
    int count = 0;
    snprintf(name, sizeof name, "\"event\":\"%s\"", event);
    snprintf(id, sizeof id, "\"request_id\":\"%s\"", request_id);
    while ((line = strsep(&rest, "\n")) != NULL)
        count += strstr(line, name) != NULL && strstr(line, id) != NULL;
    free(log);
    return count;
}

START_TEST(a_change_that_the_audit_refuses_is_one_error_of_its_request) {
    char body[BODY_SIZE], id[128];
    struct tokens tokens = account_login(&server, &account);
    troubles[_i].begin();
    struct reply reply = http_json(&server, "POST", "/auth/logout", NULL, refresh_json(tokens.refresh, body));
    troubles[_i].end();
    ck_assert_msg(reply.status == 503, "%ld: %s", reply.status, reply.body);
    http_header(&reply, "X-Request-Id", id, sizeof id);
    http_free(&reply);
    for (int waited_ms = 0; waited_ms < WAIT_MS && lines_of("request", id) == 0; waited_ms += 10)
        usleep(10000);
    ck_assert_int_eq(lines_of("request", id), 1); /* which is behind the others of the request */
    ck_assert_int_eq(lines_of("database_error", id), 1);
}
END_TEST

static struct reply refresh(const char *token) {
    char body[BODY_SIZE];
    return http_json(&server, "POST", "/auth/refresh", NULL, refresh_json(token, body));
}

/* A thief who has the newest token must not keep the session because the audit cannot be written. */
START_TEST(a_reused_refresh_token_ends_its_session_while_the_audit_is_broken) {
    char newest[128];
    struct tokens tokens = account_login(&server, &account);
    snprintf(newest, sizeof newest, "%s", tokens.refresh);
    for (int i = 0; i < 2; i++) {
        struct reply reply = refresh(newest);
        ck_assert_int_eq(reply.status, 200);
        snprintf(newest, sizeof newest, "%s", http_member(&reply, "refresh_token"));
        http_free(&reply);
    }
    troubles[_i].begin();
    struct reply reused = refresh(tokens.refresh), after = refresh(newest);
    troubles[_i].end();
    ck_assert_msg(reused.status == 401, "%ld: %s", reused.status, reused.body);
    ck_assert_str_eq(http_member(&reused, "code"), "refresh_token_reused");
    ck_assert_msg(after.status == 401, "%ld: %s", after.status, after.body);
    http_free(&reused);
    http_free(&after);
    if (troubles[_i].drops_events)
        return;
    await_events("refresh_token_reused", 1);
    await_events("session_ended", 1);
}
END_TEST

/* The file of this month's partition is replaced by /dev/full. */
START_TEST(logins_go_on_while_the_disk_of_the_audit_is_full) {
    char partition[64], path[CLUSTER_PATH_SIZE];
    time_t now = time(NULL);
    struct tm month;
    strftime(partition, sizeof partition, "auth_events_%Y_%m", gmtime_r(&now, &month));
    cluster_run(&cluster, "TRUNCATE %s", partition);
    cluster_find_file(&cluster, partition, path);
    cluster_fill_disk_of(&cluster, path);
    await_ready(&server);
    double slowest_s;
    run_logins(false, &slowest_s);
    server_await_log(&server, "53100", WAIT_MS);
    cluster_make_space_for(&cluster, path);
    await_ready(&server);
    ck_assert_msg(slowest_s < 1.5 * slowness(), "a login took %.3f s", slowest_s);
    await_opened(LOGINS);
}
END_TEST

Suite *database_audit_suite(void) {
    Suite *suite = suite_create("database_audit");
    TCase *tcase = tcase_create("a database of its own");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, create, remove_);
    tcase_add_checked_fixture(tcase, register_account, NULL);
    tcase_add_loop_test(tcase, logins_go_on_at_full_speed_while_the_audit_is_broken, 0, (int)ARRAY_LEN(troubles));
    tcase_add_loop_test(tcase, changes_that_the_audit_refuses_do_not_hold_up_logins, 0, LOCKS);
    tcase_add_loop_test(tcase, a_change_that_the_audit_refuses_is_one_error_of_its_request, 0, LOCKS);
    tcase_add_loop_test(tcase, changes_need_no_partition_but_that_of_now, 0, (int)ARRAY_LEN(other_partitions));
    tcase_add_loop_test(tcase, a_reused_refresh_token_ends_its_session_while_the_audit_is_broken, 0, (int)ARRAY_LEN(troubles));
    tcase_add_test(tcase, logins_go_on_while_the_disk_of_the_audit_is_full);
    suite_add_tcase(suite, tcase);
    return suite;
}
