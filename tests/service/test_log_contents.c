/* Nothing that a client sends gets into the log. */
#include "support/account.h"
#include "support/database.h"
#include "support/service.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/routes.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *log_contents_suite(void);

#define WAIT_US (10 * CLOCK_US_PER_S)

static struct server server;

static void finish(void) {
    server_finish(&server);
}

#define CANARY "k4narienvogel"

/* But X-Request-Id, by which a client finds its lines, and traceparent, whose 32 digits are the trace. */
static const char *const canary_headers[] = {
    "Host: " CANARY ".example",
    "User-Agent: " CANARY,
    "Referer: https://" CANARY ".example/",
    "Origin: https://" CANARY ".example",
    "Cookie: session=" CANARY,
    "X-Forwarded-For: " CANARY ", 192.0.2.1",
    "Forwarded: for=" CANARY,
    "X-Forwarded-Host: " CANARY,
    "Accept: text/" CANARY,
    "Accept-Language: " CANARY,
    "Accept-Encoding: " CANARY,
    "If-Match: \"" CANARY "\"",
    "If-None-Match: \"" CANARY "\"",
    "Idempotency-Key: " CANARY "-key-of-a-request",
    "Last-Event-ID: " CANARY,
    "X-Log-Detail: " CANARY,
    "X-Auth-Subject: " CANARY,
    "X-Original-URI: /" CANARY,
    "traceparent: 00-" CANARY,
    "tracestate: vendor=" CANARY,
    "baggage: key=" CANARY,
    "X-Anything: " CANARY,
};

#define HEADERS_MAX (ARRAY_LEN(canary_headers) + 3)

static void write_value(const struct field *field, char *value, size_t size) {
    static const char *const values[] = {
        [FIELD_EMAIL] = "\"" CANARY "@" CANARY ".example\"",
        [FIELD_PASSWORD] = "\"a password " CANARY "\"",
        [FIELD_NEW_PASSWORD] = "\"a new password " CANARY "\"",
        [FIELD_TEXT] = "\"" CANARY "\"",
        [FIELD_LINE] = "\"" CANARY "\"",
        [FIELD_OBJECT] = "{\"" CANARY "\":\"" CANARY "\"}",
        [FIELD_BOOLEAN] = "true",
        [FIELD_FLAG] = "true",
        [FIELD_ROLES] = "[\"" CANARY "\"]",
    };
    snprintf(value, size, "%s", values[field->type]);
}

/* Of the schema's types; or, so that the schema refuses it, with a canary for each member. */
static void write_body(const struct route *route, bool is_valid, char *body, size_t size) {
    bool is_form = route->body_format == BODY_FORM;
    size_t len = (size_t)snprintf(body, size, is_form ? "" : "{\"" CANARY "\":1");
    for (size_t i = 0; i < route->body->count; i++) {
        char value[128] = "[\"" CANARY "\"]";
        if (is_valid)
            write_value(&route->body->fields[i], value, sizeof value);
        if (is_form)
            len += (size_t)snprintf(body + len, size - len, "%s%s=" CANARY, i > 0 ? "&" : "", route->body->fields[i].name);
        else
            len += (size_t)snprintf(body + len, size - len, ",\"%s\":%s", route->body->fields[i].name, value);
    }
    snprintf(body + len, size - len, "%s", is_form ? "" : "}");
}

static void write_path(const struct route *route, bool has_canary, char *path, size_t size) {
    const char *rest = route->path;
    size_t len = 0;
    while (*rest != '\0' && len + 64 < size) {
        if (*rest == '{') {
            len += (size_t)snprintf(path + len, size - len, "0199a0b0-0000-7000-8000-000000000000");
            rest += strcspn(rest, "}") + 1;
        } else if (*rest == '*') {
            len += (size_t)snprintf(path + len, size - len, "%s", has_canary ? CANARY : "x");
            rest++;
        } else {
            path[len++] = *rest++;
        }
    }
    snprintf(path + len, size - len, "?token=" CANARY "&role=" CANARY);
}

