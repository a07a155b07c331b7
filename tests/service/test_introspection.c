/*
 * POST /auth/introspect and POST /auth/revoke, clause by clause: RFC 7662, RFC 7009, and what both take from RFC 6749. Each test
 * or row names its section. Where a clause leaves a choice, the comment says what was chosen.
 */
#include "support/account.h"
#include "support/database.h"
#include "support/service.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

Suite *introspection_suite(void);

#define INTROSPECT "/auth/introspect"
#define REVOKE "/auth/revoke"
#define FORM "Content-Type: application/x-www-form-urlencoded"
#define FORM_SIZE 8192
#define INACTIVE "{\"active\":false}"

static const char *const endpoints[] = { INTROSPECT, REVOKE };
static struct service orders;

static void start(void) {
    shared_server_start();
    orders = service_add(&shared_server, "orders");
}

static struct reply introspect(const char *token) {
    return service_ask(&shared_server, &orders, INTROSPECT, token);
}

static void expect_inactive(struct reply reply) {
    char value[64];
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(reply.body, INACTIVE);
    ck_assert_str_eq(http_header(&reply, "Content-Type", value, sizeof value), "application/json");
    http_free(&reply);
}

static bool is_active(const char *token) {
    struct reply reply = introspect(token);
    ck_assert_int_eq(reply.status, 200);
    bool active = json_boolean_at(reply.json, "active");
    ck_assert(active || strcmp(reply.body, INACTIVE) == 0);
    http_free(&reply);
    return active;
}

static void expect_revoked(struct reply reply) {
    ck_assert_int_eq(reply.status, 200);
    ck_assert_uint_eq(reply.body_len, 0);
    http_free(&reply);
}

/* ---- RFC 6749 section 2.3.1, RFC 7662 section 2.1, RFC 7009 section 2.1: the caller is authenticated ---- */

static void expect_invalid_client(struct reply reply) {
    char value[128];
    assert_problem(&reply, 401, "invalid_client");
    ck_assert_str_eq(http_member(&reply, "error"), "invalid_client"); /* RFC 6749 section 5.2 */
    ck_assert_str_eq(http_header(&reply, "WWW-Authenticate", value, sizeof value), "Basic realm=\"jwtd\"");
    ck_assert_str_eq(http_header(&reply, "Cache-Control", value, sizeof value), "no-store");
    http_free(&reply);
}

START_TEST(a_caller_without_good_credentials_is_told_nothing) {
    const char *path = endpoints[_i];
    struct refreshed_user user = refreshed_user_create(&shared_server);
    const struct service others[] = { service_with("orders", "wrong"),
                                      service_with("unknown", orders.secret),
                                      service_with("orders", ""),
                                      service_with("", orders.secret),
                                      service_with("Orders", orders.secret),
                                      service_with("orders%", orders.secret),
                                      service_with("orders ", orders.secret),
                                      service_with("", "") };
    expect_invalid_client(service_ask(&shared_server, NULL, path, user.access));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        expect_invalid_client(service_ask(&shared_server, &others[i], path, user.access));
    /* also not by an access token (RFC 7662 section 2.1 allows that, or not), nor by the body alone (RFC 6749 section 2.3.1) */
    char bearer[TOKEN_SIZE + 32], form[FORM_SIZE];
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", user.access);
    snprintf(form, sizeof form, "token=%s&client_id=orders&client_secret=%s", user.access, orders.secret);
    expect_invalid_client(http_send(&shared_server, "POST", path, (const char *const[]){ FORM, bearer, NULL }, form));
    expect_invalid_client(service_post(&shared_server, NULL, path, form));
    ck_assert(is_active(user.access));
}
END_TEST

START_TEST(name_and_secret_are_form_values_in_base64) { /* RFC 6749 section 2.3.1 */
    struct service encoded = service_with("o%72ders", orders.secret);
    struct refreshed_user user = refreshed_user_create(&shared_server);
    struct reply reply = service_ask(&shared_server, &encoded, endpoints[_i], user.access);
    ck_assert_int_eq(reply.status, 200);
    http_free(&reply);
}
END_TEST

/* ---- the request ---- */

