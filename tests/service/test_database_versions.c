/*
 * Two neighbouring versions of the program on one schema, as in a rollout: the one before serves, its schema is migrated, the new
 * one comes beside it, the old one goes; and the way back, on the new schema. Clients use whichever instance there is, each
 * request another, and see no error all the time.
 */
#include "store_fixture.h"
#include "support/account.h"
#include "support/load.h"

#include "tests/runner.h"

#include "jwtd/macros.h"

#include <check.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *database_versions_suite(void);

#define PREVIOUS_PROGRAM "build/previous/jwtd"
#define CLIENTS 4
#define DAYS_PER_PHASE 2 /* of each client */
#define PHASE_MAX_US (60 * CLOCK_US_PER_S)
#define REVOKED_WITHIN_US (2 * CLOCK_US_PER_S) /* the promise is one second; the machine is shared */

enum version { OLD, NEW, VERSIONS };

struct instance {
    struct server server;
    atomic_bool is_up;
    atomic_uint answered;
};

static struct {
    const char *programs[VERSIONS];
    char url[URL_SIZE], owner_url[URL_SIZE];
    struct server keys; /* their directory */
    struct instance instances[VERSIONS];
    atomic_uint days[CLIENTS];
    atomic_bool over;
    pthread_mutex_t lock;
    char failure[512]; /* the first */
} rollout = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- the database ---- */

