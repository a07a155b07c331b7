#include "store_fixture.h"

#include "jwtd/cleanup.h"
#include "jwtd/macros.h"
#include "jwtd/migrations.h"
#include "jwtd/revocations.h"
#include "tests/runner.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include <string.h>

static bool open_session(const struct uuid *session_id, const struct uuid *user_id, int64_t version,
                         struct session_ids *revoked) {
    struct new_session session = { *session_id, *user_id, version, "2001:db8::1", "Mozilla/5.0" };
    struct opened_session opened;
    ck_assert_int_eq(RUN(CALL, sessions_open, &session, &limits, &opened), STATUS_OK);
    if (opened.done)
        ck_assert_int_eq(opened.refresh_expires_in_s, limits.idle_ms / 1000);
    *revoked = opened.revoked;
    return opened.done;
}

START_TEST(a_session_opens_only_for_the_password_that_was_checked) {
    struct uuid user = add_user("ada@example.org"), id = uuid_create(), unknown = uuid_create();
    struct session_ids revoked;
    ck_assert(!open_session(&id, &user, 2, &revoked));
    ck_assert(!open_session(&id, &unknown, 1, &revoked));
    ck_assert(open_session(&id, &user, 1, &revoked));
    ck_assert_uint_eq(revoked.count, 0);
}
END_TEST

START_TEST(the_same_session_opened_again_is_open_and_one) {
    struct uuid user = add_user("ada@example.org"), id = uuid_create();
    struct session_ids revoked;
    ck_assert(open_session(&id, &user, 1, &revoked));
    ck_assert(open_session(&id, &user, 1, &revoked));
    ck_assert_int_eq(live_sessions(&user), 1);
}
END_TEST

START_TEST(the_oldest_session_is_ended_for_the_hundred_and_first) {
    struct uuid user = add_user("ada@example.org"), first = add_session(&user), second = add_session(&user);
    for (int i = 2; i < SESSIONS_PER_USER; i++)
        add_session(&user);
    ck_assert_int_eq(live_sessions(&user), SESSIONS_PER_USER);
    struct uuid next = uuid_create();
    struct session_ids revoked;
    ck_assert(open_session(&next, &user, 1, &revoked));
    ck_assert_uint_eq(revoked.count, 1);
    ck_assert(uuid_equal(&revoked.ids[0], &first));
    ck_assert_int_eq(live_sessions(&user), SESSIONS_PER_USER);
    ck_assert_int_eq(refresh(&first, 1), SESSION_ENDED);
    ck_assert_int_eq(refresh(&second, 1), SESSION_ROTATED);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations WHERE reason = 'limit'"), 1);
}
END_TEST

/* All pages; returns how many there were. */
static unsigned read_pages(int64_t window_s, struct revocation_feed *feed) {
    struct revocations_page_position cursor = revocations_pages_from(window_s);
    bool is_last = false;
    unsigned pages = 0;
    for (; !is_last; pages++)
        ck_assert_int_eq(revocations_read_page(CALL, &cursor, feed, &is_last), STATUS_OK);
    return pages;
}

static void read_late(struct revocations_horizon *horizon, struct revocation_feed *feed) {
    bool is_last = false, is_other_server = false;
    while (!is_last)
        ck_assert_int_eq(revocations_read_late(CALL, horizon, feed, &is_last, &is_other_server), STATUS_OK);
}

