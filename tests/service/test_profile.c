#include "support/account.h"
#include "support/database.h"

#include "jwtd/macros.h"
#include "jwtd/users.h"

#include <check.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

Suite *profile_suite(void);

#define OBJECT_SIZE (USER_METADATA_MAX_LEN + 64)

static struct reply change(const char *token, const char *body) {
    return http_json(&shared_server, "PATCH", "/auth/me", token, body);
}

static struct reply me(const char *token) {
    return http_json(&shared_server, "GET", "/auth/me", token, NULL);
}

/* A member of the user as JSON text, until the next call. */
static const char *member_of_me(const char *token, const char *name) {
    static char text[OBJECT_SIZE];
    struct reply reply = me(token);
    struct json_object *value;
    ck_assert_int_eq(reply.status, 200);
    ck_assert(json_object_object_get_ex(reply.json, name, &value));
    snprintf(text, sizeof text, "%s", json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
    http_free(&reply);
    return text;
}

static struct tokens log_in_anew(struct account *account) {
    *account = account_register(&shared_server);
    return account_login(&shared_server, account);
}

START_TEST(a_new_user_has_no_name_and_empty_objects) {
    struct account account;
    struct tokens tokens = log_in_anew(&account);
    ck_assert_str_eq(member_of_me(tokens.access, "name"), "null");
    ck_assert_str_eq(member_of_me(tokens.access, "metadata"), "{}");
    ck_assert_str_eq(member_of_me(tokens.access, "admin_metadata"), "{}");
}
END_TEST

START_TEST(a_user_may_register_with_a_name) {
    struct account account = account_new();
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"password\":\"" PASSWORD "\",\"name\":\"Ada <b>\\u202e\"}", account.email);
    struct reply reply = http_json(&shared_server, "POST", "/auth/register", NULL, body);
    ck_assert_int_eq(reply.status, 201);
    ck_assert_str_eq(http_member(&reply, "name"), "Ada <b>\xe2\x80\xae");
    http_free(&reply);
    struct tokens tokens = account_login(&shared_server, &account);
    ck_assert_str_eq(member_of_me(tokens.access, "name"), "\"Ada <b>\xe2\x80\xae\"");
}
END_TEST

/* In this order: what a request does not name stays as the one before has left it. */
START_TEST(name_and_metadata_change_without_a_password) {
    static const struct {
        const char *body, *name, *metadata;
    } cases[] = {
        { "{\"name\":\"Ada\"}", "\"Ada\"", "{}" },
        { "{\"metadata\":{ \"theme\" : \"dark\", \"size\":1.50 }}", "\"Ada\"", "{\"theme\":\"dark\",\"size\":1.50}" },
        { "{}", "\"Ada\"", "{\"theme\":\"dark\",\"size\":1.50}" },
        { "{\"name\":null,\"metadata\":{\"b\":[]}}", "null", "{\"b\":[]}" },
        { "{\"name\":\"\\u0639\",\"admin_metadata\":{\"plan\":\"x\"},\"roles\":[\"admin\"]}", "\"\xd8\xb9\"", "{\"b\":[]}" },
    };
    struct account account;
    struct tokens tokens = log_in_anew(&account);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        expect_status(change(tokens.access, cases[i].body), 200);
        ck_assert_str_eq(member_of_me(tokens.access, "name"), cases[i].name);
        ck_assert_str_eq(member_of_me(tokens.access, "metadata"), cases[i].metadata);
        ck_assert_str_eq(member_of_me(tokens.access, "admin_metadata"), "{}");
        ck_assert_str_eq(member_of_me(tokens.access, "roles"), "[]");
    }
}
END_TEST

START_TEST(a_new_address_needs_the_password_whatever_comes_beside) {
    struct account account, moved = account_new();
    struct tokens tokens = log_in_anew(&account);
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"name\":\"Ada\",\"email\":\"%s\"}", moved.email);
    expect_problem_at(change(tokens.access, body), 422, "validation_failed", "/current_password", "required");
    snprintf(body, sizeof body, "{\"name\":\"Ada\",\"email\":\"%s\",\"current_password\":\"not the passphrase\"}", moved.email);
    expect_problem_at(change(tokens.access, body), 403, "wrong_password", "/current_password", "wrong_password");
    ck_assert_str_eq(member_of_me(tokens.access, "name"), "null");
    snprintf(body, sizeof body, "{\"name\":\"Ada\",\"email\":\"%s\",\"current_password\":\"" PASSWORD "\"}", moved.email);
    struct reply reply = change(tokens.access, body);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(http_member(&reply, "name"), "Ada");
    ck_assert_str_eq(http_member(&reply, "email"), moved.email);
    http_free(&reply);
}
END_TEST

/* {"metadata":{"a":"xx..."}} whose object has so many bytes. */
static const char *metadata_of(size_t len, char body[OBJECT_SIZE]) {
    int start = snprintf(body, OBJECT_SIZE, "{\"metadata\":{\"a\":\"");
    memset(body + start, 'x', len - strlen("{\"a\":\"\"}"));
    snprintf(body + start + len - strlen("{\"a\":\"\"}"), 4, "\"}}");
    return body;
}