static const struct {
    const char *section, *form; /* in which "$" is an access token */
    long introspect, revoke;
} requests[] = {
    { "7662/2.1, 7009/2.1: token", "token=$", 200, 200 },
    { "7662/2.1, 7009/2.1: token is REQUIRED", "token_type_hint=access_token", 400, 400 },
    { "7662/2.1, 7009/2.1: token is REQUIRED", "", 400, 400 },
    { "6749/3.1: a parameter without a value is as if omitted", "token=", 400, 400 },
    { "6749/3.1: unrecognized parameters are ignored", "token=$&resource=https%3A%2F%2Fa.example", 200, 200 },
    { "6749/3.1: a parameter is not included more than once", "token=$&token=$", 400, 400 },
    { "6749/3.1: a parameter is not included more than once", "token=$&x=1&x=1", 400, 400 },
    { "6749/B: form-encoded, so a bad % is no form", "token=$&x=%zz", 400, 400 },
    { "6749/B: in UTF-8", "token=$&x=%ff", 400, 400 },
    { "7662/2.1, 7009/2.1: the hint is OPTIONAL, and may be ignored", "token=$&token_type_hint=access_token", 200, 200 },
    { "7662/2.1, 7009/2.1: a wrong hint does not hide a token", "token=$&token_type_hint=refresh_token", 200, 200 },
    { "7009/2.2: an unknown hint is ignored", "token=$&token_type_hint=saml", 200, 200 },
    { "6749/2.3: one authentication method in each request", "token=$&client_secret=x", 400, 400 },
    { "6749/3.2.1: client_id alone is no second one", "token=$&client_id=orders", 200, 200 },
};

static void fill_in(const char *form, const char *token, char text[FORM_SIZE]) {
    size_t len = 0;
    for (; *form != '\0'; form++)
        len += (size_t)(*form == '$' ? snprintf(text + len, FORM_SIZE - len, "%s", token)
                                     : snprintf(text + len, FORM_SIZE - len, "%c", *form));
    text[len] = '\0';
}

static void expect_answer(struct reply reply, long status, const char *section) {
    char value[64];
    ck_assert_msg(reply.status == status, "RFC %s: %ld %s", section, reply.status, reply.body);
    ck_assert_str_eq(http_header(&reply, "Cache-Control", value, sizeof value), "no-store"); /* RFC 6749 section 5.1 */
    if (status == 400) {
        assert_problem(&reply, 400, "invalid_request");
        ck_assert_str_eq(http_member(&reply, "error"), "invalid_request"); /* RFC 6749 section 5.2 */
    }
    http_free(&reply);
}

START_TEST(a_request_is_read_as_the_rfcs_say) {
    char form[FORM_SIZE];
    struct refreshed_user user = refreshed_user_create(&shared_server);
    fill_in(requests[_i].form, user.access, form);
    struct reply reply = service_post(&shared_server, &orders, INTROSPECT, form);
    ck_assert_msg(reply.status != 200 || json_boolean_at(reply.json, "active"), "RFC %s", requests[_i].section);
    expect_answer(reply, requests[_i].introspect, requests[_i].section);
    expect_answer(service_post(&shared_server, &orders, REVOKE, form), requests[_i].revoke, requests[_i].section);
    ck_assert_msg(is_active(user.access) == (requests[_i].revoke != 200), "RFC %s", requests[_i].section);
}
END_TEST

/* RFC 7662 section 2.1, RFC 7009 section 2.1: POST with application/x-www-form-urlencoded. GET is optional, and not offered,
 * since a URL with a token in it ends in logs (RFC 7662 section 4). */
START_TEST(only_a_form_by_post_is_taken) {
    const char *path = endpoints[_i];
    char query[64], value[64];
    expect_problem(http_send(&shared_server, "POST", path,
                             (const char *const[]){ "Content-Type: application/json", orders.authorization, NULL },
                             "{\"token\":\"x\"}"),
                   415, "unsupported_media_type");
    snprintf(query, sizeof query, "%s?token=x", path);
    struct reply reply = http_send(&shared_server, "GET", query, (const char *const[]){ orders.authorization, NULL }, NULL);
    assert_problem(&reply, 405, "method_not_allowed");
    ck_assert_str_eq(http_header(&reply, "Allow", value, sizeof value), "OPTIONS, POST");
    http_free(&reply);
    reply = http_send(&shared_server, "POST", query, (const char *const[]){ FORM, orders.authorization, NULL }, "");
    expect_problem(reply, 400, "invalid_request"); /* a token in the query is none in the body */
}
END_TEST