/* Its numbers of transactions may be lower than those of the one before. */
START_TEST(the_horizon_begins_anew_at_another_server) {
    struct revoked_sessions *set = revoked_sessions_create(900);
    struct revocation_feed *feed = revocation_feed_create(set, 900);
    struct revocations_horizon horizon = { .id = 0 };
    bool is_last = true, is_other_server = false;
    read_late(&horizon, feed);
    int64_t server = horizon.server;
    ck_assert_int_ne(server, 0);
    horizon.server = server - 1;
    snprintf(horizon.from, sizeof horizon.from, "18446744073709551615");
    ck_assert_int_eq(revocations_read_late(CALL, &horizon, feed, &is_last, &is_other_server), STATUS_OK);
    ck_assert(is_other_server && !is_last);
    ck_assert_str_eq(horizon.from, "");
    ck_assert_int_eq(revocations_read_late(CALL, &horizon, feed, &is_last, &is_other_server), STATUS_OK);
    ck_assert(!is_other_server && is_last);
    ck_assert_int_eq(horizon.server, server);
    revocation_feed_destroy(feed);
    revoked_sessions_destroy(set);
}
END_TEST

/* Its commit waits for a standby, say, until its time lies before every window. */
START_TEST(a_revocation_that_is_committed_late_is_found_by_its_transaction) {
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    struct revoked_sessions *set = revoked_sessions_create(900);
    struct revocation_feed *feed = revocation_feed_create(set, 900);
    struct revocations_horizon horizon = { .id = 0 };
    char text[UUID_TEXT_SIZE], insert[512];
    read_late(&horizon, feed);
    PGconn *writer = PQconnectdb(getenv("JWTD_TEST_SUPERUSER_DATABASE"));
    snprintf(insert, sizeof insert,
             "BEGIN; INSERT INTO revocations (session_id, user_id, reason, revoked_at) VALUES ('%s', gen_random_uuid(), 'logout',"
             " clock_timestamp() - interval '1 minute')",
             uuid_text(&id, text));
    PQclear(PQexec(writer, insert));
    ck_assert_int_eq(PQtransactionStatus(writer), PQTRANS_INTRANS);
    for (int looks = 0; looks < 3; looks++) {
        sql("INSERT INTO revocations (session_id, user_id, reason) SELECT gen_random_uuid(), gen_random_uuid(), 'logout'"
            " FROM generate_series(1, 12000)"); /* more than a page */
        read_late(&horizon, feed);
        ck_assert_uint_eq(revoked_sessions_count(set), 12000 * (size_t)(looks + 1));
        ck_assert(!revoked_sessions_contain(set, &id));
    }
    PQclear(PQexec(writer, "COMMIT"));
    ck_assert_uint_eq(read_pages(20, feed), 4);
    ck_assert(!revoked_sessions_contain(set, &id));
    read_late(&horizon, feed);
    ck_assert(revoked_sessions_contain(set, &id));
    PQfinish(writer);
    revocation_feed_destroy(feed);
    revoked_sessions_destroy(set);
}
END_TEST

START_TEST(reading_revocations_does_not_read_the_whole_table) {
    static const char lookups[] = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'revocations_revoked_at_id'";
    static const char rows_scanned[] = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'revocations'";
    if (test_is_pooled())
        SKIP_TEST("a server process behind the pooler goes on, and reports its counts when it likes");
    struct revoked_sessions *set = revoked_sessions_create(900);
    struct revocation_feed *feed = revocation_feed_create(set, 900);
    sql("INSERT INTO revocations (session_id, user_id, reason, revoked_at) SELECT gen_random_uuid(), gen_random_uuid(), 'logout',"
        " now() - interval '1 hour' FROM generate_series(1, 20000)");
    reopen_and_report_counts();
    int64_t lookups_before = sql_number(lookups), scanned_before = sql_number(rows_scanned);
    ck_assert_uint_eq(read_pages(20, feed), 1);
    ck_assert_uint_eq(revoked_sessions_count(set), 0);
    reopen_and_report_counts();
    ck_assert_int_gt(sql_number(lookups), lookups_before);
    ck_assert_int_lt(sql_number(rows_scanned), scanned_before + 20000);
    revocation_feed_destroy(feed);
    revoked_sessions_destroy(set);
}
END_TEST

static struct session_ids log_out(const struct uuid *id, uint32_t generation, bool everywhere) {
    struct session_credential credential = { *id, generation };
    struct session_ids revoked;
    ck_assert_int_eq(RUN(CALL, sessions_log_out, &credential, &limits, everywhere, &revoked), STATUS_OK);
    return revoked;
}

