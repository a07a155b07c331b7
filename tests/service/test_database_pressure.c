/* The database is there and refuses: no connection left, no space, no writes, locks held by others, transactions that cannot be
 * put in order. */
#include "support/account.h"
#include "support/cluster.h"
#include "support/load.h"

#include "jwtd/macros.h"
#include "tests/runner.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *database_pressure_suite(void);

#define CONNECTIONS 4
#define BACKGROUND 3 /* connections of the threads that no request asks: docs/operators.md says so to operators */
#define CONNECTIONS_SETTING "database.connections=4"
#define TAKEN_MAX 64

static struct cluster cluster;

static void create(void) {
    cluster = cluster_create((const char *const[]){ "max_connections=20", NULL });
}

static void remove_(void) {
    cluster_remove(&cluster);
}

static struct server start_service(const char *url_words) {
    char url[CLUSTER_SETTING_SIZE];
    return server_start_unready((const char *const[]){ cluster_setting(cluster.port, url_words, url), CONNECTIONS_SETTING,
                                                       "server.request_timeout=5s", "database.statement_timeout=4s",
                                                       "log.level=debug", NULL });
}

static struct server start_well(const char *url_words) {
    struct server server = start_service(url_words);
    await_ready(&server);
    return server;
}

static struct reply post_account(const struct server *server, const char *path, const struct account *account) {
    char body[BODY_SIZE];
    return http_json(server, "POST", path, NULL, credentials(account, PASSWORD, body));
}

/* Repeats a request until the reply is another than 503; each connection may have to wait for its next attempt. */
static long status_in_the_end(const struct server *server, const char *path, const struct account *account) {
    long status = 503;
    for (int i = 0; i < 100 && status == 503; i++) {
        struct reply reply = post_account(server, path, account);
        status = reply.status;
        http_free(&reply);
        usleep(status == 503 ? 50000 : 0);
    }
    return status;
}

/* ---- no connection left ---- */

static size_t take_all_connections(PGconn **taken) {
    char url[CLUSTER_URL_SIZE];
    for (size_t count = 0; count < TAKEN_MAX; count++) {
        taken[count] = PQconnectdb(cluster_url("jwtd_owner", cluster.port, url));
        if (PQstatus(taken[count]) == CONNECTION_OK)
            continue;
        PQfinish(taken[count]);
        return count;
    }
    ck_abort_msg("there is no end of connections");
}

START_TEST(without_a_free_connection_every_client_gets_503) {
    PGconn *taken[TAKEN_MAX] = { NULL };
    struct account account = account_new();
    size_t count = take_all_connections(taken);
    ck_assert_uint_ge(count, 10);
    struct server server = start_service("");
    for (int i = 0; i < 20; i++) {
        struct reply reply = post_account(&server, "/auth/register", &account);
        assert_problem(&reply, 503, "database_unavailable");
        ck_assert_msg(reply.seconds < 2, "%.2f s", reply.seconds);
        http_free(&reply);
    }
    ck_assert(server_log_count(&server, "too many clients") + server_log_count(&server, "remaining connection slots") > 0);
    while (count > 0)
        PQfinish(taken[--count]);
    double seconds = await_ready(&server);
    ck_assert_msg(seconds < 5, "ready after %.1f s", seconds);
    ck_assert_int_eq(status_in_the_end(&server, "/auth/register", &account), 201);
    server_finish(&server);
}
END_TEST

struct crowd {
    const struct server *server;
    struct account account;
    long statuses[40];
};

static void log_in(size_t index, void *context) {
    struct crowd *crowd = context;
    struct reply reply = post_account(crowd->server, "/auth/login", &crowd->account);
    crowd->statuses[index] = reply.status;
    http_free(&reply);
}

/* Three of the service's connections cannot be opened. The threads that have one do the work: no request is refused because
 * another thread took it. */
