/*
 * The replies that follow from the columns of a row, at each row that has them: what the other tests ask at some of the rows
 * only. tests/contract wants every declared status of every row to be seen.
 */
#include "support/account.h"
#include "support/database.h"
#include "support/service.h"

#include "jwtd/macros.h"
#include "jwtd/routes.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *statuses_suite(void);

#define HEADER_SIZE (TOKEN_SIZE + 64)
#define LARGE 20000 /* more than server.body_limit, and few enough to be sent before the reply comes */

enum credentials { NO_CREDENTIALS, WRONG_CREDENTIALS, USER, RIGHT_CREDENTIALS };

struct status_case {
    const char *name;
    long status;
    bool (*applies)(const struct route *row);
    enum credentials credentials;
    const char *content_type; /* NULL: that of the row */
    const char *body;         /* NULL: every member that a row takes */
};

static struct server server, operations; /* with every row */
static struct tokens user, administrator;
static struct service service;
static char large[LARGE + 1], every_member[2 * TOKEN_SIZE], every_parameter[TOKEN_SIZE + 16];

static struct account register_administrator(void) {
    char ignored[8];
    struct account account = account_register(&server);
    database_value("UPDATE users SET roles = '{admin}' WHERE id = $1", account.id, ignored, sizeof ignored);
    return account;
}

static void start(void) {
    server = server_start((const char *const[]){ "admin.enabled=true", "ops.listen=127.0.0.1:0", NULL });
    operations = server_operations(&server);
    account_keep_administrator();
    struct account account = account_register(&server), admin = register_administrator();
    user = account_login(&server, &account);
    administrator = account_login(&server, &admin);
    service = service_add(&server, "statuses");
    memset(large, ' ', LARGE);
    snprintf(every_member, sizeof every_member,
             "{\"email\":\"%s\",\"password\":\"" PASSWORD "\",\"current_password\":\"" PASSWORD "\",\"new_password\":\"" PASSWORD
             "\",\"refresh_token\":\"%s\",\"disabled\":true}",
             account_new().email, user.refresh);
    snprintf(every_parameter, sizeof every_parameter, "token=%s", user.access);
}

static void finish(void) {
    server_finish(&server);
}

/* ---- requests of a row ---- */

