/* What the feed of revocations says, and from when on it counts. Times are arguments. */
#include "jwtd/clock.h"
#include "jwtd/keyring.h"
#include "jwtd/macros.h"
#include "src/verify/feed.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *feed_suite(void);

#define LIFE_S 900
#define SID "0193f1a0-0000-7000-8000-000000000001"
#define REVOKED(until)                                                                                                           \
    "event: session-revoked\nid: c1\ndata: {\"sub_id\":{\"format\":\"complex\",\"session\":{\"format\":\"opaque\",\"id\":\"" SID \
    "\"},\"user\":{\"format\":\"opaque\",\"id\":\"" SID                                                                          \
    "\"}},\"event_timestamp\":1800000000,\"reason\":\"logout\",\"until\":" until "}\n\n"
#define COMPLETE "event: snapshot-complete\nid: c2\ndata: {\"sessions\":1,\"resumed\":false}\n\n"

static struct feed *feed;
static char revoked_key[KID_MAX_LEN + 1];

static void on_key_revoked(void *context, struct text kid) {
    (void)context;
    snprintf(revoked_key, sizeof revoked_key, "%.*s", (int)kid.len, kid.bytes);
}

static void set_up(void) {
    const struct feed_options options = { LIFE_S, 5, on_key_revoked, NULL };
    feed = feed_create(&options);
    ck_assert_ptr_nonnull(feed);
    feed_begin_connection(feed);
}

static void tear_down(void) {
    feed_destroy(feed);
}

static bool take_at(const char *stream, int64_t second) {
    return feed_take(feed, text_of(stream), second * CLOCK_US_PER_S);
}

static int64_t stale_s_at(int64_t second) {
    int64_t us = feed_stale_us(feed, second * CLOCK_US_PER_S);
    return us == INT64_MAX ? INT64_MAX : us / CLOCK_US_PER_S;
}

static bool is_revoked(void) {
    struct uuid id;
    ck_assert(uuid_parse(SID, UUID_TEXT_LEN, &id));
    return feed_has_revoked(feed, &id);
}

START_TEST(a_session_is_revoked_as_soon_as_its_event_has_come) {
    ck_assert(!is_revoked());
    ck_assert(take_at(REVOKED("1800000940"), 0));
    ck_assert(is_revoked());
}
END_TEST

/* This machine's clock may be hours ahead, and be set right later. */
START_TEST(a_session_is_kept_whatever_the_wall_clock_says) {
    ck_assert(take_at(REVOKED("1800000001"), 0));
    ck_assert(is_revoked());
}
END_TEST

START_TEST(an_end_that_is_missing_no_time_or_far_away_revokes_all_the_same) {
    static const char *const untils[] = { "9223372036854775807", "253402300799", "null", "\"x\"", "1e300" };
    for (size_t i = 0; i < ARRAY_LEN(untils); i++) {
        char stream[1024];
        tear_down();
        set_up();
        snprintf(stream, sizeof stream, REVOKED("%s"), untils[i]);
        ck_assert(take_at(stream, 0));
        ck_assert(is_revoked());
    }
}
END_TEST

START_TEST(nothing_is_complete_before_the_snapshot_is) {
    ck_assert_int_eq(stale_s_at(0), INT64_MAX);
    ck_assert(take_at(": stale-for 0\nid: c\n\n", 1));
    ck_assert(take_at(REVOKED("1800000940"), 2));
    ck_assert_int_eq(stale_s_at(3), INT64_MAX);
    ck_assert(take_at(COMPLETE, 3));
    ck_assert(take_at(": stale-for 0\nid: c\n\n", 4));
    ck_assert_int_eq(stale_s_at(4), 0);
    ck_assert_int_eq(stale_s_at(11), 7);
}
END_TEST

START_TEST(what_the_service_does_not_know_itself_counts_as_stale) {
    ck_assert(take_at(COMPLETE ": stale-for 40\n\n", 100));
    ck_assert_int_eq(stale_s_at(100), 40);
    ck_assert_int_eq(stale_s_at(101), 41);
    ck_assert(take_at(": stale-for 1\n\n", 110));
    ck_assert_int_eq(stale_s_at(110), 1);
}
END_TEST

START_TEST(knowledge_ages_over_a_new_connection_until_it_has_been_through_what_was_missed) {
    ck_assert(take_at(COMPLETE ": stale-for 0\n\n", 100));
    feed_begin_connection(feed);
    ck_assert(!feed_is_followed(feed));
    ck_assert(take_at(": stale-for 0\n\n", 110));
    ck_assert_int_eq(stale_s_at(110), 10);
    ck_assert(take_at(COMPLETE ": stale-for 0\n\n", 111));
    ck_assert_int_eq(stale_s_at(111), 0);
}
END_TEST