static void run_sql(const char *conninfo, const char *sql) {
    PGconn *connection = PQconnectdb(conninfo);
    PGresult *result = PQexec(connection, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", sql, PQerrorMessage(connection));
    PQclear(result);
    PQfinish(connection);
}

static void create_database(void) {
    const char *superuser = getenv("JWTD_TEST_SUPERUSER_DATABASE");
    char url[URL_SIZE];
    run_sql(superuser, "CREATE DATABASE versions OWNER jwtd_owner TEMPLATE template0");
    run_sql(database_with(superuser, "dbname", "versions", url),
            "ALTER DEFAULT PRIVILEGES FOR ROLE jwtd_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO jwtd;"
            "ALTER SCHEMA public OWNER TO jwtd_owner; GRANT USAGE ON SCHEMA public TO jwtd");
    database_with(getenv("JWTD_TEST_DATABASE"), "dbname", "versions", rollout.url);
    database_with(getenv("JWTD_TEST_OWNER_DATABASE"), "dbname", "versions", rollout.owner_url);
}

static void migrate(enum version version) {
    char setting[URL_SIZE + 16], output[8192];
    snprintf(setting, sizeof setting, "database.url=%s", rollout.owner_url);
    const char *const words[] = { rollout.programs[version], "--set", setting, "migrate", NULL };
    int code = command_run(words, NULL, output, sizeof output);
    ck_assert_msg(code == 0, "migrate: %d: %s", code, output);
}

/* ---- the instances ---- */

static void start(enum version version) {
    struct instance *instance = &rollout.instances[version];
    char setting[URL_SIZE + 16];
    snprintf(setting, sizeof setting, "database.url=%s", rollout.url);
    setenv("JWTD_TEST_PROGRAM", rollout.programs[version], 1);
    const char *const settings[] = { setting, "server.drain_delay=500ms", NULL };
    instance->server = server_start_unready_beside(&rollout.keys, settings);
    setenv("JWTD_TEST_PROGRAM", rollout.programs[NEW], 1);
    instance->server.is_proxy = version == OLD; /* what it replies is not held against this version's rows */
    await_ready(&instance->server);
    atomic_store(&instance->is_up, true);
}

/* As a balancer does: no new requests, and then the signal. */
static void stop(enum version version) {
    atomic_store(&rollout.instances[version].is_up, false);
    ck_assert_int_eq(server_stop(&rollout.instances[version].server, SIGTERM), 0);
}

/* ---- the clients ---- */

static struct instance *choose(void) {
    for (;;) {
        struct instance *instance = &rollout.instances[rand() % VERSIONS];
        if (atomic_load(&instance->is_up))
            return instance;
    }
}

static void note_failure(const struct instance *instance, const char *what, const struct reply *reply) {
    pthread_mutex_lock(&rollout.lock);
    if (rollout.failure[0] == '\0')
        snprintf(rollout.failure, sizeof rollout.failure, "%s at the %s version: %ld %.300s", what,
                 instance == &rollout.instances[OLD] ? "old" : "new", reply->status, reply->body != NULL ? reply->body : "");
    pthread_mutex_unlock(&rollout.lock);
}

/* The reply of some instance, which must have this status. */
static struct reply call(const char *method, const char *path, const char *token, const char *body, long status) {
    struct instance *instance = choose();
    char what[64], authorization[TOKEN_SIZE + 32];
    const char *headers[] = { "Content-Type: application/json", NULL, NULL };
    snprintf(what, sizeof what, "%s %s", method, path);
    if (token != NULL) {
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", token);
        headers[1] = authorization;
    }
    struct reply reply = http_try(&instance->server, method, path, headers, body);
    if (reply.status != status)
        note_failure(instance, what, &reply);
    atomic_fetch_add(&instance->answered, 1);
    return reply;
}

static void do_call(const char *method, const char *path, const char *token, const char *body, long status) {
    struct reply reply = call(method, path, token, body, status);
    http_free(&reply);
}

static void keep_tokens(struct reply reply, struct tokens *tokens) {
    snprintf(tokens->access, sizeof tokens->access, "%s", http_member(&reply, "access_token"));
    snprintf(tokens->refresh, sizeof tokens->refresh, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
}

/* Every call that both versions know, on one account. */
static void spend_a_day(void) {
    struct account account = account_new(), moved = account_new();
    struct tokens tokens;
    char body[BODY_SIZE];
    do_call("POST", "/auth/register", NULL, credentials(&account, PASSWORD, body), 201);
    keep_tokens(call("POST", "/auth/login", NULL, body, 200), &tokens);
    for (int i = 0; i < 3; i++) {
        do_call("GET", "/auth/me", tokens.access, NULL, 200);
        keep_tokens(call("POST", "/auth/refresh", NULL, refresh_json(tokens.refresh, body), 200), &tokens);
        do_call("GET", "/auth/verify", tokens.access, NULL, 200);
    }
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"current_password\":\"" PASSWORD "\"}", moved.email);
    do_call("PATCH", "/auth/me", tokens.access, body, 200);
    do_call("GET", "/auth/sessions", tokens.access, NULL, 200);
    do_call("POST", "/auth/password", tokens.access,
            "{\"current_password\":\"" PASSWORD "\",\"new_password\":\"quite another passphrase\"}", 204);
    keep_tokens(call("POST", "/auth/login", NULL, credentials(&moved, "quite another passphrase", body), 200), &tokens);
    do_call("DELETE", "/auth/me", tokens.access, "{\"current_password\":\"quite another passphrase\"}", 204);
    do_call("POST", "/auth/logout", NULL, refresh_json(tokens.refresh, body), 204);
}

static void *client_main(void *argument) {
    atomic_uint *days = argument;
    while (!atomic_load(&rollout.over)) {
        spend_a_day();
        atomic_fetch_add(days, 1);
    }
    return NULL;
}

/* Until every client has begun and ended days in it. */
static void live_through_phase(const char *phase) {
    unsigned until[CLIENTS];
    int64_t end_us = clock_monotonic_us() + PHASE_MAX_US;
    for (size_t i = 0; i < CLIENTS; i++)
        until[i] = atomic_load(&rollout.days[i]) + DAYS_PER_PHASE + 1;
    for (size_t i = 0; i < CLIENTS; i++)
        while (atomic_load(&rollout.days[i]) < until[i]) {
            ck_assert_msg(rollout.failure[0] == '\0', "%s: %s", phase, rollout.failure);
            ck_assert_msg(clock_monotonic_us() < end_us, "%s takes too long", phase);
            usleep(10000);
        }
}

/* ---- what one version leaves to the other ---- */

static void expect_dead_soon(const struct server *server, const char *access) {
    int64_t end_us = clock_monotonic_us() + REVOKED_WITHIN_US;
    while (me_status(server, access) != 401)
        ck_assert_msg(clock_monotonic_us() < end_us, "a revoked session lives on at the other version");
}

/* A session of one version is refreshed by the other, and ended by either for both. */
static void share_sessions(enum version first, enum version second) {
    const struct server *one = &rollout.instances[first].server, *other = &rollout.instances[second].server;
    struct account account = account_register(one);
    struct tokens tokens = account_login(one, &account), next;
    ck_assert_int_eq(me_status(other, tokens.access), 200);
    keep_tokens(refresh_with(other, tokens.refresh), &next);
    ck_assert_int_eq(me_status(one, next.access), 200);
    struct reply again = refresh_with(one, tokens.refresh); /* a lost reply: the same successor, from whichever instance */
    ck_assert_str_eq(http_member(&again, "refresh_token"), next.refresh);
    http_free(&again);
    char body[BODY_SIZE];
    expect_status(http_json(one, "POST", "/auth/logout", NULL, refresh_json(next.refresh, body)), 204);
    expect_dead_soon(other, next.access);
}

/* What the old version does not know survives what it changes. */
static void share_profile(void) {
    const struct server *old = &rollout.instances[OLD].server, *new = &rollout.instances[NEW].server;
    struct account account = account_register(old), moved = account_new();
    struct tokens tokens = account_login(old, &account);
    char body[BODY_SIZE];
    expect_status(http_json(new, "PATCH", "/auth/me", tokens.access, "{\"name\":\"Ada\",\"metadata\":{\"a\":1}}"), 200);
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"current_password\":\"" PASSWORD "\"}", moved.email);
    expect_status(http_json(old, "PATCH", "/auth/me", tokens.access, body), 200);
    struct reply reply = http_json(new, "GET", "/auth/me", tokens.access, NULL);
    ck_assert_str_eq(http_member(&reply, "name"), "Ada");
    ck_assert_str_eq(http_member(&reply, "email"), moved.email);
    ck_assert_str_eq(json_object_to_json_string_ext(json_object_object_get(reply.json, "metadata"), JSON_C_TO_STRING_PLAIN),
                     "{\"a\":1}");
    http_free(&reply);
}