static const char *method_of(const struct route *row) {
    static const char *const names[] = {
        [METHOD_GET] = "GET", [METHOD_POST] = "POST", [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE", [METHOD_ANY] = "GET"
    };
    return names[row->method];
}

/* With an id that nobody has, and some rest. */
static const char *path_of(const struct route *row, char path[128]) {
    size_t len = 0;
    for (const char *at = row->path; *at != '\0'; at++) {
        if (*at == '{') {
            len += (size_t)snprintf(path + len, 128 - len, "0198c0de-7b3a-7000-8000-00000000dead");
            at = strchr(at, '}');
        } else {
            path[len++] = *at == '*' ? 'x' : *at;
        }
    }
    path[len] = '\0';
    return path;
}

static const char *authorization_of(const struct route *row, enum credentials credentials, char line[HEADER_SIZE]) {
    bool is_service = row->access == ACCESS_SERVICE;
    if (credentials == NO_CREDENTIALS || row->access == ACCESS_PUBLIC)
        return NULL;
    if (credentials == WRONG_CREDENTIALS)
        return is_service ? "Authorization: Basic eDp5" : "Authorization: Bearer x";
    if (is_service)
        return service.authorization;
    snprintf(line, HEADER_SIZE, "Authorization: Bearer %s", credentials == USER ? user.access : administrator.access);
    return line;
}

/* `client`: the address that the request is from, by a proxy; NULL: this one. */
static struct reply send_to(const struct server *to, const struct route *row, const struct status_case *each,
                            const char *client) {
    char path[128], authorization[HEADER_SIZE], type[64], forwarded[64];
    bool is_form = row->body_format == BODY_FORM, has_body = is_form || row->body_format == BODY_JSON || each->body != NULL;
    const char *body = each->body != NULL ? each->body : is_form ? every_parameter : every_member;
    const char *content_type = is_form ? "application/x-www-form-urlencoded" : "application/json";
    snprintf(type, sizeof type, "Content-Type: %s", each->content_type != NULL ? each->content_type : content_type);
    const char *headers[6] = { type, "If-Match: \"1\"" };
    size_t count = 2;
    if (client != NULL) {
        snprintf(forwarded, sizeof forwarded, "X-Forwarded-For: %s", client);
        headers[count++] = forwarded;
    }
    headers[count] = authorization_of(row, each->credentials, authorization);
    return http_send(to, method_of(row), path_of(row, path), headers, has_body ? body : NULL);
}

static void expect_reply(struct reply reply, const struct route *row, const struct status_case *each) {
    ck_assert_msg(reply.status == each->status, "%s: %s %s answered %ld %s", each->name, method_of(row), row->path, reply.status,
                  http_member(&reply, "code"));
    http_free(&reply);
}

/* ---- cases ---- */

static bool needs_credentials(const struct route *row) {
    return row->access != ACCESS_PUBLIC;
}

static bool needs_role(const struct route *row) {
    return row->role != NULL;
}

static bool reads_body(const struct route *row) {
    return route_may_answer(row, STATUS_BODY_TOO_LARGE);
}

static bool parses_body(const struct route *row) {
    return route_may_answer(row, STATUS_UNSUPPORTED_MEDIA_TYPE);
}

static bool parses_json(const struct route *row) {
    return row->body_format == BODY_JSON;
}

/* Of a user who is no more, and so of an id that nobody has, the events are a list all the same. */
static bool takes_id(const struct route *row) {
    return strchr(row->path, '{') != NULL && strcmp(row->name, "listEventsOfUser") != 0;
}

static bool is_limited(const struct route *row) {
    return row->limit != LIMIT_NONE;
}

static bool can_be_switched_off(const struct route *row) {
    return row->is_enabled != NULL;
}

static bool needs_database(const struct route *row) {
    return route_may_answer(row, STATUS_STARTING) || route_may_answer(row, STATUS_DATABASE_UNAVAILABLE);
}

static const struct status_case cases[] = {
    { "wrong credentials", 401, needs_credentials, WRONG_CREDENTIALS, NULL, "{}" },
    { "a token without the role", 403, needs_role, USER, NULL, NULL },
    { "a body that is too large", 413, reads_body, RIGHT_CREDENTIALS, NULL, large },
    { "a body of another media type", 415, parses_body, RIGHT_CREDENTIALS, "text/plain", NULL },
    { "a body that is no JSON", 400, parses_json, RIGHT_CREDENTIALS, NULL, "{" },
    { "an id that nobody has", 404, takes_id, RIGHT_CREDENTIALS, NULL, NULL },
};

START_TEST(each_row_answers_what_its_columns_say) {
    for (size_t i = 0; i < routes_count; i++)
        if (cases[_i].applies(&routes[i]))
            expect_reply(send_to(route_is_at(&routes[i], LISTENER_PUBLIC) ? &server : &operations, &routes[i], &cases[_i], NULL),
                         &routes[i], &cases[_i]);
}
END_TEST

/* Each row from an address of its own, since what comes too early several times in a row is answered late. */
START_TEST(each_row_with_a_limit_answers_429_over_it) {
    static const struct status_case over = { "over the limit", 429, is_limited, WRONG_CREDENTIALS, NULL, "{}" };
    struct server limited = server_start((const char *const[]){ "limit.enabled=true", "limit.register=1/1h", "limit.login=1/1h",
                                                                "limit.refresh=1/1h", "limit.account=1/1h", "limit.service=1/1h",
                                                                "server.trusted_proxies=127.0.0.1", NULL });
    for (size_t i = 0; i < routes_count; i++) {
        char client[32];
        if (!is_limited(&routes[i]))
            continue;
        snprintf(client, sizeof client, "10.%zu.0.1", i);
        struct reply first = send_to(&limited, &routes[i], &over, client);
        http_free(&first);
        expect_reply(send_to(&limited, &routes[i], &over, client), &routes[i], &over);
    }
    server_finish(&limited);
}
END_TEST

START_TEST(each_row_that_needs_the_database_answers_503_without_it) {
    static const struct status_case away = { "without a database", 503, needs_database, RIGHT_CREDENTIALS, NULL, NULL };
    struct server alone =
        server_start_unready_beside(&server, (const char *const[]){ "database.url=host=127.0.0.1 port=1", NULL });
    for (size_t i = 0; i < routes_count; i++)
        if (needs_database(&routes[i]))
            expect_reply(send_to(&alone, &routes[i], &away, NULL), &routes[i], &away);
    server_finish(&alone);
}
END_TEST

START_TEST(each_row_that_is_switched_off_answers_404) {
    static const struct status_case off = { "switched off", 404, can_be_switched_off, NO_CREDENTIALS, NULL, NULL };
    struct server reduced = server_start((const char *const[]){ "docs.enabled=false", "admin.enabled=false", NULL });
    for (size_t i = 0; i < routes_count; i++)
        if (can_be_switched_off(&routes[i]))
            expect_reply(send_to(&reduced, &routes[i], &off, NULL), &routes[i], &off);
    server_finish(&reduced);
}
END_TEST

Suite *statuses_suite(void) {
    Suite *suite = suite_create("statuses");
    TCase *tcase = tcase_create("each row");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, start, finish);
    tcase_add_loop_test(tcase, each_row_answers_what_its_columns_say, 0, ARRAY_LEN(cases));
    tcase_add_test(tcase, each_row_with_a_limit_answers_429_over_it);
    tcase_add_test(tcase, each_row_that_needs_the_database_answers_503_without_it);
    tcase_add_test(tcase, each_row_that_is_switched_off_answers_404);
    suite_add_tcase(suite, tcase);
    return suite;
}