START_TEST(an_object_has_four_kibibytes_and_not_one_byte_more) {
    struct account account;
    struct tokens tokens = log_in_anew(&account);
    char body[OBJECT_SIZE];
    expect_problem_at(change(tokens.access, metadata_of(USER_METADATA_MAX_LEN + 1, body)), 422, "validation_failed", "/metadata",
                      "too_long");
    ck_assert_str_eq(member_of_me(tokens.access, "metadata"), "{}");
    expect_status(change(tokens.access, metadata_of(USER_METADATA_MAX_LEN, body)), 200);
    ck_assert_uint_eq(strlen(member_of_me(tokens.access, "metadata")), USER_METADATA_MAX_LEN);
}
END_TEST

START_TEST(what_an_administrator_has_written_is_shown) {
    struct account account;
    struct tokens tokens = log_in_anew(&account);
    char ignored[8];
    database_value("UPDATE users SET admin_metadata = '{\"plan\":\"team\"}' WHERE id = $1", account.id, ignored, sizeof ignored);
    ck_assert_str_eq(member_of_me(tokens.access, "admin_metadata"), "{\"plan\":\"team\"}");
}
END_TEST

/* A stolen token must not make each wrong password two guesses (test_account.c: a repeated change of the password). */
START_TEST(a_change_of_the_name_allows_no_second_guess_of_the_password) {
    struct account account;
    struct tokens tokens = log_in_anew(&account);
    expect_status(change(tokens.access, "{\"name\":\"Ada\"}"), 200);
    expect_problem(http_json(&shared_server, "POST", "/auth/password", tokens.access,
                             "{\"current_password\":\"a first guess\",\"new_password\":\"" PASSWORD "\"}"),
                   403, "wrong_password");
}
END_TEST

START_TEST(a_user_who_is_gone_changes_nothing) {
    struct account account;
    struct tokens tokens = log_in_anew(&account);
    char ignored[8];
    database_value("DELETE FROM users WHERE id = $1", account.id, ignored, sizeof ignored);
    expect_problem(change(tokens.access, "{\"name\":\"Ada\"}"), 401, "invalid_token");
}
END_TEST

/* ---- in the token ---- */

/* A claim of an access token as JSON text, "" without it. */
static const char *claim_of(const char *token, const char *name, char text[OBJECT_SIZE]) {
    char bytes[TOKEN_SIZE] = "";
    const char *start = strchr(token, '.') + 1;
    ck_assert_int_eq(sodium_base642bin((unsigned char *)bytes, sizeof bytes - 1, start, strcspn(start, "."), NULL, NULL, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    struct json_object *payload = json_tokener_parse(bytes), *value;
    bool is_there = json_object_object_get_ex(payload, name, &value);
    snprintf(text, OBJECT_SIZE, "%s", is_there ? json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN) : "");
    json_object_put(payload);
    return text;
}

static void expect_claims(const char *token, const char *name, const char *metadata) {
    char text[OBJECT_SIZE];
    ck_assert_str_eq(claim_of(token, "name", text), name);
    ck_assert_str_eq(claim_of(token, "metadata", text), metadata);
    ck_assert_str_eq(claim_of(token, "admin_metadata", text), "");
    ck_assert_int_eq(me_status(&shared_server, token), 200);
}

static void refresh_at(const struct server *server, struct tokens *tokens) {
    struct reply reply = refresh_with(server, tokens->refresh);
    ck_assert_int_eq(reply.status, 200);
    snprintf(tokens->access, sizeof tokens->access, "%s", http_member(&reply, "access_token"));
    snprintf(tokens->refresh, sizeof tokens->refresh, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
}

/* As it is at the login and at each refresh, on the instance that is told to; every instance accepts the token. */
START_TEST(a_token_has_the_claims_of_the_setting_and_no_others) {
    struct server server = server_start_beside(&shared_server, (const char *const[]){ "token.claims=name,metadata", NULL });
    struct account account;
    struct tokens tokens = log_in_anew(&account);
    char body[OBJECT_SIZE];
    expect_claims(tokens.access, "", "");
    tokens = account_login(&server, &account);
    expect_claims(tokens.access, "", "{}");
    expect_status(change(tokens.access, "{\"name\":\"Ada\",\"metadata\":{\"a\":{\"b\":[{}]}}}"), 200);
    refresh_at(&server, &tokens);
    expect_claims(tokens.access, "\"Ada\"", "{\"a\":{\"b\":[{}]}}");
    expect_status(change(tokens.access, metadata_of(USER_METADATA_MAX_LEN, body)), 200); /* no token holds it */
    refresh_at(&server, &tokens);
    expect_claims(tokens.access, "\"Ada\"", "");
    server_finish(&server);
}
END_TEST

Suite *profile_suite(void) {
    Suite *suite = suite_create("profile");
    TCase *tcase = tcase_create("one server");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, shared_server_start, shared_server_finish);
    tcase_add_test(tcase, a_new_user_has_no_name_and_empty_objects);
    tcase_add_test(tcase, a_user_may_register_with_a_name);
    tcase_add_test(tcase, name_and_metadata_change_without_a_password);
    tcase_add_test(tcase, a_new_address_needs_the_password_whatever_comes_beside);
    tcase_add_test(tcase, an_object_has_four_kibibytes_and_not_one_byte_more);
    tcase_add_test(tcase, what_an_administrator_has_written_is_shown);
    tcase_add_test(tcase, a_change_of_the_name_allows_no_second_guess_of_the_password);
    tcase_add_test(tcase, a_user_who_is_gone_changes_nothing);
    tcase_add_test(tcase, a_token_has_the_claims_of_the_setting_and_no_others);
    suite_add_tcase(suite, tcase);
    return suite;
}
