#include "support/account.h"
#include "support/raw.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *verify_suite(void);

#define LIVE "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER_LIMIT_US 50000
#define TRIES 3 /* of which one must be in time: a machine with other things to do delays any of them */
#define LONGEST_ROLE "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
#define EIGHT_TIMES(text) text text text text text text text text /* QUERY_VALUES_MAX */
#define UNTIL_CLOSED ((size_t)16)                                 /* more replies than any test expects */

static struct reply verify_as(const char *method, const char *path, const char *const *headers) {
    return http_send(&shared_server, method, path, headers, NULL);
}

static const struct {
    const char *method;
    const char *path;
} calls[] = {
    { "GET", "/auth/verify" },     { "HEAD", "/auth/verify" },      { "POST", "/auth/verify" },    { "PUT", "/auth/verify" },
    { "PATCH", "/auth/verify" },   { "DELETE", "/auth/verify" },    { "OPTIONS", "/auth/verify" }, { "PROPFIND", "/auth/verify" },
    { "GET", "/auth/verify?a=b" }, { "GET", "/auth/verify/a/b?c" }, { "POST", "/auth/verify/" },
};

START_TEST(a_proxy_may_ask_by_any_method_and_path_behind_verify) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char authorization[TOKEN_SIZE + 32], value[128];
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", tokens.access);
    const char *const headers[] = { authorization, "X-Auth-Subject: forged", "X-Auth-Roles: admin", NULL };
    struct reply reply = verify_as(calls[_i].method, calls[_i].path, headers);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_uint_eq(reply.body_len, 0);
    ck_assert_str_eq(http_header(&reply, "X-Auth-Subject", value, sizeof value), account.id);
    ck_assert_uint_eq(strlen(http_header(&reply, "X-Auth-Session", value, sizeof value)), 36);
    ck_assert_str_eq(http_header(&reply, "X-Auth-Roles", value, sizeof value), "-");
    ck_assert_str_eq(http_header(&reply, "Cache-Control", value, sizeof value), "no-store");
    http_free(&reply);
}
END_TEST