START_TEST(a_session_that_was_logged_out_is_reported_again) {
    struct uuid user = add_user("ada@example.org"), id = add_session(&user), unknown = uuid_create();
    for (int i = 0; i < 2; i++) {
        struct session_ids revoked = log_out(&id, 1, false);
        ck_assert_uint_eq(revoked.count, 1);
        ck_assert(uuid_equal(&revoked.ids[0], &id));
    }
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations WHERE reason = 'logout'"), 1);
    ck_assert_int_eq(refresh(&id, 1), SESSION_ENDED);
    ck_assert_uint_eq(log_out(&unknown, 1, false).count, 0);
}
END_TEST

/* The credential is no longer valid; the other sessions of its user, and what ended them, stay as they are. */
START_TEST(a_session_that_was_logged_out_ends_no_other) {
    struct uuid user = add_user("ada@example.org"), ended = add_session(&user), live = add_session(&user);
    ck_assert_uint_eq(log_out(&ended, 1, false).count, 1);
    ck_assert_uint_eq(log_out(&ended, 1, true).count, 1); /* itself */
    ck_assert_uint_eq(log_out(&ended, 0, true).count, 1);
    sql("UPDATE sessions SET revoked_at = now() - interval '2 minutes' WHERE id = '%s'", show(&ended));
    ck_assert_uint_eq(log_out(&ended, 1, true).count, 0);
    ck_assert_int_eq(refresh(&live, 1), SESSION_ROTATED);
}
END_TEST

static bool end_session(const struct uuid *id, const struct uuid *user) {
    struct revoked_session revoked;
    ck_assert_int_eq(RUN(CALL, sessions_revoke_of_user, id, user, "ended", &revoked), STATUS_OK);
    return revoked.found;
}

START_TEST(a_user_can_end_only_sessions_of_the_same_user_and_only_once) {
    struct uuid user = add_user("ada@example.org"), other_user = add_user("grace@example.org"), id = add_session(&user);
    ck_assert(!end_session(&id, &other_user));
    ck_assert_int_eq(refresh(&id, 1), SESSION_ROTATED);
    ck_assert(end_session(&id, &user));
    ck_assert_int_eq(refresh(&id, 2), SESSION_ENDED);
    ck_assert(!end_session(&id, &user));
}
END_TEST

START_TEST(an_expired_session_is_ended_like_a_live_one) {
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    sql("UPDATE sessions SET expires_at = now()");
    ck_assert(end_session(&id, &user));
}
END_TEST

START_TEST(all_sessions_of_a_user_end_together_and_nobody_elses) {
    struct uuid user = add_user("ada@example.org"), other_user = add_user("grace@example.org");
    struct uuid ids[] = { add_session(&user), add_session(&user), add_session(&user) }, foreign = add_session(&other_user);
    for (int i = 0; i < 2; i++)
        ck_assert_uint_eq(log_out(&ids[1], 1, true).count, 3);
    ck_assert_int_eq(live_sessions(&user), 0);
    ck_assert_int_eq(refresh(&foreign, 1), SESSION_ROTATED);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations"), 3);
}
END_TEST

