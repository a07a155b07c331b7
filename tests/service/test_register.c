#include "support/account.h"
#include "support/database.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *register_suite(void);

static struct reply register_with_key(const struct account *account, const char *password, const char *key) {
    char body[BODY_SIZE], header[512];
    snprintf(header, sizeof header, "Idempotency-Key: %s", key);
    return http_send(&shared_server, "POST", "/auth/register",
                     (const char *const[]){ "Content-Type: application/json", header, NULL },
                     credentials(account, password, body));
}

START_TEST(a_new_user_is_answered_with_the_resource_and_its_place) {
    struct account account = account_new();
    char body[BODY_SIZE], value[64];
    struct reply reply = http_json(&shared_server, "POST", "/auth/register", NULL, credentials(&account, PASSWORD, body));
    ck_assert_int_eq(reply.status, 201);
    ck_assert_str_eq(http_header(&reply, "Location", value, sizeof value), "/auth/me");
    ck_assert_str_eq(http_header(&reply, "Cache-Control", value, sizeof value), "no-store");
    ck_assert_str_eq(http_header(&reply, "X-Content-Type-Options", value, sizeof value), "nosniff");
    ck_assert_str_eq(http_header(&reply, "Server", value, sizeof value), "");
    ck_assert_str_eq(http_member(&reply, "email"), account.email);
    ck_assert_uint_eq(strlen(http_member(&reply, "id")), 36);
    ck_assert_int_eq(http_member(&reply, "id")[14], '7');
    ck_assert(json_object_is_type(json_object_object_get(reply.json, "roles"), json_type_array));
    ck_assert_ptr_nonnull(strchr(http_member(&reply, "created_at"), 'Z'));
    ck_assert_int_eq(json_object_object_length(reply.json), 5);
    http_free(&reply);
}
END_TEST

START_TEST(an_address_is_taken_without_regard_to_case) {
    struct account account = account_register(&shared_server);
    char body[BODY_SIZE];
    for (char *c = account.email; *c != '\0'; c++)
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    struct reply reply = http_json(&shared_server, "POST", "/auth/register", NULL, credentials(&account, PASSWORD, body));
    assert_problem(&reply, 409, "email_taken");
    http_free(&reply);
}
END_TEST

static const struct {
    const char *password;
    const char *code;
} refused_passwords[] = {
    { "1234567", "too_short" },
    { "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80",
      "too_short" },
    { "password123", "too_common" },
    { "PassWord123", "too_common" },
    { "", "too_short" },
};

START_TEST(a_weak_password_is_refused_with_its_reason) {
    struct account account = account_new();
    char body[BODY_SIZE];
    struct reply reply =
        http_json(&shared_server, "POST", "/auth/register", NULL, credentials(&account, refused_passwords[_i].password, body));
    assert_problem(&reply, 422, "validation_failed");
    struct json_object *error = json_object_array_get_idx(json_object_object_get(reply.json, "errors"), 0);
    ck_assert_str_eq(json_string_at(error, "pointer"), "/password");
    ck_assert_str_eq(json_string_at(error, "code"), refused_passwords[_i].code);
    http_free(&reply);
}
END_TEST

/* A form shows all of it at once. */
START_TEST(everything_that_is_wrong_with_a_registration_is_in_one_reply) {
    struct reply reply = http_json(&shared_server, "POST", "/auth/register", NULL, "{\"email\":\"x\",\"password\":\"abc\"}");
    assert_problem(&reply, 422, "validation_failed");
    const struct json_object *errors = json_object_object_get(reply.json, "errors");
    ck_assert_uint_eq(json_object_array_length(errors), 2);
    const struct json_object *email = json_object_array_get_idx(errors, 0), *password = json_object_array_get_idx(errors, 1);
    ck_assert_str_eq(json_string_at(email, "pointer"), "/email");
    ck_assert_str_eq(json_string_at(email, "code"), "invalid_email");
    ck_assert_str_eq(json_string_at(password, "pointer"), "/password");
    ck_assert_str_eq(json_string_at(password, "code"), "too_short");
    ck_assert_int_eq(json_integer_at(password, "min"), 8);
    ck_assert_ptr_nonnull(strstr(json_string_at(password, "detail"), "at least 8 characters"));
    http_free(&reply);
}
END_TEST

START_TEST(a_blank_behind_the_address_is_not_part_of_it) {
    struct account account = account_new(), typed = account;
    char body[BODY_SIZE];
    snprintf(typed.email, sizeof typed.email, "%.90s ", account.email);
    struct reply reply = http_json(&shared_server, "POST", "/auth/register", NULL, credentials(&typed, PASSWORD, body));
    ck_assert_int_eq(reply.status, 201);
    ck_assert_str_eq(http_member(&reply, "email"), account.email);
    http_free(&reply);
    account_login(&shared_server, &typed);
    account_login(&shared_server, &account);
}
END_TEST