START_TEST(with_few_connections_the_service_works_with_those) {
    PGconn *taken[TAKEN_MAX] = { NULL };
    struct account account = account_new();
    size_t count = take_all_connections(taken);
    for (int i = 0; i < CONNECTIONS + BACKGROUND - 3; i++)
        PQfinish(taken[--count]);
    struct server server = start_well("");
    ck_assert_int_eq(status_in_the_end(&server, "/auth/register", &account), 201);
    struct crowd crowd = { .server = &server, .account = account };
    run_parallel(40, log_in, &crowd); /* each thread finds out what it has */
    long connections = 0;             /* who could open none tries again after a while */
    for (int i = 0; i < 100 && connections != CONNECTIONS + BACKGROUND - 3; i++) {
        usleep(100000);
        connections = cluster_number(&cluster, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'jwtd'");
    }
    ck_assert_int_eq(connections, CONNECTIONS + BACKGROUND - 3);
    for (int round = 0; round < 10; round++) {
        run_parallel(40, log_in, &crowd);
        for (size_t i = 0; i < 40; i++)
            ck_assert_msg(crowd.statuses[i] == 200, "%ld in round %d", crowd.statuses[i], round);
    }
    while (count > 0)
        PQfinish(taken[--count]);
    server_finish(&server);
}
END_TEST

START_TEST(the_service_never_has_more_connections_than_it_may) {
    struct server server = start_well("");
    struct crowd crowd = { .server = &server, .account = account_register(&server) };
    run_parallel(40, log_in, &crowd);
    for (size_t i = 0; i < 40; i++)
        ck_assert_int_eq(crowd.statuses[i], 200);
    ck_assert_int_le(cluster_number(&cluster, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'jwtd'"),
                     CONNECTIONS + BACKGROUND);
    server_finish(&server);
}
END_TEST

/* ---- no space left ---- */

static struct reply act_register(const struct server *server, const struct account *account, const struct tokens *tokens) {
    (void)tokens;
    return post_account(server, "/auth/register", account);
}

static struct reply act_login(const struct server *server, const struct account *account, const struct tokens *tokens) {
    (void)tokens;
    return post_account(server, "/auth/login", account);
}

static struct reply act_logout(const struct server *server, const struct account *account, const struct tokens *tokens) {
    char body[BODY_SIZE];
    (void)account;
    return http_json(server, "POST", "/auth/logout", NULL, refresh_json(tokens->refresh, body));
}

/* `half`: what would be left of the request if it were not undone as a whole. */
static const struct {
    const char *table;
    bool is_registered, is_logged_in;
    struct reply (*act)(const struct server *server, const struct account *account, const struct tokens *tokens);
    const char *half;
    long status;
} full_cases[] = {
    { "users", false, false, act_register, "SELECT count(*) FROM users", 201 },
    { "known_addresses", false, false, act_register, "SELECT count(*) FROM users", 201 },
    { "sessions", true, false, act_login, "SELECT count(*) FROM known_addresses", 200 },
    { "known_addresses", true, false, act_login, "SELECT count(*) FROM sessions", 200 },
    { "revocations", true, true, act_logout, "SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL", 204 },
};

START_TEST(a_full_disk_costs_503_and_leaves_nothing_half_done) {
    struct server server = start_well("");
    struct account account = account_new();
    struct tokens tokens = { .access = "" };
    char path[CLUSTER_PATH_SIZE];
    cluster_run(&cluster, "TRUNCATE users, sessions, revocations, known_addresses");
    if (full_cases[_i].is_registered)
        account = account_register(&server);
    cluster_run(&cluster, "TRUNCATE known_addresses");
    if (full_cases[_i].is_logged_in)
        tokens = account_login(&server, &account);
    cluster_find_file(&cluster, full_cases[_i].table, path);
    cluster_fill_disk_of(&cluster, path);
    await_ready(&server);
    for (int i = 0; i < 100 && server_log_count(&server, "53100") == 0; i++) {
        expect_problem(full_cases[_i].act(&server, &account, &tokens), 503, "database_unavailable");
        usleep(20000);
    }
    ck_assert(server_log_contains(&server, "53100"));
    ck_assert_int_eq(cluster_number(&cluster, "%s", full_cases[_i].half), 0);
    cluster_make_space_for(&cluster, path);
    await_ready(&server);
    struct reply reply = full_cases[_i].act(&server, &account, &tokens);
    for (int i = 0; i < 100 && reply.status == 503; i++) {
        usleep(50000);
        http_free(&reply);
        reply = full_cases[_i].act(&server, &account, &tokens);
    }
    ck_assert_int_eq(reply.status, full_cases[_i].status);
    ck_assert_int_eq(cluster_number(&cluster, "%s", full_cases[_i].half), 1);
    http_free(&reply);
    server_finish(&server);
}
END_TEST

/* ---- no writes ---- */

START_TEST(a_read_only_database_is_read_and_writes_get_503) {
    struct server server = start_well("");
    struct account account = account_register(&server), other = account_new();
    struct tokens tokens = account_login(&server, &account);
    cluster_run(&cluster, "ALTER ROLE jwtd SET default_transaction_read_only = on");
    cluster_run(&cluster, "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = 'jwtd'");
    long users = cluster_number(&cluster, "SELECT count(*) FROM users");
    for (int i = 0; i < 10; i++) {
        expect_problem(post_account(&server, "/auth/register", &other), 503, "database_unavailable");
        expect_problem(post_account(&server, "/auth/login", &account), 503, "database_unavailable");
        expect_problem(refresh_with(&server, tokens.refresh), 503, "database_unavailable");
    }
    ck_assert(server_log_contains(&server, "25006"));
    long status = 503;
    for (int i = 0; i < 100 && status == 503; i++) {
        usleep(50000);
        status = me_status(&server, tokens.access);
    }
    ck_assert_int_eq(status, 200);
    ck_assert_int_eq(cluster_number(&cluster, "SELECT count(*) FROM users"), users);
    cluster_run(&cluster, "ALTER ROLE jwtd RESET default_transaction_read_only");
    ck_assert_int_eq(status_in_the_end(&server, "/auth/register", &other), 201);
    server_finish(&server);
}
END_TEST

/* ---- others in the way ---- */

/* The transaction of another program, which holds a lock that the service waits for. */
struct rival {
    const struct server *server;
    PGconn *connection;
    struct account account;
    struct tokens tokens, other;
    struct reply (*act)(const struct rival *rival);
    void (*meet)(const struct rival *rival);
    struct reply reply;
};

static void run_as(const struct rival *rival, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void run_as(const struct rival *rival, const char *format, ...) {
    char statement[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(statement, sizeof statement, format, arguments);
    va_end(arguments);
    PGresult *result = PQexec(rival->connection, statement);
    ExecStatusType outcome = PQresultStatus(result);
    ck_assert_msg(outcome == PGRES_COMMAND_OK || outcome == PGRES_TUPLES_OK, "%s: %s", statement,
                  PQerrorMessage(rival->connection));
    PQclear(result);
}

static struct rival make_rival(const struct server *server) {
    char url[CLUSTER_URL_SIZE];
    struct rival rival = { .server = server, .account = account_register(server) };
    rival.tokens = account_login(server, &rival.account);
    rival.other = account_login(server, &rival.account);
    rival.connection = PQconnectdb(cluster_url("postgres", cluster.port, url));
    run_as(&rival, "BEGIN");
    run_as(&rival, "SET LOCAL deadlock_timeout = '60s'"); /* the service's statement is to be the victim */
    return rival;
}

static void act_or_meet(size_t index, void *context) {
    struct rival *rival = context;
    if (index == 0) {
        rival->reply = rival->act(rival);
        return;
    }
    cluster_await(&cluster, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'jwtd'");
    rival->meet(rival);
}

static struct reply act_refresh(const struct rival *rival) {
    return refresh_with(rival->server, rival->tokens.refresh);
}

static struct reply act_change_password(const struct rival *rival) {
    return http_json(rival->server, "POST", "/auth/password", rival->tokens.access,
                     "{\"current_password\":\"" PASSWORD "\",\"new_password\":\"another long passphrase\"}");
}

static void lock_sessions(const struct rival *rival) {
    run_as(rival, "UPDATE sessions SET user_agent = 'rival' WHERE user_id = '%s'", rival->account.id);
}

static void commit(const struct rival *rival) {
    run_as(rival, "COMMIT");
}

/* The service holds the user by now. It fails for the deadlock, releases the row, and this statement goes on. */
static void lock_user_and_commit(const struct rival *rival) {
    run_as(rival, "SELECT FROM users WHERE id = '%s' FOR UPDATE", rival->account.id);
    run_as(rival, "COMMIT");
}

static void take_its_time(const struct rival *rival) {
    usleep(500000);
    run_as(rival, "ROLLBACK");
}

#define SERIALIZABLE "options=-cdefault_transaction_isolation=serializable"

static const struct {
    const char *url_words;
    struct reply (*act)(const struct rival *rival);
    void (*meet)(const struct rival *rival);
    const char *sqlstate; /* what the service met on the way */
    long status;
} meetings[] = {
    { "", act_change_password, lock_user_and_commit, "40P01", 204 },
    { SERIALIZABLE, act_refresh, commit, "40001", 200 },
    { SERIALIZABLE, act_change_password, commit, "40001", 204 },
    { "", act_refresh, take_its_time, NULL, 200 },
};

START_TEST(what_another_transaction_spoils_is_done_again) {
    struct server server = start_well(meetings[_i].url_words);
    struct rival rival = make_rival(&server);
    rival.act = meetings[_i].act;
    rival.meet = meetings[_i].meet;
    lock_sessions(&rival);
    run_parallel(2, act_or_meet, &rival);
    ck_assert_msg(rival.reply.status == meetings[_i].status, "%ld %s", rival.reply.status, rival.reply.body);
    ck_assert_msg(meetings[_i].sqlstate == NULL || server_log_contains(&server, meetings[_i].sqlstate), "it was not spoilt");
    ck_assert_int_eq(server_log_count(&server, "\"level\":\"warn\",\"event\":\"database_error\""),
                     0); /* it succeeds in the end */
    http_free(&rival.reply);
    PQfinish(rival.connection);
    server_finish(&server);
}
END_TEST

/* The lock is not released: the statement is ended by its timeout, and again there is nothing half done. */
START_TEST(a_lock_that_is_not_released_costs_503_in_time) {
    char url[CLUSTER_SETTING_SIZE];
    struct server server =
        server_start((const char *const[]){ cluster_setting(cluster.port, "", url), "database.statement_timeout=500ms", NULL });
    struct rival rival = make_rival(&server);
    lock_sessions(&rival);
    struct reply reply = act_change_password(&rival);
    assert_problem(&reply, 503, "deadline_exceeded");
    ck_assert_msg(reply.seconds < 3, "%.2f s", reply.seconds);
    http_free(&reply);
    run_as(&rival, "ROLLBACK");
    ck_assert_int_eq(status_in_the_end(&server, "/auth/login", &rival.account), 200);
    PQfinish(rival.connection);
    server_finish(&server);
}
END_TEST

#define WAITING 12

struct bystander {
    struct rival *rival;
    struct tokens tokens;
    double p99_s;
};

static int by_seconds(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double p99_of_me(const struct bystander *bystander) {
    double seconds[200];
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        struct reply reply = http_json(bystander->rival->server, "GET", "/auth/me", bystander->tokens.access, NULL);
        ck_assert_int_eq(reply.status, 200);
        seconds[i] = reply.seconds;
        http_free(&reply);
    }
    qsort(seconds, ARRAY_LEN(seconds), sizeof seconds[0], by_seconds);
    return seconds[ARRAY_LEN(seconds) * 99 / 100];
}

/* The first one measures, and then releases the row; the others wait for it. */
static void wait_or_measure(size_t index, void *context) {
    struct bystander *bystander = context;
    if (index > 0) {
        expect_status(act_refresh(bystander->rival), 200);
        return;
    }
    cluster_await(&cluster,
                  "SELECT (count(*) = 3)::integer FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'jwtd'");
    /* the best of three, since the machine may be busy with something else */
    bystander->p99_s = 1;
    for (int i = 0; i < 3 && bystander->p99_s >= 0.01; i++)
        bystander->p99_s = p99_of_me(bystander);
    run_as(bystander->rival, "ROLLBACK");
}

/* All connections wait for the row but the one that is kept for reads. */
START_TEST(a_locked_session_delays_nobody_who_reads) {
    struct server server = start_well("");
    struct rival rival = make_rival(&server);
    struct account account = account_register(&server);
    struct bystander bystander = { .rival = &rival, .tokens = account_login(&server, &account) };
    lock_sessions(&rival);
    run_parallel(1 + WAITING, wait_or_measure, &bystander);
    ck_assert_msg(bystander.p99_s < (test_is_sanitized() ? 0.2 : 0.01), "%.4f s", bystander.p99_s);
    PQfinish(rival.connection);
    server_finish(&server);
}
END_TEST

Suite *database_pressure_suite(void) {
    Suite *suite = suite_create("database_pressure");
    TCase *tcase = tcase_create("a database of its own");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, create, remove_);
    tcase_add_test(tcase, without_a_free_connection_every_client_gets_503);
    tcase_add_test(tcase, with_few_connections_the_service_works_with_those);
    tcase_add_test(tcase, the_service_never_has_more_connections_than_it_may);
    tcase_add_loop_test(tcase, a_full_disk_costs_503_and_leaves_nothing_half_done, 0, (int)ARRAY_LEN(full_cases));
    tcase_add_test(tcase, a_read_only_database_is_read_and_writes_get_503);
    tcase_add_loop_test(tcase, what_another_transaction_spoils_is_done_again, 0, (int)ARRAY_LEN(meetings));
    tcase_add_test(tcase, a_lock_that_is_not_released_costs_503_in_time);
    tcase_add_test(tcase, a_locked_session_delays_nobody_who_reads);
    suite_add_tcase(suite, tcase);
    return suite;
}