START_TEST(only_live_sessions_are_listed_newest_first) {
    struct uuid user = add_user("ada@example.org"), ended = add_session(&user), expired = add_session(&user);
    struct uuid idle = add_session(&user), old = add_session(&user), new = add_session(&user);
    struct session_list list;
    ck_assert_int_eq(refresh(&ended, 1), SESSION_ROTATED);
    sql("UPDATE sessions SET revoked_at = now(), revoke_reason = 'logout' WHERE id = '%s'", show(&ended));
    sql("UPDATE sessions SET expires_at = now() WHERE id = '%s'", show(&expired));
    sql("UPDATE sessions SET last_used_at = now() - interval '8 days' WHERE id = '%s'", show(&idle));
    sql("UPDATE sessions SET ip = NULL, user_agent = NULL WHERE id = '%s'", show(&old));
    ck_assert_int_eq(RUN(CALL, sessions_list, &user, &new, &limits, &list), STATUS_OK);
    ck_assert_uint_eq(list.count, 2);
    ck_assert(uuid_equal(&list.sessions[0].id, &new));
    ck_assert(uuid_equal(&list.sessions[1].id, &old));
    ck_assert_str_eq(list.sessions[0].ip.bytes, "192.0.2.1");
    ck_assert_str_eq(list.sessions[0].user_agent.bytes, "a test");
    ck_assert_int_eq(list.sessions[0].created_at.bytes[list.sessions[0].created_at.len - 1], 'Z');
    ck_assert_ptr_null(list.sessions[1].ip.bytes);
    ck_assert_ptr_null(list.sessions[1].user_agent.bytes);
}
END_TEST

/* So that a thief of its access token cannot see when its owner refreshes; not by its expiry either. */
START_TEST(the_session_that_asks_shows_its_last_use_to_the_hour) {
    struct uuid user = add_user("ada@example.org"), other = add_session(&user), current = add_session(&user);
    struct session_list list;
    sql("UPDATE sessions SET last_used_at = date_trunc('hour', now()) - interval '1 hour' + interval '12 minutes 34 seconds'");
    ck_assert_int_eq(RUN(CALL, sessions_list, &user, &current, &limits, &list), STATUS_OK);
    ck_assert_uint_eq(list.count, 2);
    ck_assert(uuid_equal(&list.sessions[1].id, &other));
    ck_assert_str_eq(list.sessions[0].last_used_at.bytes + strlen("2026-11-20T21:"), "00:00Z");
    ck_assert_str_eq(list.sessions[0].expires_at.bytes + strlen("2026-11-20T21:"), "00:00Z");
    ck_assert_str_eq(list.sessions[1].last_used_at.bytes + strlen("2026-11-20T21:"), "12:34Z");
}
END_TEST

/* Whether nothing more is to be deleted. */
static bool clean_up(unsigned batch, int64_t deadline_us) {
    struct cleanup_rules rules = { &limits, 900000, batch };
    struct db_call call = { .db = db, .deadline_us = deadline_us };
    bool is_complete = false;
    ck_assert_int_eq(cleanup_run(&call, &rules, &is_complete), STATUS_OK);
    return is_complete;
}

static const unsigned batches[] = { 1, 2, 100 };

#define LAST_USED(ago)                                                                                                           \
    "last_used_at = now() - interval '" ago "', last_used_day = ((now() - interval '" ago "') AT TIME ZONE 'UTC')::date"

START_TEST(the_dead_go_after_a_day_and_the_living_stay_whatever_the_batch) {
    static const struct {
        const char *happened;
        bool goes;
    } cases[] = {
        { "revoked_at = now() - interval '25 hours', revoke_reason = 'logout'", true },
        { "revoked_at = now() - interval '23 hours', revoke_reason = 'logout'", false },
        { "expires_at = now() - interval '25 hours', " LAST_USED("8 days"), true },
        { "expires_at = now() - interval '23 hours'", false },
        { LAST_USED("8 days 1 hour"), true },
        { LAST_USED("7 days 23 hours"), false },
        { "last_used_day = current_date - 30", false }, /* by a statement of a version that did not write it */
        { "last_used_at = now()", false },
    };
    struct uuid user = add_user("ada@example.org");
    int64_t staying = 0;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct uuid id = add_session(&user);
        sql("UPDATE sessions SET %s, user_agent = '%s' WHERE id = '%s'", cases[i].happened, cases[i].goes ? "goes" : "stays",
            show(&id));
        staying += cases[i].goes ? 0 : 1;
    }
    ck_assert(clean_up(batches[_i], soon()));
    ck_assert_int_eq(sql_number("SELECT count(*) FROM sessions WHERE user_agent = 'goes'"), 0);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM sessions"), staying);
}
END_TEST