START_TEST(two_neighbouring_versions_serve_on_one_schema_forward_and_back) {
    pthread_t clients[CLIENTS];
    rollout.programs[OLD] = PREVIOUS_PROGRAM;
    rollout.programs[NEW] = getenv("JWTD_TEST_PROGRAM");
    if (access(PREVIOUS_PROGRAM, X_OK) != 0)
        SKIP_TEST("the release before this one was not built (tools/build_previous.sh)");
    create_database();
    migrate(OLD);
    rollout.keys = server_start_unready(NULL);
    ck_assert_int_eq(server_stop(&rollout.keys, SIGTERM), 0);
    start(OLD);
    for (size_t i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(pthread_create(&clients[i], NULL, client_main, &rollout.days[i]), 0);
    live_through_phase("the old version alone");
    migrate(NEW);
    live_through_phase("the old version on the new schema");
    start(NEW);
    live_through_phase("both");
    share_sessions(OLD, NEW);
    share_sessions(NEW, OLD);
    share_profile();
    stop(OLD);
    live_through_phase("the new version alone");
    struct account account = account_register(&rollout.instances[NEW].server);
    struct tokens tokens = account_login(&rollout.instances[NEW].server, &account);
    start(OLD);
    stop(NEW);
    live_through_phase("the old version again");
    expect_status(refresh_with(&rollout.instances[OLD].server, tokens.refresh), 200);
    atomic_store(&rollout.over, true);
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
    stop(OLD);
    ck_assert_msg(rollout.failure[0] == '\0', "%s", rollout.failure);
    ck_assert_uint_gt(atomic_load(&rollout.instances[OLD].answered), 0);
    ck_assert_uint_gt(atomic_load(&rollout.instances[NEW].answered), 0);
}
END_TEST

Suite *database_versions_suite(void) {
    Suite *suite = suite_create("database_versions");
    TCase *tcase = tcase_create("two programs");
    tcase_set_timeout(tcase, 180);
    tcase_add_test(tcase, two_neighbouring_versions_serve_on_one_schema_forward_and_back);
    suite_add_tcase(suite, tcase);
    return suite;
}
