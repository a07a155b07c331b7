#include "support/account.h"
#include "support/database.h"
#include "support/load.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Suite *account_suite(void);

#define NEW_PASSWORD "quite another passphrase"

static struct reply change_email(const char *token, const char *email, const char *password) {
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"current_password\":\"%s\"}", email, password);
    return http_json(&shared_server, "PATCH", "/auth/me", token, body);
}

static struct reply change_password(const char *token, const char *current, const char *next) {
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"current_password\":\"%s\",\"new_password\":\"%s\"}", current, next);
    return http_json(&shared_server, "POST", "/auth/password", token, body);
}

static struct reply delete_user(const char *token, const char *password) {
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"current_password\":\"%s\"}", password);
    return http_json(&shared_server, "DELETE", "/auth/me", token, body);
}

/* 401 would let a front end refresh, try again, and log its user out. */
static void expect_wrong_password(struct reply reply) {
    expect_problem_at(reply, 403, "wrong_password", "/current_password", "wrong_password");
}

static long login_status(const struct account *account, const char *password) {
    char body[BODY_SIZE];
    struct reply reply = http_json(&shared_server, "POST", "/auth/login", NULL, credentials(account, password, body));
    long status = reply.status;
    http_free(&reply);
    return status;
}

START_TEST(me_shows_the_user) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    struct reply reply = http_json(&shared_server, "GET", "/auth/me", tokens.access, NULL);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(http_member(&reply, "id"), account.id);
    ck_assert_str_eq(http_member(&reply, "email"), account.email);
    ck_assert(json_object_is_type(json_object_object_get(reply.json, "roles"), json_type_array));
    ck_assert_str_ne(http_member(&reply, "created_at"), "");
    ck_assert_str_ne(http_member(&reply, "updated_at"), "");
    ck_assert_int_eq(json_object_object_length(reply.json), 8);
    http_free(&reply);
}
END_TEST

/* Holds the user's row for a while and changes its version, as a change does that runs beside. */
static void *change_beside(void *user_id) {
    char ignored[8];
    database_value("UPDATE users SET password_version = password_version + 1 WHERE id = $1::uuid "
                   "RETURNING (SELECT pg_sleep(0.5))::text",
                   user_id, ignored, sizeof ignored);
    return NULL;
}

static void await_lock(char *user_id) {
    char free_rows[8];
    for (int i = 0; i < 400; i++) {
        database_value("SELECT count(*)::text FROM (SELECT FROM users WHERE id = $1::uuid FOR UPDATE SKIP LOCKED) AS free",
                       user_id, free_rows, sizeof free_rows);
        if (strcmp(free_rows, "0") == 0)
            return;
        usleep(5000);
    }
    ck_abort_msg("nobody locks the row");
}

static struct reply change(int which, const char *token) {
    struct account moved = account_new();
    if (which == 0)
        return change_email(token, moved.email, PASSWORD);
    return which == 1 ? change_password(token, PASSWORD, NEW_PASSWORD) : delete_user(token, PASSWORD);
}

/* 401 would say that the right password is wrong. */
START_TEST(a_change_that_another_one_overtakes_is_to_be_tried_again) {
    static const long done[] = { 200, 204, 204 };
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    pthread_t beside;
    char retry_after[8];
    ck_assert_int_eq(pthread_create(&beside, NULL, change_beside, account.id), 0);
    await_lock(account.id);
    struct reply reply = change(_i, tokens.access);
    ck_assert_int_eq(pthread_join(beside, NULL), 0);
    ck_assert_str_ne(http_header(&reply, "Retry-After", retry_after, sizeof retry_after), "");
    expect_problem(reply, 503, "deadline_exceeded");
    reply = change(_i, tokens.access);
    ck_assert_int_eq(reply.status, done[_i]);
    http_free(&reply);
}
END_TEST