/* RFC 6749 section 5.2: application/json, for those who ask for it. */
START_TEST(an_error_is_json_to_a_client_that_asks_for_json) {
    char value[64];
    struct reply reply = http_send(&shared_server, "POST", endpoints[_i],
                                   (const char *const[]){ FORM, "Accept: application/json", orders.authorization, NULL }, "");
    ck_assert_int_eq(reply.status, 400);
    ck_assert_str_eq(http_header(&reply, "Content-Type", value, sizeof value), "application/json");
    ck_assert_str_eq(http_member(&reply, "error"), "invalid_request");
    http_free(&reply);
}
END_TEST

/* ---- RFC 7662 section 2.2: the reply ---- */

START_TEST(an_active_access_token_is_described_as_it_is) {
    struct refreshed_user user = refreshed_user_create(&shared_server);
    char ignored[8];
    time_t now = time(NULL);
    database_value("UPDATE users SET roles = '{admin,ops}' WHERE id = $1::uuid", user.account.id, ignored, sizeof ignored);
    struct tokens tokens = account_login(&shared_server, &user.account);
    struct reply reply = introspect(tokens.access);
    ck_assert_int_eq(reply.status, 200);
    ck_assert(json_boolean_at(reply.json, "active"));
    ck_assert_str_eq(json_string_at(reply.json, "token_use"), "access_token");
    ck_assert_str_eq(json_string_at(reply.json, "token_type"), "Bearer"); /* RFC 6749 section 5.1 */
    ck_assert_str_eq(json_string_at(reply.json, "iss"), "jwtd");
    ck_assert_str_eq(json_string_at(reply.json, "aud"), "jwtd");
    ck_assert_str_eq(json_string_at(reply.json, "sub"), user.account.id);
    ck_assert_int_eq(database_number("SELECT count(*) FROM sessions WHERE id = $1::uuid", json_string_at(reply.json, "sid")), 1);
    ck_assert_ptr_nonnull(strstr(reply.body, "\"roles\":[\"admin\",\"ops\"]"));
    ck_assert_int_ge(json_integer_at(reply.json, "iat"), now);
    ck_assert_int_eq(json_integer_at(reply.json, "exp"), json_integer_at(reply.json, "iat") + 900);
    http_free(&reply);
}
END_TEST

START_TEST(an_active_refresh_token_cannot_be_taken_for_an_access_token) {
    struct refreshed_user user = refreshed_user_create(&shared_server);
    struct json_object *value;
    struct reply reply = introspect(user.refresh[2]);
    ck_assert(json_boolean_at(reply.json, "active"));
    ck_assert_str_eq(json_string_at(reply.json, "token_use"), "refresh_token");
    ck_assert_str_eq(json_string_at(reply.json, "iss"), "jwtd");
    ck_assert_str_eq(json_string_at(reply.json, "sub"), user.account.id);
    ck_assert_str_eq(json_string_at(reply.json, "sid"), user.session_id);
    int64_t left = json_integer_at(reply.json, "exp") - time(NULL);
    ck_assert_int_le(left, 7 * 86400); /* token.refresh_idle */
    ck_assert_int_ge(left, 7 * 86400 - 60);
    ck_assert(!json_object_object_get_ex(reply.json, "aud", &value));
    ck_assert(!json_object_object_get_ex(reply.json, "token_type", &value));
    ck_assert(!json_object_object_get_ex(reply.json, "roles", &value));
    http_free(&reply);
}
END_TEST

/* RFC 7662 section 4: expired, revoked, not issued here, not well signed. */
START_TEST(a_token_of_which_nothing_is_known_is_inactive_byte_for_byte) {
    static const char *const tokens[] = { "x",
                                          "a.b.c",
                                          "..",
                                          "%20",
                                          "%C3%A9",
                                          "%F0%9F%92%A9",
                                          "jr2_",
                                          "jr1_AAAA",
                                          "null",
                                          "%22",
                                          "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0." };
    expect_inactive(introspect(tokens[_i]));
}
END_TEST

START_TEST(a_token_of_any_length_is_answered) {
    static char form[16 * 1024];
    memset(form, 'a', sizeof form);
    memcpy(form, "token=", 6);
    form[sizeof form - 1] = '\0';
    expect_inactive(service_post(&shared_server, &orders, INTROSPECT, form));
    expect_revoked(service_post(&shared_server, &orders, REVOKE, form));
}
END_TEST

