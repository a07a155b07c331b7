/* Who may end what: every cell of the table in docs/contract.md, "Logging out". */
#include "support/account.h"
#include "support/database.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *logout_suite(void);

enum credential { OLDER, PARENT, CURRENT, ACCESS };

/* A session at generation 3 of a user who has another one, what happened to it, and what is presented. Expired access tokens:
 * test_tokens.c. */
static const struct logout_case {
    enum credential credential;
    const char *happened; /* to the session; NULL: nothing */
    bool ends;            /* its session, and with "all" every session of its user; else nothing */
} cases[] = {
    { CURRENT, NULL, true },
    { PARENT, NULL, true }, /* the answer to the last refresh was lost */
    { PARENT, "rotated_at = now() - interval '1 day'", true },
    { OLDER, NULL, false },
    { ACCESS, NULL, true },
    /* the parent is 1 now, and 2 was never used: it is void */
    { CURRENT, "retry_generation = 1, retry_successor = 3", true },
    { PARENT, "retry_generation = 1, retry_successor = 3", false },
    { OLDER, "retry_generation = 1, retry_successor = 3", true },
    { ACCESS, "retry_generation = 1, retry_successor = 3", true },
    /* the database has lost the last refreshes in a failover: newer than the row */
    { CURRENT, "generation = 2", true },
    { CURRENT, "generation = 1", true },
    { PARENT, "generation = 1", true },
    /* ended, just now on another instance, or long ago */
    { CURRENT, "revoked_at = now(), revoke_reason = 'password_changed'", false },
    { PARENT, "revoked_at = now(), revoke_reason = 'password_changed'", false },
    { OLDER, "revoked_at = now(), revoke_reason = 'password_changed'", false },
    { ACCESS, "revoked_at = now(), revoke_reason = 'password_changed'", false },
    { CURRENT, "revoked_at = now() - interval '20 hours', revoke_reason = 'reuse'", false },
    { PARENT, "revoked_at = now() - interval '20 hours', revoke_reason = 'reuse'", false },
    { OLDER, "revoked_at = now() - interval '20 hours', revoke_reason = 'reuse'", false },
    { ACCESS, "revoked_at = now() - interval '20 hours', revoke_reason = 'reuse'", false },
    /* expired */
    { CURRENT, "expires_at = now()", false },
    { PARENT, "expires_at = now()", false },
    { OLDER, "expires_at = now()", false },
    { ACCESS, "expires_at = now()", false },
    { CURRENT, "last_used_at = now() - interval '8 days'", false },
    { PARENT, "last_used_at = now() - interval '8 days'", false },
    { OLDER, "last_used_at = now() - interval '8 days'", false },
    { ACCESS, "last_used_at = now() - interval '8 days'", false },
    { CURRENT, "generation = 2, last_used_at = now() - interval '8 days'", false },
};

static struct tokens other; /* of the user's second session */

static struct refreshed_user begin(void) {
    struct refreshed_user user = refreshed_user_create(&shared_server);
    other = account_login(&shared_server, &user.account);
    return user;
}

static struct reply log_out(const char *refresh, const char *access, bool all) {
    char body[BODY_SIZE] = "{";
    size_t len = 1;
    if (refresh != NULL)
        len += (size_t)snprintf(body + len, sizeof body - len, "\"refresh_token\":\"%s\",", refresh);
    snprintf(body + len, sizeof body - len, "\"all\":%s}", all ? "true" : "false");
    return http_json(&shared_server, "POST", "/auth/logout", access, body);
}

static struct reply present(const struct refreshed_user *user, enum credential credential, bool all) {
    return credential == ACCESS ? log_out(NULL, user->access, all) : log_out(user->refresh[credential], NULL, all);
}

/* How many sessions of the user were ended by a logout, and published to the other instances. */
static void expect_ended(const struct refreshed_user *user, long count, bool all) {
    static const char ended[] = "SELECT count(*) FROM sessions WHERE user_id = $1::uuid AND revoke_reason = 'logout'";
    static const char published[] = "SELECT count(*) FROM revocations WHERE user_id = $1::uuid AND reason = 'logout'";
    ck_assert_int_eq(database_number(ended, user->account.id), count);
    ck_assert_int_eq(database_number(published, user->account.id), count);
    ck_assert_int_eq(me_status(&shared_server, other.access), count > 0 && all ? 401 : 200);
    if (count > 0)
        ck_assert_int_eq(me_status(&shared_server, user->access), 401);
}

START_TEST(a_good_credential_ends_what_it_says_and_any_other_nothing) {
    const struct logout_case *one = &cases[_i / 2];
    bool all = _i % 2 == 1;
    struct refreshed_user user = begin();
    if (one->happened != NULL)
        refreshed_user_change(&user, "sessions", one->happened);
    for (int again = 0; again < 2; again++) { /* a logout may be repeated */
        expect_status(present(&user, one->credential, all), 204);
        expect_ended(&user, !one->ends ? 0 : all ? 2 : 1, all);
    }
}
END_TEST

START_TEST(the_credentials_of_a_disabled_user_end_nothing) {
    struct refreshed_user user = begin();
    refreshed_user_change(&user, "users", "disabled_at = now()");
    for (int credential = OLDER; credential <= ACCESS; credential++) {
        expect_status(present(&user, (enum credential)credential, false), 204);
        expect_status(present(&user, (enum credential)credential, true), 204);
    }
    expect_ended(&user, 0, true);
}
END_TEST

/* The thief of an old session cannot keep its owner out. */
START_TEST(no_credential_of_a_session_that_was_logged_out_ends_the_next_one) {
    struct refreshed_user user = begin();
    expect_status(present(&user, CURRENT, false), 204);
    for (int credential = OLDER; credential <= ACCESS; credential++)
        expect_status(present(&user, (enum credential)credential, true), 204);
    expect_ended(&user, 1, false);
    struct tokens next = account_login(&shared_server, &user.account);
    expect_status(present(&user, CURRENT, true), 204);
    ck_assert_int_eq(me_status(&shared_server, next.access), 200);
    expect_status(refresh_with(&shared_server, next.refresh), 200);
}
END_TEST

START_TEST(a_token_that_says_nothing_ends_nothing) {
    struct refreshed_user user = begin();
    for (int all = 0; all < 2; all++) {
        expect_problem(log_out(NULL, NULL, all), 401, "missing_token");
        expect_problem(log_out(NULL, "x.y.z", all), 401, "invalid_token");
        expect_status(log_out("jr1_forged", NULL, all), 204);
        /* a refresh token decides alone, also beside a good access token */
        expect_status(log_out("jr1_forged", user.access, all), 204);
        expect_status(log_out(user.refresh[OLDER], user.access, all), 204);
    }
    expect_ended(&user, 0, true);
}
END_TEST

Suite *logout_suite(void) {
    Suite *suite = suite_create("logout");
    TCase *shared = tcase_create("one server");
    tcase_set_timeout(shared, 60);
    tcase_add_unchecked_fixture(shared, shared_server_start, shared_server_finish);
    tcase_add_loop_test(shared, a_good_credential_ends_what_it_says_and_any_other_nothing, 0, 2 * (int)ARRAY_LEN(cases));
    tcase_add_test(shared, the_credentials_of_a_disabled_user_end_nothing);
    tcase_add_test(shared, no_credential_of_a_session_that_was_logged_out_ends_the_next_one);
    tcase_add_test(shared, a_token_that_says_nothing_ends_nothing);
    suite_add_tcase(suite, shared);
    return suite;
}