static struct tokens login_with_roles(const char *const *roles) {
    struct account account = account_register(&shared_server);
    char database[512], output[4096];
    snprintf(database, sizeof database, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    const char *words[16] = { "--set", database, "user", "set-roles", account.email };
    for (size_t i = 5; *roles != NULL; i++)
        words[i] = *roles++;
    ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
    return account_login(&shared_server, &account);
}

START_TEST(roles_are_sent_as_a_list_once_they_are_in_a_token) {
    struct tokens tokens = login_with_roles((const char *const[]){ "admin", "editor", NULL });
    char authorization[TOKEN_SIZE + 32], value[128];
    snprintf(authorization, sizeof authorization, "Authorization: bearer %s", tokens.access);
    struct reply reply = verify_as("GET", "/auth/verify", (const char *const[]){ authorization, NULL });
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(http_header(&reply, "X-Auth-Roles", value, sizeof value), "admin,editor");
    http_free(&reply);
}
END_TEST

/* The token has admin and editor. "suffix" is what Envoy appends: the path and query of its client's request. */
static const struct {
    const char *target;
    long status; /* 200, 403 insufficient_scope */
} role_targets[] = {
    { "/auth/verify?role=admin", 200 },
    { "/auth/verify?role=editor&role=admin", 200 },
    { "/auth/verify?role=admin&role=admin", 200 },
    { "/auth/verify?a=b&role=%61dmin&c", 200 },
    { "/auth/verify/suffix?role=admin", 200 },
    { "/auth/verify/a//%2e%2e/..;x/%00?role=admin&%zz=%zz&a=%ff", 200 },
    { "/auth/verify/suffix?page=2&size", 200 },
    { "/auth/verify?roles=owner&Role=owner&xrole=owner", 200 },
    { "/auth/verify?role=owner", 403 },
    { "/auth/verify?role=admin&role=owner", 403 },
    { "/auth/verify?role=owner&role=admin", 403 },
    { "/auth/verify/suffix?role=admin&role=owner", 403 },
    { "/auth/verify?role=admin/suffix", 403 },
    { "/auth/verify?role=owner&uri=/x?role=admin&role=editor", 403 },
    { "/auth/verify?role=Admin", 403 },
    { "/auth/verify?role=admin,editor", 403 },
    { "/auth/verify?role=admi", 403 },
    { "/auth/verify?role=admin%20", 403 },
    { "/auth/verify?role=%22admin%22", 403 },
    { "/auth/verify?role=-", 403 },
    { "/auth/verify?role=", 403 },
    { "/auth/verify?role", 403 },
    { "/auth/verify?role=" LONGEST_ROLE, 403 },
    { "/auth/verify?role=" LONGEST_ROLE "x", 403 },
    { "/auth/verify?role=%61dmin%", 403 },
    { "/auth/verify?role=admin%00", 403 },
    { "/auth/verify?role=%ff", 403 },
    { "/auth/verify/suffix?role=admin&role=%zz", 403 },
    { "/auth/verify?" EIGHT_TIMES("role=admin&"), 200 },
    { "/auth/verify?" EIGHT_TIMES("role=admin&") "role=admin", 403 },
};

START_TEST(a_role_that_the_proxy_asks_for_must_be_in_the_token) {
    struct tokens tokens = login_with_roles((const char *const[]){ "admin", "editor", NULL });
    char authorization[TOKEN_SIZE + 32], value[128];
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", tokens.access);
    const char *const headers[] = { authorization, NULL };
    for (size_t i = 0; i < ARRAY_LEN(role_targets); i++) {
        struct reply reply = verify_as("GET", role_targets[i].target, headers);
        ck_assert_msg(reply.status == role_targets[i].status, "%s: %ld", role_targets[i].target, reply.status);
        if (reply.status == 403) {
            assert_problem(&reply, 403, "insufficient_scope");
            ck_assert_str_eq(http_header(&reply, "WWW-Authenticate", value, sizeof value),
                             "Bearer realm=\"jwtd\", error=\"insufficient_scope\"");
        }
        ck_assert((reply.status == 200) == (http_header(&reply, "X-Auth-Roles", value, sizeof value)[0] != '\0'));
        http_free(&reply);
    }
    expect_problem(verify_as("GET", "/auth/verify?role=admin", NULL), 401, "missing_token");
}
END_TEST

START_TEST(a_token_without_roles_has_none_of_them) {
    struct tokens tokens = login_with_roles((const char *const[]){ NULL });
    static const char *const targets[] = { "/auth/verify?role=admin", "/auth/verify?role=-", "/auth/verify/x?role=" };
    for (size_t i = 0; i < ARRAY_LEN(targets); i++)
        expect_problem(http_json(&shared_server, "GET", targets[i], tokens.access, NULL), 403, "insufficient_scope");
}
END_TEST

START_TEST(a_token_counts_in_the_authorization_header_only) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char query[TOKEN_SIZE + 64], cookie[TOKEN_SIZE + 64], uri[TOKEN_SIZE + 64], basic[TOKEN_SIZE + 64], form[TOKEN_SIZE + 64];
    snprintf(query, sizeof query, "/auth/verify?access_token=%.300s", tokens.access);
    snprintf(cookie, sizeof cookie, "Cookie: access_token=%s", tokens.access);
    snprintf(uri, sizeof uri, "X-Forwarded-Uri: /?access_token=%s", tokens.access);
    snprintf(basic, sizeof basic, "Authorization: Basic %s", tokens.access);
    snprintf(form, sizeof form, "access_token=%s", tokens.access);
    const char *const by_cookie[] = { cookie, uri, NULL }, *const by_basic[] = { basic, NULL };
    struct reply replies[] = { verify_as("GET", query, NULL), verify_as("GET", "/auth/verify", by_cookie),
                               verify_as("GET", "/auth/verify", by_basic),
                               http_send(&shared_server, "POST", "/auth/verify", NULL, form) };
    for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
        assert_problem(&replies[i], 401, "missing_token");
        http_free(&replies[i]);
    }
}
END_TEST

START_TEST(a_preflight_that_a_proxy_asks_about_needs_a_token) {
    static const char *const targets[] = { "/auth/verify", "/auth/verify?role=admin", "/auth/verify/", "/auth/verify/x" };
    const char *const headers[] = { "Origin: https://app.example.org", "Access-Control-Request-Method: GET", NULL };
    for (size_t i = 0; i < ARRAY_LEN(targets); i++)
        expect_problem(verify_as("OPTIONS", targets[i], headers), 401, "missing_token");
}
END_TEST

/* What a proxy forwards of its client's header. nginx answers 500 for any status but 2xx, 401 and 403. */
static const struct {
    const char *fields;
    int with_token, without_token;
} forwarded[] = {
    { "Authorization: Bearer x\r\n", 401, 401 },
    { "Authorization: Basic eDp4\r\n", 401, 401 },
    { "Authorization:\r\n", 401, 401 },
    { "Content-Type: a/b\r\nContent-Type: c/d\r\n", 200, 401 },
    { "Expect: 100-continue\r\n", 200, 401 },
    { "Expect: 100-continue\r\nContent-Length: 0\r\n", 200, 401 },
    { "Expect: x\r\nExpect: 100-continue\r\n", 200, 401 },
    { "If-Match: x\r\nIf-Match: y\r\nIdempotency-Key: \xff\r\nX-Forwarded-For: x\r\n", 200, 401 },
    { "Range: bytes=x\r\nAccept: x\r\nCookie: a\r\nCookie: b\r\n", 200, 401 },
};