static void send_canaries(const struct route *route, const char *authorization, bool is_valid, bool has_origin_and_path) {
    static const char *const methods[] = {
        [METHOD_GET] = "GET", [METHOD_POST] = "POST", [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE", [METHOD_ANY] = "GET"
    };
    const char *headers[HEADERS_MAX];
    size_t count = 0;
    char path[256], body[2048];
    for (size_t i = 0; i < ARRAY_LEN(canary_headers); i++)
        if (has_origin_and_path || strncmp(canary_headers[i], "Origin", 6) != 0)
            headers[count++] = canary_headers[i];
    headers[count++] = authorization;
    if (route->body != NULL) {
        headers[count++] = route->body_format == BODY_FORM ? "Content-Type: application/x-www-form-urlencoded"
                                                           : "Content-Type: application/json";
        write_body(route, is_valid, body, sizeof body);
    }
    headers[count] = NULL;
    write_path(route, has_origin_and_path, path, sizeof path);
    struct reply reply = http_send(&server, methods[route->method], path, headers, route->body != NULL ? body : NULL);
    ck_assert_int_ne(reply.status, 0);
    http_free(&reply);
}

/* What stands behind the last dot of a token, or its end: no two have the same. */
static const char *last_part(const char *token) {
    const char *dot = strrchr(token, '.');
    return dot != NULL ? dot + 1 : token + strlen(token) - 20;
}

static void expect_no_canary(void) {
    char *log = server_log(&server), *rest = log, *line;
    while ((line = strsep(&rest, "\n")) != NULL)
        ck_assert_msg(strcasestr(line, CANARY) == NULL, "%s", line);
    free(log);
}

static void expect_nothing_of(const struct tokens *tokens) {
    ck_assert_int_eq(server_log_count(&server, last_part(tokens->access)), 0);
    ck_assert_int_eq(server_log_count(&server, last_part(tokens->refresh)), 0);
}

/* At debug the path and a refused Origin are logged, and nothing else of what a client sends. */
static const struct {
    const char *level;
    bool has_origin_and_path;
} canary_levels[] = { { "log.level=info", true }, { "log.level=debug", false } };

START_TEST(nothing_that_a_client_sends_in_a_header_or_field_gets_into_the_log) {
    char bearer[TOKEN_SIZE + 32], ignored[8];
    bool has_origin_and_path = canary_levels[_i].has_origin_and_path;
    server = server_start((const char *const[]){ canary_levels[_i].level, "limit.enabled=false",
                                                 "cors.allowed_origins=https://app.example.org", NULL });
    struct service service = service_add(&server, "canary-service");
    struct account account = account_register(&server);
    account_keep_administrator();
    database_value("UPDATE users SET roles = '{admin}' WHERE id = $1::uuid", account.id, ignored, sizeof ignored);
    struct tokens tokens = account_login(&server, &account);
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", tokens.access);
    const char *const authorizations[] = { "Authorization: Bearer " CANARY "." CANARY "." CANARY, "Authorization: Basic " CANARY,
                                           "Authorization: " CANARY, service.authorization, bearer };
    for (size_t i = 0; i < routes_count; i++)
        for (size_t j = 0; j < ARRAY_LEN(authorizations); j++) {
            bool would_stream = routes[i].stream != NULL && authorizations[j] == service.authorization;
            for (int is_valid = 0; is_valid < 2 && !would_stream; is_valid++)
                send_canaries(&routes[i], authorizations[j], is_valid != 0, has_origin_and_path);
        }
    struct reply refreshed = refresh_with(&server, tokens.refresh);
    ck_assert_int_eq(refreshed.status, 200);
    http_free(&refreshed);
    const char *const last[] = { "X-Request-Id: the-last-one", NULL };
    expect_status(http_send(&server, "GET", has_origin_and_path ? "/" CANARY : "/nowhere", last, NULL), 404);
    server_await_log(&server, "\"request_id\":\"the-last-one\"", (int)(WAIT_US / 1000)); /* all before it are written, too */
    expect_no_canary();
    expect_nothing_of(&tokens);
    ck_assert_int_eq(server_log_count(&server, service.secret), 0);
    ck_assert_int_eq(server_log_count(&server, account.email), 0);
    ck_assert_int_gt(server_log_count(&server, "\"event\":\"request\""), 100);
    finish();
}
END_TEST

Suite *log_contents_suite(void) {
    Suite *suite = suite_create("log_contents");
    TCase *tests = tcase_create("tests");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, nothing_that_a_client_sends_in_a_header_or_field_gets_into_the_log, 0,
                        (int)ARRAY_LEN(canary_levels));
    suite_add_tcase(suite, tests);
    return suite;
}