START_TEST(a_password_that_names_the_account_is_refused) {
    struct account account;
    char body[BODY_SIZE];
    snprintf(account.email, sizeof account.email, "marjolein@example.org");
    struct reply reply =
        http_json(&shared_server, "POST", "/auth/register", NULL, credentials(&account, "xx-Marjolein-2026", body));
    assert_problem(&reply, 422, "validation_failed");
    http_free(&reply);
}
END_TEST

START_TEST(a_password_over_1024_bytes_is_refused_and_one_of_1024_is_not) {
    struct account account = account_new();
    char password[1026], body[BODY_SIZE * 3];
    memset(password, 'q', sizeof password);
    for (size_t i = 0; i < sizeof password; i += 7)
        password[i] = (char)('a' + i % 26);
    for (size_t len = 1025; len >= 1024; len--) {
        password[len] = '\0';
        snprintf(body, sizeof body, "{\"email\":\"%s\",\"password\":\"%s\"}", account.email, password);
        struct reply reply = http_json(&shared_server, "POST", "/auth/register", NULL, body);
        ck_assert_int_eq(reply.status, len == 1025 ? 422 : 201);
        http_free(&reply);
    }
}
END_TEST

/* Not 413, which would not say what is too large. */
START_TEST(a_password_that_fills_the_body_is_refused_at_its_member) {
    static const size_t lens[] = { 17000, 100000 };
    static const char *const bodies[] = { "{\"email\":\"a@example.org\",\"password\":\"%s\"}",
                                          "{\"password\":\"%s\",\"email\":\"a@example.org\"}" };
    size_t len = lens[_i % 2], size = len + 64;
    char *password = calloc(1, len + 1), *body = malloc(size);
    ck_assert(password != NULL && body != NULL);
    memset(password, 'q', len);
    const char *format = bodies[_i / 2], *at = strstr(format, "%s");
    snprintf(body, size, "%.*s%s%s", (int)(at - format), format, password, at + 2);
    struct reply reply = http_json(&shared_server, "POST", "/auth/register", NULL, body);
    assert_problem(&reply, 422, "validation_failed");
    const struct json_object *entry = json_object_array_get_idx(json_object_object_get(reply.json, "errors"), 0);
    ck_assert_int_eq(json_integer_at(entry, "max"), 1024);
    expect_problem_at(reply, 422, "validation_failed", "/password", "too_long");
    free(password);
    free(body);
}
END_TEST

START_TEST(a_form_can_ask_what_it_must_know) {
    struct server server = server_start((const char *const[]){ "password.min_length=15", NULL });
    struct reply reply = http_send(&server, "GET", "/auth/policy", NULL, NULL);
    ck_assert_int_eq(reply.status, 200);
    const struct json_object *password = json_object_object_get(reply.json, "password");
    ck_assert_int_eq(json_integer_at(password, "min_length"), 15);
    ck_assert_int_eq(json_integer_at(password, "max_bytes"), 1024);
    ck_assert_str_eq(json_object_to_json_string_ext(json_object_object_get(password, "refused"), JSON_C_TO_STRING_PLAIN),
                     "[\"too_common\",\"contains_email\",\"contains_service\"]");
    ck_assert_int_eq(json_integer_at(json_object_object_get(reply.json, "email"), "max_bytes"), 254);
    ck_assert_int_eq(json_integer_at(json_object_object_get(reply.json, "name"), "max_bytes"), 256);
    ck_assert_int_eq(json_integer_at(json_object_object_get(reply.json, "metadata"), "max_bytes"), 4096);
    http_free(&reply);
    reply = http_json(&server, "POST", "/auth/register", NULL, "{\"email\":\"a@example.org\",\"password\":\"fourteen chars\"}");
    const struct json_object *entry = json_object_array_get_idx(json_object_object_get(reply.json, "errors"), 0);
    ck_assert_int_eq(json_integer_at(entry, "min"), 15);
    http_free(&reply);
    server_finish(&server);
}
END_TEST

START_TEST(only_an_argon2id_hash_with_the_configured_parameters_is_stored) {
    struct account account = account_register(&shared_server);
    char hash[256];
    database_value("SELECT password_hash FROM users WHERE id = $1::uuid", account.id, hash, sizeof hash);
    ck_assert_msg(strncmp(hash, "$argon2id$v=19$m=8192,t=1,p=1$", 30) == 0, "%s", hash);
}
END_TEST

