/*
 * The program on a schema on which migrations are missing: a mistake of the operator's, and for a client trouble that passes. A
 * call succeeds as ever or is answered 503, never with 500 or an error of the client's.
 */
#include "support/account.h"
#include "support/cluster.h"
#include "support/service.h"

#include "jwtd/macros.h"

#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

Suite *database_older_schema_suite(void);

#define MIGRATIONS_MAX 100
#define USERS 7 /* since a user who has been deleted, for example, cannot make the calls behind that */

enum caller { NOBODY, USER, ADMINISTRATOR, SIBLING };

/* Every route that asks the database, but the stream. In path and body @id, @email, @refresh and @access are those of the user.
 */
static const struct {
    unsigned user;
    enum caller caller;
    const char *method, *path, *header, *body;
    long status;
} calls[] = {
    { 0, NOBODY, "POST", "/auth/login", NULL, "{\"email\":\"@email\",\"password\":\"" PASSWORD "\"}", 200 },
    { 0, NOBODY, "POST", "/auth/login", NULL, "{\"email\":\"@email\",\"password\":\"a wrong passphrase\"}", 401 },
    { 0, NOBODY, "POST", "/auth/register", NULL, "{\"email\":\"r.@email\",\"password\":\"" PASSWORD "\"}", 201 },
    { 0, NOBODY, "POST", "/auth/register", "Idempotency-Key: @id", "{\"email\":\"k.@email\",\"password\":\"" PASSWORD "\"}",
      201 },
    { 0, USER, "GET", "/auth/me", NULL, NULL, 200 },
    { 0, USER, "PATCH", "/auth/me", NULL, "{\"name\":\"Ada\"}", 200 },
    { 0, USER, "GET", "/auth/sessions", NULL, NULL, 200 },
    { 0, USER, "DELETE", "/auth/sessions/0192f3c0-0000-7000-8000-000000000000", NULL, NULL, 404 },
    { 0, NOBODY, "POST", "/auth/refresh", NULL, "{\"refresh_token\":\"@refresh\"}", 200 },
    { 0, NOBODY, "POST", "/auth/refresh", NULL, "{\"refresh_token\":\"@refresh\"}", 200 }, /* a retry */
    { 0, SIBLING, "POST", "/auth/introspect", NULL, "token=@access", 200 },
    { 0, SIBLING, "POST", "/auth/introspect", NULL, "token=@refresh", 200 },
    { 1, USER, "POST", "/auth/password", NULL,
      "{\"current_password\":\"" PASSWORD "\",\"new_password\":\"quite another passphrase\"}", 204 },
    { 2, USER, "DELETE", "/auth/me", NULL, "{\"current_password\":\"" PASSWORD "\"}", 204 },
    { 3, ADMINISTRATOR, "GET", "/users", NULL, NULL, 200 },
    { 3, ADMINISTRATOR, "GET", "/users?email=@email", NULL, NULL, 200 },
    { 3, ADMINISTRATOR, "GET", "/users?prefix=user", NULL, NULL, 200 },
    { 3, ADMINISTRATOR, "POST", "/users", NULL, "{\"email\":\"a.@email\"}", 201 },
    { 3, ADMINISTRATOR, "GET", "/users/@id", NULL, NULL, 200 },
    { 3, ADMINISTRATOR, "PATCH", "/users/@id", "If-Match: \"1\"", "{\"roles\":[\"tester\"]}", 200 },
    { 3, ADMINISTRATOR, "GET", "/users/@id/sessions", NULL, NULL, 200 },
    { 3, ADMINISTRATOR, "GET", "/users/@id/events", NULL, NULL, 200 },
    { 3, ADMINISTRATOR, "POST", "/users/@id/sessions/revoke", NULL, NULL, 204 },
    { 3, ADMINISTRATOR, "DELETE", "/users/@id", NULL, NULL, 204 },
    { 4, USER, "POST", "/auth/logout", NULL, "{\"all\":true}", 204 },
    { 5, USER, "PATCH", "/auth/me", NULL, "{\"email\":\"m.@email\",\"current_password\":\"" PASSWORD "\"}", 200 },
    { 6, SIBLING, "POST", "/auth/revoke", NULL, "token=@refresh", 200 },
};

struct user {
    struct account account;
    struct tokens tokens;
};

static struct {
    struct cluster cluster;
    struct server server;
    struct service sibling;
    struct user administrator;
    unsigned unavailable; /* calls */
} world;

/* ---- calling ---- */

static void make_users(struct user users[USERS]) {
    for (size_t i = 0; i < USERS; i++) {
        users[i].account = account_register(&world.server);
        users[i].tokens = account_login(&world.server, &users[i].account);
    }
}