START_TEST(a_token_with_one_other_character_is_inactive) {
    struct refreshed_user user = refreshed_user_create(&shared_server);
    char damaged[TOKEN_SIZE];
    for (size_t at = 0; at < strlen(user.access); at += 7) {
        snprintf(damaged, sizeof damaged, "%s", user.access);
        damaged[at] = damaged[at] == 'A' ? 'B' : 'A';
        ck_assert_msg(!is_active(damaged), "%zu", at);
    }
    for (size_t at = 0; at < strlen(user.refresh[2]); at++) {
        snprintf(damaged, sizeof damaged, "%s", user.refresh[2]);
        damaged[at] = damaged[at] == 'A' ? 'B' : 'A';
        ck_assert_msg(!is_active(damaged), "%zu", at);
    }
}
END_TEST

/* RFC 7662 section 4: "MUST determine whether or not the token has expired". Requests allow for clocks that differ; what a
 * service may keep until exp does not. */
START_TEST(an_access_token_is_inactive_from_the_second_of_its_exp) {
    struct server server = server_start((const char *const[]){ "token.access_ttl=1s", "token.refresh_retry_window=0", NULL });
    struct service service = service_add(&server, "orders");
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    bool active = true;
    for (int i = 0; i < 400 && active; i++) {
        time_t before = time(NULL);
        struct reply reply = service_ask(&server, &service, INTROSPECT, tokens.access);
        active = json_boolean_at(reply.json, "active");
        ck_assert(!active || json_integer_at(reply.json, "exp") > before);
        http_free(&reply);
        usleep(10000);
    }
    ck_assert(!active);
    ck_assert_int_eq(me_status(&server, tokens.access), 200); /* the leeway */
    server_finish(&server);
}
END_TEST

enum presented { OLDER, PARENT, CURRENT };

static const struct {
    enum presented presented;
    const char *table, *happened; /* NULL: nothing */
    bool active;                  /* as a refresh would decide */
} refresh_tokens[] = {
    { CURRENT, NULL, NULL, true },
    { PARENT, NULL, NULL, true },
    { OLDER, NULL, NULL, false },
    { PARENT, "sessions", "rotated_at = now() - interval '1 day'", true },
    { PARENT, "sessions", "retry_generation = 1, retry_successor = 3", false },
    { OLDER, "sessions", "retry_generation = 1, retry_successor = 3", true },
    { CURRENT, "sessions", "generation = 1", true }, /* the database has lost the last refreshes */
    { CURRENT, "sessions", "revoked_at = now(), revoke_reason = 'logout'", false },
    { PARENT, "sessions", "revoked_at = now(), revoke_reason = 'reuse'", false },
    { CURRENT, "sessions", "expires_at = now()", false },
    { CURRENT, "sessions", "last_used_at = now() - interval '8 days'", false },
    { CURRENT, "users", "disabled_at = now()", false },
    { OLDER, "users", "disabled_at = now()", false },
};

#define ROW "SELECT s::text || (SELECT count(*) FROM revocations r WHERE r.session_id = s.id) FROM sessions s WHERE id = $1::uuid"

START_TEST(a_refresh_token_is_active_if_a_refresh_would_accept_it_and_nothing_changes) {
    char before[1024], after[1024];
    struct refreshed_user user = refreshed_user_create(&shared_server);
    if (refresh_tokens[_i].happened != NULL)
        refreshed_user_change(&user, refresh_tokens[_i].table, refresh_tokens[_i].happened);
    database_value(ROW, user.session_id, before, sizeof before);
    for (int again = 0; again < 3; again++)
        ck_assert_int_eq(is_active(user.refresh[refresh_tokens[_i].presented]), refresh_tokens[_i].active);
    ck_assert_str_eq(database_value(ROW, user.session_id, after, sizeof after), before);
    struct reply reply = refresh_with(&shared_server, user.refresh[refresh_tokens[_i].presented]);
    ck_assert_int_eq(reply.status == 200, refresh_tokens[_i].active);
    http_free(&reply);
}
END_TEST

/* ---- RFC 7009 section 2.2: the reply; section 2.1: what ends ---- */

