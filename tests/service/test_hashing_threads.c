/* Where passwords are hashed: on the threads that are made for it, whatever a client calls. */
#include "support/account.h"
#include "support/database.h"
#include "support/process.h"

#include "jwtd/macros.h"
#include "jwtd/routes.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *hashing_threads_suite(void);

#define NEW_PASSWORD "another long passphrase"
#define CURRENT "\"current_password\":\"" PASSWORD "\""

/* In this order, by one client; each takes one hash or more. */
static const struct {
    enum method method;
    const char *name, *path;
    const char *body; /* NULL: e-mail address and password of the account */
    long status;
} calls[] = {
    { METHOD_POST, "POST", "/auth/register", NULL, 201 },
    { METHOD_POST, "POST", "/auth/register", NULL, 201 }, /* repeated: the password is compared */
    { METHOD_POST, "POST", "/auth/login", NULL, 200 },    /* as an administrator */
    { METHOD_POST, "POST", "/users", NULL, 201 },         /* of another account */
    { METHOD_PATCH, "PATCH", "/auth/me", "{\"email\":\"%s\"," CURRENT "}", 200 },
    { METHOD_DELETE, "DELETE", "/auth/me", "{\"current_password\":\"wrong\"}", 403 },
    { METHOD_POST, "POST", "/auth/password", "{" CURRENT ",\"new_password\":\"" NEW_PASSWORD "\"}", 204 },
};

static bool is_called(const struct route *route) {
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (calls[i].method == route->method && strcmp(calls[i].path, route->path) == 0)
            return true;
    return false;
}

START_TEST(every_route_that_takes_a_password_is_called_below) {
    for (size_t i = 0; i < routes_count; i++) {
        const struct body_schema *body = routes[i].body;
        for (size_t f = 0; body != NULL && f < body->count; f++) {
            bool is_password = body->fields[f].type == FIELD_PASSWORD || body->fields[f].type == FIELD_NEW_PASSWORD;
            ck_assert_msg(!is_password || is_called(&routes[i]), "%s", routes[i].path);
        }
    }
}
END_TEST

/* The account becomes an administrator, and is not the last one, since it is deleted in the end. */
static void call_all(const struct server *server) {
    struct account account = account_new(), moved = account_new(), created = account_new();
    char body[BODY_SIZE], authorization[TOKEN_SIZE + 32] = "Authorization: none";
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        const char *key =
            strcmp(calls[i].path, "/auth/register") == 0 ? "Idempotency-Key: 0123456789abcdef0123456789abcdef" : "X-None: none";
        const char *const headers[] = { "Content-Type: application/json", key, authorization, NULL };
        if (calls[i].body == NULL)
            credentials(strcmp(calls[i].path, "/users") == 0 ? &created : &account, PASSWORD, body);
        else if (strstr(calls[i].body, "%s") != NULL)
            snprintf(body, sizeof body, "{\"email\":\"%s\"," CURRENT "}", moved.email);
        else
            snprintf(body, sizeof body, "%s", calls[i].body);
        struct reply reply = http_send(server, calls[i].name, calls[i].path, headers, body);
        ck_assert_msg(reply.status == calls[i].status, "%s %s: %ld %s", calls[i].name, calls[i].path, reply.status, reply.body);
        if (strcmp(calls[i].path, "/auth/register") == 0)
            database_number("WITH made AS (UPDATE users SET roles = '{admin}' WHERE email = $1 RETURNING 1) SELECT "
                            "count(*) FROM made",
                            account.email);
        if (strcmp(calls[i].path, "/auth/login") == 0)
            snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", http_member(&reply, "access_token"));
        http_free(&reply);
    }
}

/* By processor time, which does not depend on what else the machine does. */
START_TEST(no_password_is_hashed_on_a_thread_that_listens_or_asks_the_database) {
    account_keep_administrator();
    struct server server = server_start((const char *const[]){ "password.memory=64MiB", "password.operations=6", NULL });
    unsigned long hashing = process_thread_ticks(server.pid, "crypto"), all = process_ticks(server.pid);
    call_all(&server);
    hashing = process_thread_ticks(server.pid, "crypto") - hashing;
    all = process_ticks(server.pid) - all;
    ck_assert_uint_gt(hashing, ARRAY_LEN(calls));
    unsigned long one_hash = hashing / ARRAY_LEN(calls);
    ck_assert_msg(all - hashing < one_hash / 2 + 1, "%lu ticks, of them %lu of hashing threads", all, hashing);
    server_finish(&server);
}
END_TEST

Suite *hashing_threads_suite(void) {
    Suite *suite = suite_create("hashing_threads");
    TCase *tcase = tcase_create("hashing threads");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_route_that_takes_a_password_is_called_below);
    tcase_add_test(tcase, no_password_is_hashed_on_a_thread_that_listens_or_asks_the_database);
    suite_add_tcase(suite, tcase);
    return suite;
}
