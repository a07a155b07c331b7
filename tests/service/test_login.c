#include "support/account.h"
#include "support/database.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *login_suite(void);

START_TEST(a_login_returns_both_tokens) {
    struct account account = account_register(&shared_server);
    char body[BODY_SIZE], value[64];
    struct reply reply = http_json(&shared_server, "POST", "/auth/login", NULL, credentials(&account, PASSWORD, body));
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(http_member(&reply, "token_type"), "Bearer");
    ck_assert_int_eq(json_integer_at(reply.json, "expires_in"), 900);
    ck_assert_int_eq(json_integer_at(reply.json, "refresh_expires_in"), 7 * 24 * 3600);
    ck_assert_int_eq(strncmp(http_member(&reply, "refresh_token"), "jr2_", 4), 0);
    ck_assert_str_eq(http_header(&reply, "Cache-Control", value, sizeof value), "no-store");
    ck_assert_int_eq(json_object_object_length(reply.json), 5);
    ck_assert_int_eq(me_status(&shared_server, http_member(&reply, "access_token")), 200);
    http_free(&reply);
}
END_TEST

START_TEST(the_address_may_be_typed_in_another_case_and_is_shown_as_registered) {
    struct account account = account_register(&shared_server), other = account;
    for (char *c = other.email; *c != '\0'; c++)
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    struct tokens tokens = account_login(&shared_server, &other);
    struct reply reply = http_json(&shared_server, "GET", "/auth/me", tokens.access, NULL);
    ck_assert_str_eq(http_member(&reply, "email"), account.email);
    http_free(&reply);
}
END_TEST

START_TEST(a_password_is_the_same_however_its_letters_are_composed) {
    struct account account = account_new();
    char body[BODY_SIZE];
    struct reply reply =
        http_json(&shared_server, "POST", "/auth/register", NULL, credentials(&account, "un cafe\xcc\x81 noir", body));
    ck_assert_int_eq(reply.status, 201);
    http_free(&reply);
    account_login_with(&shared_server, &account, "un caf\xc3\xa9 noir");
}
END_TEST

/* Status, headers and body without what names the moment and the request. */
static char *comparable(const struct reply *reply) {
    static const char *const varying[] = { "Date: ", "X-Request-Id: " };
    char *text = calloc(1, strlen(reply->headers) + reply->body_len + 32);
    for (const char *line = reply->headers; line != NULL && *line != '\0';) {
        const char *end = strstr(line, "\r\n");
        bool varies = false;
        for (size_t i = 0; i < 2; i++)
            varies = varies || strncmp(line, varying[i], strlen(varying[i])) == 0;
        if (!varies)
            strncat(text, line, (size_t)(end - line));
        line = end + 2;
    }
    json_object_object_del(reply->json, "request_id");
    strncat(text, json_object_to_json_string(reply->json), reply->body_len);
    return text;
}

static char *refused(const struct account *account, const char *password) {
    char body[BODY_SIZE];
    struct reply reply = http_json(&shared_server, "POST", "/auth/login", NULL, credentials(account, password, body));
    assert_problem(&reply, 401, "invalid_credentials");
    char *text = comparable(&reply);
    http_free(&reply);
    return text;
}

START_TEST(every_refused_login_gets_the_same_bytes_whatever_the_reason) {
    struct account known = account_register(&shared_server), unknown = account_new();
    struct account disabled = account_register(&shared_server), corrupt = account_register(&shared_server);
    char ignored[8];
    database_value("UPDATE users SET disabled_at = now() WHERE id = $1::uuid", disabled.id, ignored, sizeof ignored);
    database_value("UPDATE users SET password_hash = '$argon2id$broken' WHERE id = $1::uuid", corrupt.id, ignored,
                   sizeof ignored);
    char *wrong_password = refused(&known, "not the passphrase");
    char *unknown_address = refused(&unknown, PASSWORD);
    char *disabled_user = refused(&disabled, PASSWORD);
    char *corrupt_hash = refused(&corrupt, PASSWORD);
    ck_assert_str_eq(wrong_password, unknown_address);
    ck_assert_str_eq(wrong_password, disabled_user);
    ck_assert_str_eq(wrong_password, corrupt_hash);
    ck_assert(server_log_contains(&shared_server, "\"level\":\"error\",\"event\":\"password_hash_corrupt\""));
    free(wrong_password);
    free(unknown_address);
    free(disabled_user);
    free(corrupt_hash);
}
END_TEST

