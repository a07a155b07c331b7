/* Two PostgreSQL hosts in database.url, one following the other, and the ways in which the first stops being the one that takes
 * writes. */
#include "support/cluster.h"
#include "support/load.h"
#include "support/proxy.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <unistd.h>

Suite *database_failover_suite(void);

#define TIMEOUT_S 2
#define SLACK_S 1.5
#define RECOVERY_S 5

static struct cluster first, second;
static struct proxy *proxy; /* in front of the first */

static void create(void) {
    first = cluster_create(NULL);
    second = cluster_create_standby(&first);
    proxy = proxy_start(first.port);
}

static void remove_(void) {
    proxy_stop(proxy);
    cluster_remove(&second);
    cluster_remove(&first);
}

static struct server start_with_both(const char *attributes) {
    char url[CLUSTER_SETTING_SIZE];
    snprintf(url, sizeof url,
             "database.url=postgresql://jwtd@127.0.0.1:%d,127.0.0.1:%d/jwtd?sslmode=disable&gssencmode=disable"
             "&target_session_attrs=%s",
             proxy_port(proxy), second.port, attributes);
    return server_start((const char *const[]){ url, "server.request_timeout=2s", NULL });
}

/* ---- how the first one goes ---- */

/* Fenced off by its operator; connections live on. */
static void turn_read_only(void) {
    cluster_run(&first, "ALTER SYSTEM SET default_transaction_read_only = on");
    cluster_run(&first, "SELECT pg_reload_conf()");
    /* a new session has it when all others have been told; what was being written then is soon written */
    cluster_await(&first, "SELECT (current_setting('default_transaction_read_only') = 'on')::integer");
    cluster_await(&first,
                  "SELECT (count(*) = 0)::integer FROM pg_stat_activity WHERE usename = 'jwtd' AND backend_xid IS NOT NULL");
    cluster_promote(&second, &first);
}

/* What it has not yet sent to the second is lost: that of a token that was handed out no more than of others. */
static void crash(void) {
    cluster_crash(&first);
    cluster_promote(&second, NULL);
}

/* Takes connections and says no word any more. */
static void fall_silent(void) {
    proxy_set_mode(proxy, PROXY_HOLDS);
    cluster_promote(&second, &first);
}

/* Gone, and what forwards connections to it still takes them. */
static void leave_a_forwarder(void) {
    proxy_set_mode(proxy, PROXY_HANGS_UP);
    cluster_promote(&second, &first);
}

static void (*const ends[])(void) = { turn_read_only, crash, fall_silent, leave_a_forwarder };

struct failover {
    void (*end)(void);
    double recovery_s;
};

static void fail_over(struct load *load) {
    struct failover *failover = load->context;
    usleep(200000);
    failover->end();
    failover->recovery_s = load_await_good(load);
    await_ready(load->server);
}

START_TEST(the_service_finds_the_host_that_takes_writes) {
    struct server server = start_with_both("read-write");
    struct failover failover = { .end = ends[_i] };
    struct load load;
    load_prepare(&load, &server);
    ck_assert_int_gt(cluster_number(&first, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'jwtd'"), 0);
    cluster_await_standby(&first); /* it has the logins, whatever it loses later */
    load_run(&load, fail_over, &failover);
    load_assert_only_200_and_503(&load, TIMEOUT_S + SLACK_S);
    ck_assert_msg(failover.recovery_s < RECOVERY_S + load.machine_s, "well after %.1f s, of which the machine took %.1f",
                  failover.recovery_s, load.machine_s);
    load_assert_sessions_live(&load);
    server_finish(&server);
}
END_TEST

/* Also the connection that only reads revocations and changed roles: the first host would never have new ones. Its last statement
 * is one for roles. */
START_TEST(no_connection_stays_with_a_host_that_has_turned_read_only) {
    struct server server = start_with_both("read-write");
    struct load load;
    load_prepare(&load, &server);
    turn_read_only();
    for (int i = 0; i < 100; i++) /* each connection comes to see the change at its next statement */
        await_ready(&server);
    cluster_await(&first, "SELECT (count(*) = 0)::integer FROM pg_stat_activity WHERE usename = 'jwtd'");
    cluster_await(&second, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'jwtd' AND query LIKE '%roles_changed_xid%'");
    server_finish(&server);
}
END_TEST

Suite *database_failover_suite(void) {
    Suite *suite = suite_create("database_failover");
    TCase *tcase = tcase_create("two hosts");
    tcase_set_timeout(tcase, 300); /* for a test that hangs; what the service promises is measured */
    tcase_add_checked_fixture(tcase, create, remove_);
    tcase_add_loop_test(tcase, the_service_finds_the_host_that_takes_writes, 0, (int)ARRAY_LEN(ends));
    tcase_add_test(tcase, no_connection_stays_with_a_host_that_has_turned_read_only);
    suite_add_tcase(suite, tcase);
    return suite;
}