START_TEST(the_address_changes_with_the_password_and_not_without) {
    struct account account = account_register(&shared_server), moved = account_new();
    struct tokens tokens = account_login(&shared_server, &account);
    expect_wrong_password(change_email(tokens.access, moved.email, "not the passphrase"));
    ck_assert_int_eq(login_status(&account, PASSWORD), 200);
    struct reply reply = change_email(tokens.access, moved.email, PASSWORD);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(http_member(&reply, "email"), moved.email);
    http_free(&reply);
    ck_assert_int_eq(login_status(&moved, PASSWORD), 200);
    ck_assert_int_eq(login_status(&account, PASSWORD), 401);
}
END_TEST

START_TEST(a_taken_address_is_refused_and_the_own_one_in_another_case_is_not) {
    struct account account = account_register(&shared_server), other = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    expect_problem_at(change_email(tokens.access, other.email, PASSWORD), 409, "email_taken", "/email", "email_taken");
    account.email[0] = 'u';
    expect_status(change_email(tokens.access, account.email, PASSWORD), 200);
}
END_TEST

START_TEST(a_new_password_ends_every_other_session) {
    struct account account = account_register(&shared_server);
    struct tokens other = account_login(&shared_server, &account), current = account_login(&shared_server, &account);
    expect_status(change_password(current.access, PASSWORD, NEW_PASSWORD), 204);
    ck_assert_int_eq(me_status(&shared_server, current.access), 200);
    ck_assert_int_eq(me_status(&shared_server, other.access), 401);
    expect_problem(refresh_with(&shared_server, other.refresh), 401, "invalid_refresh_token");
    expect_status(refresh_with(&shared_server, current.refresh), 200);
    ck_assert_int_eq(login_status(&account, PASSWORD), 401);
    ck_assert_int_eq(login_status(&account, NEW_PASSWORD), 200);
}
END_TEST

START_TEST(a_password_is_not_changed_without_the_current_one_or_to_a_weak_one) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    expect_wrong_password(change_password(tokens.access, "not the passphrase", NEW_PASSWORD));
    struct reply reply = change_password(tokens.access, PASSWORD, "password123");
    assert_problem(&reply, 422, "validation_failed");
    const struct json_object *error = json_object_array_get_idx(json_object_object_get(reply.json, "errors"), 0);
    ck_assert_str_eq(json_string_at(error, "pointer"), "/new_password");
    ck_assert_str_eq(json_string_at(error, "code"), "too_common");
    http_free(&reply);
    ck_assert_int_eq(login_status(&account, PASSWORD), 200);
}
END_TEST

START_TEST(a_new_password_is_judged_before_the_current_one_is_checked) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    expect_problem_at(change_password(tokens.access, "not the passphrase", "password123"), 422, "validation_failed",
                      "/new_password", "too_common");
    char own_name[128];
    snprintf(own_name, sizeof own_name, "xx-%.*s-2026", (int)strcspn(account.email, "@"), account.email);
    expect_problem_at(change_password(tokens.access, "not the passphrase", own_name), 422, "validation_failed", "/new_password",
                      "contains_email");
}
END_TEST

START_TEST(without_a_body_the_missing_member_is_named) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char bearer[TOKEN_SIZE + 32];
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", tokens.access);
    struct reply reply = http_send(&shared_server, "DELETE", "/auth/me", (const char *const[]){ bearer, NULL }, NULL);
    expect_problem_at(reply, 422, "validation_failed", "/current_password", "required");
}
END_TEST

/* Not even "it is that already": that would be a second guess for the price of one. For a minute after a change it is an answer.
 */
START_TEST(a_change_to_the_present_password_needs_it_as_current_one_too) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char ignored[16];
    expect_wrong_password(change_password(tokens.access, "not the passphrase", PASSWORD));
    expect_status(change_password(tokens.access, PASSWORD, NEW_PASSWORD), 204);
    expect_status(change_password(tokens.access, PASSWORD, NEW_PASSWORD), 204);
    expect_wrong_password(change_password(tokens.access, PASSWORD, "a third passphrase"));
    database_value("UPDATE users SET password_changed_at = password_changed_at - interval '2 minutes' WHERE id = $1", account.id,
                   ignored, sizeof ignored);
    expect_wrong_password(change_password(tokens.access, PASSWORD, NEW_PASSWORD));
}
END_TEST

