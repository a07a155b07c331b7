#include "support/account.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *verify_suite(void);

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

START_TEST(roles_are_sent_as_a_list_once_they_are_in_a_token) {
    struct account account = account_register(&shared_server);
    char database[512], output[4096], authorization[TOKEN_SIZE + 32], value[128];
    snprintf(database, sizeof database, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    const char *const words[] = { "--set", database, "user", "set-roles", account.email, "admin", "editor", NULL };
    ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
    struct tokens tokens = account_login(&shared_server, &account);
    snprintf(authorization, sizeof authorization, "Authorization: bearer %s", tokens.access);
    struct reply reply = verify_as("GET", "/auth/verify", (const char *const[]){ authorization, NULL });
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(http_header(&reply, "X-Auth-Roles", value, sizeof value), "admin,editor");
    http_free(&reply);
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

Suite *verify_suite(void) {
    Suite *suite = suite_create("verify");
    TCase *tcase = tcase_create("one server");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, shared_server_start, shared_server_finish);
    tcase_add_loop_test(tcase, a_proxy_may_ask_by_any_method_and_path_behind_verify, 0, (int)ARRAY_LEN(calls));
    tcase_add_test(tcase, roles_are_sent_as_a_list_once_they_are_in_a_token);
    tcase_add_test(tcase, a_token_counts_in_the_authorization_header_only);
    tcase_add_test(tcase, a_refusal_says_whether_a_token_was_sent);
    suite_add_tcase(suite, tcase);
    return suite;
}