static int ask_with_fields(const char *fields, const char *authorization, struct raw_reply *reply) {
    char bytes[TOKEN_SIZE + 512];
    int len = snprintf(bytes, sizeof bytes, "GET /auth/verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s%s\r\n" LIVE,
                       authorization, fields);
    raw_exchange_replies(&shared_server, bytes, (size_t)len, UNTIL_CLOSED, reply);
    ck_assert_msg(reply->count == 1 && reply->closed, "%s: %zu replies: %s", fields, reply->count, reply->bytes);
    return reply->statuses[0];
}

START_TEST(what_a_client_puts_into_its_header_is_no_error_of_the_proxy) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char authorization[TOKEN_SIZE + 32];
    struct raw_reply reply;
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s\r\n", tokens.access);
    ck_assert_int_eq(ask_with_fields(forwarded[_i].fields, authorization, &reply), forwarded[_i].with_token);
    ck_assert((reply.statuses[0] == 200) == (strstr(reply.bytes, "X-Auth-Subject: ") != NULL));
    ck_assert((reply.statuses[0] == 401) == (strstr(reply.bytes, "error=\"invalid_token\"") != NULL));
    ck_assert_int_eq(ask_with_fields(forwarded[_i].fields, "", &reply), forwarded[_i].without_token);
}
END_TEST

START_TEST(a_refusal_says_whether_a_token_was_sent) {
    char value[128];
    struct reply none = verify_as("GET", "/auth/verify", NULL);
    struct reply bad = verify_as("GET", "/auth/verify", (const char *const[]){ "Authorization: Bearer x.y.z", NULL });
    assert_problem(&none, 401, "missing_token");
    assert_problem(&bad, 401, "invalid_token");
    ck_assert_ptr_null(strstr(http_header(&none, "WWW-Authenticate", value, sizeof value), "error"));
    ck_assert_ptr_nonnull(strstr(http_header(&bad, "WWW-Authenticate", value, sizeof value), "error=\"invalid_token\""));
    http_free(&none);
    http_free(&bad);
}
END_TEST

/* A body that is announced and comes, all of it or a part, or never comes: nginx sends a client's Content-Length with no body.
 * Some are requests, which must not be run. */