START_TEST(a_revocation_outlives_every_access_token_and_goes_a_day_later) {
    sql("INSERT INTO revocations (session_id, user_id, reason, revoked_at) SELECT gen_random_uuid(), gen_random_uuid(), 'logout',"
        " now() - age FROM unnest(ARRAY[interval '1 minute', '24 hours', '24 hours 20 minutes', '3 days']) AS age");
    ck_assert(clean_up(100, soon()));
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations"), 2);
}
END_TEST

static void add_old_revocations(unsigned count) {
    sql("INSERT INTO revocations (session_id, user_id, reason, revoked_at) SELECT gen_random_uuid(), gen_random_uuid(), 'logout',"
        " now() - interval '3 days' FROM generate_series(1, %u)",
        count);
}

START_TEST(one_round_of_cleaning_up_takes_batch_after_batch) {
    add_old_revocations(20000);
    ck_assert(clean_up(500, clock_monotonic_us() + 15 * CLOCK_US_PER_S));
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations"), 0);
}
END_TEST

/* The connection survives, and no table waits until another has no more. */
START_TEST(a_round_that_ends_by_its_time_has_served_every_table) {
    struct uuid user = add_user("ada@example.org");
    add_old_revocations(20000);
    sql("INSERT INTO known_addresses (user_id, network, last_login_day) SELECT '%s', '192.0.2.1', current_date - 91",
        show(&user));
    ck_assert(!clean_up(1, clock_monotonic_us() + CLOCK_US_PER_S));
    ck_assert_int_eq(sql_number("SELECT count(*) FROM known_addresses"), 0);
    ck_assert_int_lt(sql_number("SELECT count(*) FROM revocations"), 20000);
    ck_assert_int_gt(sql_number("SELECT count(*) FROM revocations"), 0);
    ck_assert_int_eq(ping(db, soon()), STATUS_OK);
    sql("DELETE FROM revocations");
}
END_TEST

START_TEST(an_instance_learns_what_was_revoked_within_the_window) {
    struct uuid user = add_user("ada@example.org"), fresh = add_session(&user), old = add_session(&user),
                live = add_session(&user);
    struct revoked_sessions *set = revoked_sessions_create(900);
    struct revocation_feed *feed = revocation_feed_create(set, 900);
    log_out(&fresh, 1, false);
    log_out(&old, 1, false);
    sql("UPDATE revocations SET revoked_at = now() - interval '61 s' WHERE session_id = '%s'", show(&old));
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(read_pages(60, feed), 1);
        ck_assert(revoked_sessions_contain(set, &fresh));
        ck_assert(!revoked_sessions_contain(set, &old));
        ck_assert(!revoked_sessions_contain(set, &live));
    }
    revocation_feed_destroy(feed);
    revoked_sessions_destroy(set);
}
END_TEST

#define MANY (2 * REVOCATIONS_PAGE + 5)

static const struct {
    const char *moment; /* of the i-th */
    unsigned pages;
    size_t count;
} page_cases[] = {
    { "now() - i * interval '1 ms'", 3, MANY },
    { "now()", 3, MANY }, /* as when an operator ends all sessions in one statement */
    { "now() - (i % 2) * interval '1 hour'", 2, MANY / 2 },
};

START_TEST(many_revocations_are_read_in_pages_each_of_them_once) {
    struct revoked_sessions *set = revoked_sessions_create(900);
    struct revocation_feed *feed = revocation_feed_create(set, 900);
    sql("INSERT INTO revocations (session_id, user_id, reason, revoked_at) SELECT gen_random_uuid(), gen_random_uuid(), 'logout',"
        " %s FROM generate_series(1, %d) AS i",
        page_cases[_i].moment, MANY);
    ck_assert_uint_eq(read_pages(900, feed), page_cases[_i].pages);
    ck_assert_uint_eq(revoked_sessions_count(set), page_cases[_i].count);
    sql("DELETE FROM revocations");
    revocation_feed_destroy(feed);
    revoked_sessions_destroy(set);
}
END_TEST