START_TEST(an_instance_that_knows_less_makes_nothing_older) {
    ck_assert(take_at(COMPLETE ": stale-for 0\n\n", 100));
    feed_begin_connection(feed);
    ck_assert(take_at(COMPLETE ": stale-for 50\n\n", 101));
    ck_assert_int_eq(stale_s_at(101), 1);
}
END_TEST

static const char *const unreadable_ages[] = { ": stale-for\n\n",
                                               ": stale-for -1\n\n",
                                               ": stale-for x\n\n",
                                               ": stale-for 1 \n\n",
                                               ": stale-for 99999999999\n\n",
                                               ": stale\n\n",
                                               ":\n\n",
                                               "data: x\n\n" };

START_TEST(an_age_that_cannot_be_read_refreshes_nothing) {
    ck_assert(take_at(COMPLETE ": stale-for 0\n\n", 100));
    ck_assert(take_at(unreadable_ages[_i], 110));
    ck_assert_int_eq(stale_s_at(110), 10);
}
END_TEST

static const char *const unreadable_events[] = {
    "event: session-revoked\ndata: {}\n\n",
    "event: session-revoked\ndata: []\n\n",
    "event: session-revoked\ndata: x\n\n",
    "event: session-revoked\ndata: {\"sub_id\":{\"session\":{\"id\":\"1\"}}}\n\n",
    "event: session-revoked\ndata: {\"sub_id\":{\"session\":{\"id\":7}}}\n\n",
    "event: session-revoked\ndata: {\"sub_id\":{\"user\":{\"id\":\"0193f1a0-0000-7000-8000-000000000001\"}}}\n\n",
    "event: key-revoked\ndata: {}\n\n",
    "event: key-revoked\ndata: {\"kid\":\"\"}\n\n",
    "event: key-revoked\ndata: {\"kid\":\"../k1\"}\n\n",
    "event: snapshot-complete\ndata: x\n\n",
    "event: session-revoked\ndata: [[[[[[[[[[1]]]]]]]]]]\n\n",
};

START_TEST(a_known_event_that_cannot_be_read_ends_the_connection) {
    ck_assert(take_at("id: before\ndata: x\n\n", 0));
    ck_assert(!take_at(unreadable_events[_i], 1));
    ck_assert_str_ne(feed_reason(feed), "");
    ck_assert_str_eq(feed_last_event_id(feed), "before");
    ck_assert_int_eq(stale_s_at(1), INT64_MAX);
}
END_TEST

START_TEST(an_event_of_another_name_is_ignored) {
    ck_assert(take_at("event: credential-change\nid: 5\ndata: whatever\n\n", 0));
    ck_assert_str_eq(feed_last_event_id(feed), "5");
}
END_TEST

START_TEST(a_revoked_key_is_handed_on) {
    ck_assert(take_at("event: key-revoked\nid: 5\ndata: {\"kid\":\"20261121T2350Z-1a2b\",\"event_timestamp\":1}\n\n", 0));
    ck_assert_str_eq(revoked_key, "20261121T2350Z-1a2b");
}
END_TEST

START_TEST(a_hundred_thousand_sessions_are_kept) {
    char stream[1024];
    for (int i = 0; i < 100000; i++) {
        snprintf(
            stream, sizeof stream,
            "event: session-revoked\nid: %d\ndata: {\"sub_id\":{\"session\":{\"id\":\"0193f1a0-0000-7000-8000-%012x\"}}}\n\n", i,
            i);
        ck_assert(take_at(stream, 0));
    }
    ck_assert(is_revoked());
    ck_assert_str_eq(feed_last_event_id(feed), "99999");
}
END_TEST

Suite *feed_suite(void) {
    Suite *suite = suite_create("feed");
    TCase *tests = tcase_create("feed");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, a_session_is_revoked_as_soon_as_its_event_has_come);
    tcase_add_test(tests, a_session_is_kept_whatever_the_wall_clock_says);
    tcase_add_test(tests, an_end_that_is_missing_no_time_or_far_away_revokes_all_the_same);
    tcase_add_test(tests, nothing_is_complete_before_the_snapshot_is);
    tcase_add_test(tests, what_the_service_does_not_know_itself_counts_as_stale);
    tcase_add_test(tests, knowledge_ages_over_a_new_connection_until_it_has_been_through_what_was_missed);
    tcase_add_test(tests, an_instance_that_knows_less_makes_nothing_older);
    tcase_add_loop_test(tests, an_age_that_cannot_be_read_refreshes_nothing, 0, (int)ARRAY_LEN(unreadable_ages));
    tcase_add_loop_test(tests, a_known_event_that_cannot_be_read_ends_the_connection, 0, (int)ARRAY_LEN(unreadable_events));
    tcase_add_test(tests, an_event_of_another_name_is_ignored);
    tcase_add_test(tests, a_revoked_key_is_handed_on);
    tcase_add_test(tests, a_hundred_thousand_sessions_are_kept);
    suite_add_tcase(suite, tests);
    return suite;
}