static const struct {
    const char *name, *start, *rest;
} announced[] = {
    { "absent", "GET /auth/verify HTTP/1.1\r\nContent-Length: 5\r\n", "" },
    { "absent, as nginx sends it", "GET /auth/verify HTTP/1.0\r\nConnection: close\r\nContent-Length: 5\r\n", "" },
    { "absent, with HTTP/1.0 kept", "GET /auth/verify HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n", "" },
    { "absent, of POST", "POST /auth/verify HTTP/1.1\r\nContent-Length: 5\r\n", "" },
    { "absent, of HEAD", "HEAD /auth/verify HTTP/1.1\r\nContent-Length: 5\r\n", "" },
    { "absent, of PUT with a path", "PUT /auth/verify/a/b?c HTTP/1.1\r\nContent-Length: 5\r\n", "" },
    { "absent, of a method of its own", "PROPFIND /auth/verify HTTP/1.1\r\nContent-Length: 5\r\n", "" },
    { "absent, as long as the limit", "POST /auth/verify HTTP/1.1\r\nContent-Length: 16384\r\n", "" },
    { "absent, over the limit", "POST /auth/verify HTTP/1.1\r\nContent-Length: 16385\r\n", "" },
    { "absent, of any length", "POST /auth/verify HTTP/1.1\r\nContent-Length: 123456789012345\r\n", "" },
    { "absent, in chunks", "POST /auth/verify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "" },
    { "absent, in chunks, of GET", "GET /auth/verify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "" },
    { "to be asked for", "POST /auth/verify HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", "" },
    { "present", "POST /auth/verify HTTP/1.1\r\nContent-Length: 5\r\n", "abcde" },
    { "present, a request behind it", "POST /auth/verify HTTP/1.1\r\nContent-Length: 5\r\n", "abcde" LIVE },
    { "present, a request", "POST /auth/verify HTTP/1.1\r\nContent-Length: 38\r\n", LIVE },
    { "present, two requests", "GET /auth/verify HTTP/1.1\r\nContent-Length: 76\r\n", LIVE LIVE },
    { "present in part", "POST /auth/verify HTTP/1.1\r\nContent-Length: 500\r\n", LIVE },
    { "present in part, over the limit", "POST /auth/verify HTTP/1.1\r\nContent-Length: 50000\r\n", LIVE },
    { "present, in chunks", "POST /auth/verify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n" LIVE },
    { "no chunk, but a request", "POST /auth/verify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", LIVE },
};

/* Sends a request, and its body a moment later where it has one. Returns how long the reply took. */
static int64_t ask_with_body(const char *head, const char *body, struct raw_reply *reply) {
    int fd = raw_connect(&shared_server);
    int64_t began_us = clock_monotonic_us();
    raw_send(fd, head, strlen(head));
    raw_send(fd, body, strlen(body));
    raw_read_replies(fd, UNTIL_CLOSED, reply);
    close(fd);
    return clock_monotonic_us() - began_us;
}

static void assert_answered_from_header(const char *name, const char *head, const char *body, int status) {
    int64_t took_us = INT64_MAX;
    for (size_t i = 0; i < TRIES && took_us >= ANSWER_LIMIT_US; i++) {
        struct raw_reply reply;
        int64_t us = ask_with_body(head, body, &reply);
        ck_assert_msg(reply.count == 1 && reply.statuses[0] == status, "%s: %zu replies: %s", name, reply.count, reply.bytes);
        ck_assert_msg(reply.closed && strstr(reply.bytes, "Connection: close") != NULL, "%s: not closed", name);
        took_us = us < took_us ? us : took_us;
    }
    ck_assert_msg(took_us < ANSWER_LIMIT_US, "%s: answered after %lld us", name, (long long)took_us);
}

START_TEST(the_header_is_enough_and_a_body_is_never_taken_for_a_request) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char head[TOKEN_SIZE + 512];
    snprintf(head, sizeof head, "%sHost: x\r\nAuthorization: Bearer %s\r\n\r\n", announced[_i].start, tokens.access);
    assert_answered_from_header(announced[_i].name, head, announced[_i].rest, 200);
    snprintf(head, sizeof head, "%sHost: x\r\n\r\n", announced[_i].start);
    assert_answered_from_header(announced[_i].name, head, announced[_i].rest, 401);
}
END_TEST

START_TEST(without_a_body_the_connection_is_kept_unless_the_proxy_wants_it_closed) {
    static const struct {
        const char *start;
        bool is_kept;
    } starts[] = {
        { "GET /auth/verify HTTP/1.1\r\n", true },
        { "GET /auth/verify HTTP/1.1\r\nContent-Length: 0\r\n", true },
        { "POST /auth/verify/a HTTP/1.1\r\nContent-Length: 0\r\n", true },
        { "GET /auth/verify HTTP/1.0\r\nConnection: keep-alive\r\n", true },
        { "GET /auth/verify HTTP/1.0\r\n", false },
        { "GET /auth/verify HTTP/1.1\r\nConnection: close\r\n", false },
        { "GET /auth/verify HTTP/1.0\r\nConnection: close\r\n", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        char bytes[512];
        struct raw_reply reply;
        snprintf(bytes, sizeof bytes, "%sHost: x\r\n\r\n" LIVE, starts[i].start);
        raw_exchange_replies(&shared_server, bytes, strlen(bytes), starts[i].is_kept ? 2 : UNTIL_CLOSED, &reply);
        ck_assert_msg(reply.count == (starts[i].is_kept ? 2 : 1) && reply.statuses[0] == 401, "%s: %s", starts[i].start,
                      reply.bytes);
        ck_assert_msg(reply.closed == !starts[i].is_kept, "%s: %s", starts[i].start, reply.bytes);
    }
}
END_TEST

Suite *verify_suite(void) {
    Suite *suite = suite_create("verify");
    TCase *tcase = tcase_create("one server");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, shared_server_start, shared_server_finish);
    tcase_add_loop_test(tcase, a_proxy_may_ask_by_any_method_and_path_behind_verify, 0, (int)ARRAY_LEN(calls));
    tcase_add_test(tcase, roles_are_sent_as_a_list_once_they_are_in_a_token);
    tcase_add_test(tcase, a_role_that_the_proxy_asks_for_must_be_in_the_token);
    tcase_add_test(tcase, a_token_without_roles_has_none_of_them);
    tcase_add_test(tcase, a_token_counts_in_the_authorization_header_only);
    tcase_add_test(tcase, a_preflight_that_a_proxy_asks_about_needs_a_token);
    tcase_add_loop_test(tcase, what_a_client_puts_into_its_header_is_no_error_of_the_proxy, 0, (int)ARRAY_LEN(forwarded));
    tcase_add_test(tcase, a_refusal_says_whether_a_token_was_sent);
    tcase_add_loop_test(tcase, the_header_is_enough_and_a_body_is_never_taken_for_a_request, 0, (int)ARRAY_LEN(announced));
    tcase_add_test(tcase, without_a_body_the_connection_is_kept_unless_the_proxy_wants_it_closed);
    suite_add_tcase(suite, tcase);
    return suite;
}