/* NULL for a template that is NULL. */
static const char *fill(const char *template, const struct user *user, char text[TOKEN_SIZE]) {
    const struct {
        const char *word, *value;
    } words[] = { { "@id", user->account.id },
                  { "@email", user->account.email },
                  { "@refresh", user->tokens.refresh },
                  { "@access", user->tokens.access } };
    if (template == NULL)
        return NULL;
    ck_assert_int_lt(snprintf(text, TOKEN_SIZE, "%s", template), TOKEN_SIZE);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const char *place = strstr(template, words[i].word);
        if (place != NULL)
            ck_assert_int_lt(snprintf(text, TOKEN_SIZE, "%.*s%s%s", (int)(place - template), template, words[i].value,
                                      place + strlen(words[i].word)),
                             TOKEN_SIZE);
    }
    return text;
}

static const char *authorization_of(enum caller caller, const struct user *user, char line[TOKEN_SIZE + 32]) {
    const struct tokens *tokens = caller == ADMINISTRATOR ? &world.administrator.tokens : &user->tokens;
    if (caller == SIBLING)
        return world.sibling.authorization;
    snprintf(line, TOKEN_SIZE + 32, "Authorization: Bearer %s", tokens->access);
    return line;
}

static struct reply make_call(size_t i, const struct user *user) {
    char path[TOKEN_SIZE], header[TOKEN_SIZE], body[TOKEN_SIZE], authorization[TOKEN_SIZE + 32];
    const char *headers[4] = { "Content-Type: application/json" };
    size_t count = 1;
    if (calls[i].caller == SIBLING)
        headers[0] = "Content-Type: application/x-www-form-urlencoded";
    if (calls[i].header != NULL)
        headers[count++] = fill(calls[i].header, user, header);
    if (calls[i].caller != NOBODY)
        headers[count++] = authorization_of(calls[i].caller, user, authorization);
    return http_send(&world.server, calls[i].method, fill(calls[i].path, user, path), headers, fill(calls[i].body, user, body));
}

/* `missing`: the oldest migration that is; NULL: none is, and every call succeeds, else this would be a test of other errors. */
static void make_calls(const struct user users[USERS], const char *missing) {
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        struct reply reply = make_call(i, &users[calls[i].user]);
        ck_assert_msg(reply.status == calls[i].status || (missing != NULL && reply.status == 503),
                      "%s %s without migration %s: %ld %s", calls[i].method, calls[i].path, missing != NULL ? missing : "(none)",
                      reply.status, reply.body);
        world.unavailable += reply.status == 503;
        http_free(&reply);
    }
}

/* ---- undoing ---- */

static void undo(const char *path) {
    char text[16384];
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    size_t len = fread(text, 1, sizeof text - 1, file);
    ck_assert_uint_lt(len, sizeof text - 1);
    text[len] = '\0';
    fclose(file);
    const char *down = strstr(text, "-- migrate:down");
    ck_assert_ptr_nonnull(down);
    cluster_run(&world.cluster, "%s", down);
}

/* A session of PostgreSQL keeps plans of statements, which fail in another way than new ones. */
static void end_sessions(void) {
    cluster_run(&world.cluster, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'jwtd'");
}

static void set_up(void) {
    char url[CLUSTER_SETTING_SIZE];
    world.cluster = cluster_create(NULL);
    world.server =
        server_start((const char *const[]){ cluster_setting(world.cluster.port, "", url), "token.max_stale=1h", NULL });
    world.sibling = service_add(&world.server, "sibling");
    world.administrator.account = account_register(&world.server);
    cluster_run(&world.cluster, "UPDATE users SET roles = '{admin}' WHERE id = '%s'", world.administrator.account.id);
    world.administrator.tokens = account_login(&world.server, &world.administrator.account);
}

static void tear_down(void) {
    server_finish(&world.server);
    cluster_remove(&world.cluster);
}

START_TEST(a_call_succeeds_or_is_answered_503_whatever_migrations_are_missing) {
    static struct user users[MIGRATIONS_MAX][2][USERS];
    glob_t migrations;
    ck_assert_int_eq(glob("migrations/*.sql", 0, NULL, &migrations), 0);
    ck_assert_uint_lt(migrations.gl_pathc, MIGRATIONS_MAX);
    for (size_t i = 0; i <= migrations.gl_pathc; i++)
        for (size_t kept = 0; kept < 2; kept++)
            make_users(users[i][kept]);
    make_calls(users[migrations.gl_pathc][0], NULL);
    for (size_t i = migrations.gl_pathc; i-- > 0;) {
        const char *path = migrations.gl_pathv[i];
        undo(path);
        make_calls(users[i][0], path);
        end_sessions();
        make_calls(users[i][1], path);
    }
    ck_assert_uint_gt(world.unavailable, 0);
    globfree(&migrations);
}
END_TEST

Suite *database_older_schema_suite(void) {
    Suite *suite = suite_create("database_older_schema");
    TCase *tcase = tcase_create("a cluster of their own");
    tcase_set_timeout(tcase, 180);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_call_succeeds_or_is_answered_503_whatever_migrations_are_missing);
    suite_add_tcase(suite, tcase);
    return suite;
}