START_TEST(a_revoked_token_takes_its_session_with_it_at_once) {
    struct refreshed_user user = refreshed_user_create(&shared_server);
    const char *tokens[] = { user.access, user.refresh[2], user.refresh[1] };
    struct tokens other = account_login(&shared_server, &user.account);
    ck_assert(is_active(user.access) && is_active(user.refresh[2]));
    for (int again = 0; again < 2; again++) { /* the reply to the first may have been lost */
        expect_revoked(service_ask(&shared_server, &orders, REVOKE, tokens[_i]));
        ck_assert(!is_active(user.access) && !is_active(user.refresh[2]));
    }
    ck_assert_int_eq(me_status(&shared_server, user.access), 401);
    expect_problem(refresh_with(&shared_server, user.refresh[2]), 401, "invalid_refresh_token");
    ck_assert(is_active(other.access) && is_active(other.refresh)); /* another session of the user */
    ck_assert_int_eq(database_number("SELECT count(*) FROM revocations WHERE session_id = $1::uuid", user.session_id), 1);
}
END_TEST

START_TEST(a_token_that_is_not_valid_revokes_nothing_and_is_no_error) { /* section 2.2 */
    static const char *const tokens[] = { "x", "a.b.c", "jr2_AAAA", "%F0%9F%92%A9" };
    struct refreshed_user user = refreshed_user_create(&shared_server);
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        expect_revoked(service_ask(&shared_server, &orders, REVOKE, tokens[i]));
    expect_revoked(service_ask(&shared_server, &orders, REVOKE, user.refresh[0])); /* of an old generation: whoever has it */
    user.access[strlen(user.access) - 3] ^= 1;
    expect_revoked(service_ask(&shared_server, &orders, REVOKE, user.access));
    ck_assert(is_active(user.refresh[2]));
}
END_TEST

START_TEST(who_revoked_what_is_in_the_log) {
    char expected[256];
    struct refreshed_user user = refreshed_user_create(&shared_server);
    expect_revoked(service_ask(&shared_server, &orders, REVOKE, user.refresh[2]));
    snprintf(expected, sizeof expected, "\"event\":\"token_revoked\",\"session_id\":\"%s\",\"service\":\"orders\"",
             user.session_id);
    ck_assert(server_log_contains(&shared_server, expected));
    ck_assert(server_log_count(&shared_server, orders.secret) == 0);
    ck_assert(server_log_count(&shared_server, user.refresh[2]) == 0);
}
END_TEST

Suite *introspection_suite(void) {
    Suite *suite = suite_create("introspection");
    TCase *tcase = tcase_create("introspection");
    tcase_add_unchecked_fixture(tcase, start, shared_server_finish);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_caller_without_good_credentials_is_told_nothing, 0, 2);
    tcase_add_loop_test(tcase, name_and_secret_are_form_values_in_base64, 0, 2);
    tcase_add_loop_test(tcase, a_request_is_read_as_the_rfcs_say, 0, (int)ARRAY_LEN(requests));
    tcase_add_loop_test(tcase, only_a_form_by_post_is_taken, 0, 2);
    tcase_add_loop_test(tcase, an_error_is_json_to_a_client_that_asks_for_json, 0, 2);
    tcase_add_test(tcase, an_active_access_token_is_described_as_it_is);
    tcase_add_test(tcase, an_active_refresh_token_cannot_be_taken_for_an_access_token);
    tcase_add_loop_test(tcase, a_token_of_which_nothing_is_known_is_inactive_byte_for_byte, 0, 11);
    tcase_add_test(tcase, a_token_of_any_length_is_answered);
    tcase_add_test(tcase, a_token_with_one_other_character_is_inactive);
    tcase_add_test(tcase, an_access_token_is_inactive_from_the_second_of_its_exp);
    tcase_add_loop_test(tcase, a_refresh_token_is_active_if_a_refresh_would_accept_it_and_nothing_changes, 0,
                        (int)ARRAY_LEN(refresh_tokens));
    tcase_add_loop_test(tcase, a_revoked_token_takes_its_session_with_it_at_once, 0, 3);
    tcase_add_test(tcase, a_token_that_is_not_valid_revokes_nothing_and_is_no_error);
    tcase_add_test(tcase, who_revoked_what_is_in_the_log);
    suite_add_tcase(suite, tcase);
    return suite;
}