START_TEST(the_same_idempotency_key_returns_the_same_reply_again) {
    struct account account = account_new();
    struct reply first = register_with_key(&account, PASSWORD, "key-1");
    struct reply again = register_with_key(&account, PASSWORD, "key-1");
    ck_assert_int_eq(first.status, 201);
    ck_assert_int_eq(again.status, 201);
    ck_assert_str_eq(first.body, again.body);
    http_free(&first);
    http_free(&again);
}
END_TEST

START_TEST(an_idempotency_key_does_not_serve_for_another_request) {
    struct account account = account_new();
    struct reply first = register_with_key(&account, PASSWORD, "key-2");
    struct reply other_password = register_with_key(&account, "another long passphrase", "key-2");
    struct reply other_key = register_with_key(&account, PASSWORD, "key-3");
    ck_assert_int_eq(first.status, 201);
    assert_problem(&other_password, 422, "idempotency_key_reused");
    assert_problem(&other_key, 409, "email_taken");
    http_free(&first);
    http_free(&other_password);
    http_free(&other_key);
}
END_TEST

START_TEST(an_idempotency_key_that_is_no_key_is_refused) {
    struct account account = account_new();
    char key[300];
    memset(key, 'k', sizeof key);
    key[256] = '\0';
    struct reply too_long = register_with_key(&account, PASSWORD, key);
    struct reply blank = register_with_key(&account, PASSWORD, "two words");
    assert_problem(&too_long, 400, "invalid_header");
    assert_problem(&blank, 400, "invalid_header");
    http_free(&too_long);
    http_free(&blank);
}
END_TEST

struct race {
    struct account account;
    const char *key;
    long statuses[20];
};

static void register_one(size_t index, void *context) {
    struct race *race = context;
    char body[BODY_SIZE];
    struct reply reply = race->key != NULL ? register_with_key(&race->account, PASSWORD, race->key)
                                           : http_json(&shared_server, "POST", "/auth/register", NULL,
                                                       credentials(&race->account, PASSWORD, body));
    race->statuses[index] = reply.status;
    http_free(&reply);
}

static int count_status(const struct race *race, long status) {
    int count = 0;
    for (size_t i = 0; i < 20; i++)
        count += race->statuses[i] == status;
    return count;
}

START_TEST(of_twenty_registrations_at_once_one_succeeds) {
    struct race race = { .account = account_new() };
    run_parallel(20, register_one, &race);
    ck_assert_int_eq(count_status(&race, 201), 1);
    ck_assert_int_eq(count_status(&race, 409), 19);
    ck_assert_int_eq(database_number("SELECT count(*) FROM users WHERE email = $1", race.account.email), 1);
}
END_TEST

START_TEST(twenty_registrations_with_one_key_are_one_account_and_twenty_times_the_answer) {
    struct race race = { .account = account_new(), .key = "race-key" };
    run_parallel(20, register_one, &race);
    ck_assert_int_eq(count_status(&race, 201), 20);
    ck_assert_int_eq(database_number("SELECT count(*) FROM users WHERE email = $1", race.account.email), 1);
}
END_TEST

Suite *register_suite(void) {
    Suite *suite = suite_create("register");
    TCase *tcase = tcase_create("one server");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, shared_server_start, shared_server_finish);
    tcase_add_test(tcase, a_new_user_is_answered_with_the_resource_and_its_place);
    tcase_add_test(tcase, an_address_is_taken_without_regard_to_case);
    tcase_add_loop_test(tcase, a_weak_password_is_refused_with_its_reason, 0, (int)ARRAY_LEN(refused_passwords));
    tcase_add_test(tcase, everything_that_is_wrong_with_a_registration_is_in_one_reply);
    tcase_add_test(tcase, a_blank_behind_the_address_is_not_part_of_it);
    tcase_add_test(tcase, a_password_that_names_the_account_is_refused);
    tcase_add_test(tcase, a_password_over_1024_bytes_is_refused_and_one_of_1024_is_not);
    tcase_add_loop_test(tcase, a_password_that_fills_the_body_is_refused_at_its_member, 0, 4);
    tcase_add_test(tcase, a_form_can_ask_what_it_must_know);
    tcase_add_test(tcase, only_an_argon2id_hash_with_the_configured_parameters_is_stored);
    tcase_add_test(tcase, the_same_idempotency_key_returns_the_same_reply_again);
    tcase_add_test(tcase, an_idempotency_key_does_not_serve_for_another_request);
    tcase_add_test(tcase, an_idempotency_key_that_is_no_key_is_refused);
    tcase_add_test(tcase, of_twenty_registrations_at_once_one_succeeds);
    tcase_add_test(tcase, twenty_registrations_with_one_key_are_one_account_and_twenty_times_the_answer);
    suite_add_tcase(suite, tcase);
    return suite;
}