START_TEST(a_page_that_could_not_be_read_is_read_again) {
    struct revoked_sessions *set = revoked_sessions_create(900);
    struct revocation_feed *feed = revocation_feed_create(set, 900);
    struct revocations_page_position cursor = revocations_pages_from(900);
    bool is_last = true;
    struct db_call late = { .db = db, .deadline_us = clock_monotonic_us() };
    sql("INSERT INTO revocations (session_id, user_id, reason) SELECT gen_random_uuid(), gen_random_uuid(), 'logout'"
        " FROM generate_series(1, %d)",
        MANY);
    ck_assert_int_eq(revocations_read_page(CALL, &cursor, feed, &is_last), STATUS_OK);
    ck_assert(!is_last);
    ck_assert_int_eq(revocations_read_page(&late, &cursor, feed, &is_last), STATUS_DEADLINE_EXCEEDED);
    for (is_last = false; !is_last;)
        ck_assert_int_eq(revocations_read_page(CALL, &cursor, feed, &is_last), STATUS_OK);
    ck_assert_uint_eq(revoked_sessions_count(set), MANY);
    sql("DELETE FROM revocations");
    revocation_feed_destroy(feed);
    revoked_sessions_destroy(set);
}
END_TEST

START_TEST(the_service_sees_that_the_schema_is_its_own) {
    struct schema schema;
    ck_assert_int_eq(RUN(CALL, migrations_check, &schema), STATUS_OK);
    ck_assert_int_eq(schema.state, SCHEMA_CURRENT);
}
END_TEST

TCase *store_sessions_tests(void) {
    TCase *tests = tcase_create("sessions");
    tcase_add_test(tests, a_session_opens_only_for_the_password_that_was_checked);
    tcase_add_test(tests, the_same_session_opened_again_is_open_and_one);
    tcase_add_test(tests, the_oldest_session_is_ended_for_the_hundred_and_first);
    tcase_add_test(tests, the_horizon_begins_anew_at_another_server);
    tcase_add_test(tests, a_revocation_that_is_committed_late_is_found_by_its_transaction);
    tcase_add_test(tests, reading_revocations_does_not_read_the_whole_table);
    tcase_add_test(tests, a_session_that_was_logged_out_is_reported_again);
    tcase_add_test(tests, a_session_that_was_logged_out_ends_no_other);
    tcase_add_test(tests, the_session_that_asks_shows_its_last_use_to_the_hour);
    tcase_add_test(tests, a_user_can_end_only_sessions_of_the_same_user_and_only_once);
    tcase_add_test(tests, an_expired_session_is_ended_like_a_live_one);
    tcase_add_test(tests, all_sessions_of_a_user_end_together_and_nobody_elses);
    tcase_add_test(tests, only_live_sessions_are_listed_newest_first);
    tcase_add_loop_test(tests, the_dead_go_after_a_day_and_the_living_stay_whatever_the_batch, 0, (int)ARRAY_LEN(batches));
    tcase_add_test(tests, one_round_of_cleaning_up_takes_batch_after_batch);
    tcase_add_test(tests, a_round_that_ends_by_its_time_has_served_every_table);
    tcase_add_test(tests, a_revocation_outlives_every_access_token_and_goes_a_day_later);
    tcase_add_test(tests, an_instance_learns_what_was_revoked_within_the_window);
    tcase_add_loop_test(tests, many_revocations_are_read_in_pages_each_of_them_once, 0, (int)ARRAY_LEN(page_cases));
    tcase_add_test(tests, a_page_that_could_not_be_read_is_read_again);
    tcase_add_test(tests, the_service_sees_that_the_schema_is_its_own);
    return tests;
}