START_TEST(a_login_after_a_change_of_parameters_hashes_anew_once) {
    struct server server = server_start(NULL);
    struct account account = account_register(&server);
    char before[256], after[256], later[256];
    static const char sql[] = "SELECT password_hash FROM users WHERE id = $1::uuid";
    database_value(sql, account.id, before, sizeof before);
    struct server changed = server_start_beside(&server, (const char *const[]){ "password.memory=16MiB", NULL });
    account_login(&changed, &account);
    database_value(sql, account.id, after, sizeof after);
    account_login(&changed, &account);
    database_value(sql, account.id, later, sizeof later);
    ck_assert_int_eq(strncmp(before, "$argon2id$v=19$m=8192,t=1,", 26), 0);
    ck_assert_int_eq(strncmp(after, "$argon2id$v=19$m=16384,t=1,", 27), 0);
    ck_assert_str_eq(after, later);
    account_login(&server, &account);
    server_finish(&changed);
    server_finish(&server);
}
END_TEST

START_TEST(a_login_whose_new_hash_cannot_be_stored_succeeds) {
    struct account account = account_register(&shared_server);
    char before[256], after[256], ignored[8];
    static const char sql[] = "SELECT password_hash FROM users WHERE id = $1::uuid";
    database_value(sql, account.id, before, sizeof before);
    database_value("ALTER TABLE users ADD CONSTRAINT no_new_hash CHECK (password_hash NOT LIKE '%m=12288,%')", NULL, ignored,
                   sizeof ignored);
    struct server changed = server_start_beside(&shared_server, (const char *const[]){ "password.memory=12MiB", NULL });
    struct tokens tokens = account_login(&changed, &account);
    database_value("ALTER TABLE users DROP CONSTRAINT no_new_hash", NULL, ignored, sizeof ignored);
    ck_assert_int_eq(me_status(&changed, tokens.access), 200);
    database_value(sql, account.id, after, sizeof after);
    ck_assert_str_eq(before, after);
    server_check_log_count(&changed, "\"rehash_failed\"", 1);
    ck_assert_int_eq(server_log_count(&changed, "\"password_rehashed\""), 0);
    server_finish(&changed);
}
END_TEST

static void log_in(size_t index, void *context) {
    (void)index;
    account_login(&shared_server, context);
}

START_TEST(a_user_has_at_most_a_hundred_sessions_and_the_newest_lives) {
    struct account account = account_register(&shared_server);
    struct tokens oldest = account_login(&shared_server, &account);
    for (int round = 0; round < 6; round++)
        run_parallel(20, log_in, &account);
    struct tokens newest = account_login(&shared_server, &account);
    ck_assert_int_eq(database_number("SELECT count(*) FROM sessions WHERE user_id = $1::uuid AND revoked_at IS NULL", account.id),
                     100);
    ck_assert_int_eq(me_status(&shared_server, newest.access), 200);
    ck_assert_int_eq(me_status(&shared_server, oldest.access), 401);
}
END_TEST

Suite *login_suite(void) {
    Suite *suite = suite_create("login");
    TCase *tcase = tcase_create("one server");
    tcase_set_timeout(tcase, 180);
    tcase_add_unchecked_fixture(tcase, shared_server_start, shared_server_finish);
    tcase_add_test(tcase, a_login_returns_both_tokens);
    tcase_add_test(tcase, the_address_may_be_typed_in_another_case_and_is_shown_as_registered);
    tcase_add_test(tcase, a_password_is_the_same_however_its_letters_are_composed);
    tcase_add_test(tcase, every_refused_login_gets_the_same_bytes_whatever_the_reason);
    tcase_add_test(tcase, a_login_after_a_change_of_parameters_hashes_anew_once);
    tcase_add_test(tcase, a_login_whose_new_hash_cannot_be_stored_succeeds);
    tcase_add_test(tcase, a_user_has_at_most_a_hundred_sessions_and_the_newest_lives);
    suite_add_tcase(suite, tcase);
    return suite;
}
