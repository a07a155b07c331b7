/* database.prepared = off: nothing is kept in the session, and yet everything holds that a session is otherwise set up for. */
#include "store_fixture.h"

#include "../../src/store/db_blocking.h"

#include "jwtd/macros.h"

#include <stdio.h>
#include <stdlib.h>

static struct db *open_unprepared(int64_t statement_timeout_ms) {
    struct db_options options = {
        .url = test_database(), .statement_timeout_ms = statement_timeout_ms, .connect_timeout_ms = 3000, .unprepared = true
    };
    struct db *own = db_create(&options);
    ck_assert_ptr_nonnull(own);
    return own;
}

START_TEST(each_transaction_is_set_up_as_a_session_is_otherwise) {
    static const struct db_statement look = {
        .name = "look",
        .sql =
            "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('application_name'),"
            " timestamptz '2026-11-20 21:35:00.5+00'",
        .columns = 4,
        .read = read_first_row
    };
    static const char *const expected[] = { "1s", "1s", "jwtd", "2026-11-20T21:35:00.5Z" };
    struct first_row row = { .count = 4 };
    setenv("PGTZ", "America/New_York", 1);
    setenv("PGDATESTYLE", "German", 1);
    struct db *own = open_unprepared(1000);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(db_run_statement(CALL_ON(own), &look, NULL, &row), STATUS_OK);
        for (int i = 0; i < row.count; i++)
            ck_assert_str_eq(row.texts[i], expected[i]);
    }
    db_destroy(own);
    unsetenv("PGTZ");
    unsetenv("PGDATESTYLE");
}
END_TEST

/* Read by a script, which brings no settings along; each reads what is there. */
static const char *const remains[] = {
    "SELECT name FROM pg_prepared_statements",
    "SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    "SELECT name FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout') AND setting <> reset_val",
};

START_TEST(nothing_is_left_behind_in_the_session) {
    struct db *own = open_unprepared(1234);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(ping(own, soon()), STATUS_OK);
        for (size_t i = 0; i < ARRAY_LEN(remains); i++) {
            size_t rows = 99;
            ck_assert_int_eq(db_run_script(own, soon(), "look", remains[i], &rows), STATUS_OK);
            ck_assert_uint_eq(rows, 0);
        }
    }
    db_destroy(own);
}
END_TEST

START_TEST(a_statement_that_takes_too_long_is_ended_by_the_server) {
    static const struct db_statement slow = { .name = "slow", .sql = "SELECT pg_sleep(10)", .columns = 1 };
    struct db *own = open_unprepared(200);
    int64_t began_us = clock_monotonic_us();
    ck_assert_int_eq(db_run_statement(CALL_ON(own), &slow, NULL, NULL), STATUS_DEADLINE_EXCEEDED);
    ck_assert_int_lt(clock_monotonic_us() - began_us, 2 * CLOCK_US_PER_S);
    ck_assert_int_eq(ping(own, soon()), STATUS_OK);
    db_destroy(own);
}
END_TEST

START_TEST(a_wait_for_a_lock_is_ended_by_the_server) {
    struct uuid user = add_user("ada@example.org"), session = add_session(&user);
    struct session_credential credential = { session, 1 };
    struct refreshed refreshed;
    struct db *own = open_unprepared(200);
    sql("BEGIN");
    sql("SELECT FROM sessions WHERE id = '%s' FOR UPDATE", show(&session));
    ck_assert_int_eq(RUN(CALL_ON(own), sessions_refresh, &credential, CLIENT_IP, &limits, &refreshed), STATUS_DEADLINE_EXCEEDED);
    sql("COMMIT");
    ck_assert_int_eq(RUN(CALL_ON(own), sessions_refresh, &credential, CLIENT_IP, &limits, &refreshed), STATUS_OK);
    ck_assert_int_eq(refreshed.result, SESSION_ROTATED);
    db_destroy(own);
}
END_TEST

START_TEST(a_locked_change_is_one_transaction) {
    struct uuid user = add_user("ada@example.org"), kept = add_session(&user), other = add_session(&user);
    struct password_change wanted = { .user = { user, 1 }, .new_hash = OTHER_HASH, .kept_session = kept };
    struct changed_user changed;
    struct db *own = open_unprepared(1000);
    ck_assert_int_eq(RUN(CALL_ON(own), users_change_password, &wanted, &changed), STATUS_OK);
    ck_assert_int_eq(changed.change, USER_CHANGED);
    ck_assert_uint_eq(changed.revoked.count, 1);
    ck_assert(uuid_equal(&changed.revoked.ids[0], &other));
    db_destroy(own);
}
END_TEST

TCase *store_unprepared_tests(void) {
    TCase *tests = tcase_create("unprepared");
    tcase_add_test(tests, each_transaction_is_set_up_as_a_session_is_otherwise);
    tcase_add_test(tests, nothing_is_left_behind_in_the_session);
    tcase_add_test(tests, a_statement_that_takes_too_long_is_ended_by_the_server);
    tcase_add_test(tests, a_wait_for_a_lock_is_ended_by_the_server);
    tcase_add_test(tests, a_locked_change_is_one_transaction);
    return tests;
}