START_TEST(a_deleted_user_is_gone_with_all_sessions) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account), other = account_login(&shared_server, &account);
    expect_wrong_password(delete_user(tokens.access, "not the passphrase"));
    expect_status(delete_user(tokens.access, PASSWORD), 204);
    ck_assert_int_eq(me_status(&shared_server, tokens.access), 401);
    ck_assert_int_eq(me_status(&shared_server, other.access), 401);
    expect_problem(refresh_with(&shared_server, other.refresh), 401, "invalid_refresh_token");
    ck_assert_int_eq(database_number("SELECT count(*) FROM users WHERE id = $1::uuid", account.id), 0);
    ck_assert_int_eq(database_number("SELECT count(*) FROM sessions WHERE user_id = $1::uuid", account.id), 0);
    char body[BODY_SIZE];
    expect_status(http_json(&shared_server, "POST", "/auth/register", NULL, credentials(&account, PASSWORD, body)), 201);
}
END_TEST

/* What one instance revokes is refused by another within a second. */
START_TEST(another_instance_learns_within_a_second_that_a_user_was_deleted) {
    struct server second = server_start_beside(&shared_server, NULL);
    await_ready(&second);
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    ck_assert_int_eq(me_status(&second, tokens.access), 200);
    char authorization[TOKEN_SIZE + 32];
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", tokens.access);
    const char *const headers[] = { authorization, NULL };
    expect_status(delete_user(tokens.access, PASSWORD), 204);
    long status = 200;
    for (int i = 0; i < 15 && status == 200; i++) {
        struct reply reply = http_send(&second, "GET", "/auth/verify", headers, NULL);
        status = reply.status;
        http_free(&reply);
        usleep(100000);
    }
    ck_assert_int_eq(status, 401);
    server_finish(&second);
}
END_TEST

START_TEST(no_call_of_the_account_works_without_a_token) {
    expect_problem(http_json(&shared_server, "GET", "/auth/me", NULL, NULL), 401, "missing_token");
    expect_problem(change_email(NULL, "a@b.org", PASSWORD), 401, "missing_token");
    expect_problem(change_password(NULL, PASSWORD, NEW_PASSWORD), 401, "missing_token");
    expect_problem(delete_user(NULL, PASSWORD), 401, "missing_token");
    expect_problem(http_json(&shared_server, "GET", "/auth/sessions", NULL, NULL), 401, "missing_token");
    expect_problem(http_json(&shared_server, "GET", "/auth/me", "x.y.z", NULL), 401, "invalid_token");
}
END_TEST

Suite *account_suite(void) {
    Suite *suite = suite_create("account");
    TCase *tcase = tcase_create("one server");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, shared_server_start, shared_server_finish);
    tcase_add_test(tcase, me_shows_the_user);
    tcase_add_loop_test(tcase, a_change_that_another_one_overtakes_is_to_be_tried_again, 0, 3);
    tcase_add_test(tcase, the_address_changes_with_the_password_and_not_without);
    tcase_add_test(tcase, a_taken_address_is_refused_and_the_own_one_in_another_case_is_not);
    tcase_add_test(tcase, a_new_password_ends_every_other_session);
    tcase_add_test(tcase, a_password_is_not_changed_without_the_current_one_or_to_a_weak_one);
    tcase_add_test(tcase, a_new_password_is_judged_before_the_current_one_is_checked);
    tcase_add_test(tcase, without_a_body_the_missing_member_is_named);
    tcase_add_test(tcase, a_change_to_the_present_password_needs_it_as_current_one_too);
    tcase_add_test(tcase, a_deleted_user_is_gone_with_all_sessions);
    tcase_add_test(tcase, another_instance_learns_within_a_second_that_a_user_was_deleted);
    tcase_add_test(tcase, no_call_of_the_account_works_without_a_token);
    suite_add_tcase(suite, tcase);
    return suite;
}
