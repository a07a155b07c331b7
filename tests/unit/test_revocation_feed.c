#include "jwtd/revocation_feed.h"

#include "jwtd/macros.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

Suite *revocation_feed_suite(void);

#define TTL INT64_C(900)
#define KEPT_S (TTL + REVOKED_SESSIONS_MARGIN_S)
#define NOW INT64_C(1800000000)
#define MANY 20000u

static struct revoked_sessions *set;
static struct revocation_feed *feed;
static const struct uuid database = { { 7 } }, other_database = { { 8 } };

static void set_up(void) {
    set = revoked_sessions_create(TTL);
    feed = revocation_feed_create(set, TTL);
    ck_assert_ptr_nonnull(feed);
}

static void tear_down(void) {
    revocation_feed_destroy(feed);
    revoked_sessions_destroy(set);
}

static struct uuid id_of(uint32_t number) {
    struct uuid id = { .bytes = { 1 } };
    memcpy(&id.bytes[12], &number, sizeof number);
    return id;
}

static void add_with(uint32_t number, uint64_t transaction, const char *reason, int64_t revoked_at_s, int64_t now_s) {
    struct feed_revocation revocation = { .session_id = id_of(number),
                                          .user_id = id_of(number + 1),
                                          .reason = text_of(reason),
                                          .transaction = transaction,
                                          .revoked_at_s = revoked_at_s,
                                          .read_at_s = NOW };
    ck_assert_int_eq(revocation_feed_add(feed, &revocation, now_s), STATUS_OK);
}

static void add(uint32_t number, int64_t now_s) {
    add_with(number, number + 100, "logout", now_s, now_s);
}

static bool is_of(const struct revocation_entry *entry, uint32_t number) {
    struct uuid id = id_of(number);
    return uuid_equal(&entry->session_id, &id);
}

START_TEST(a_follower_reads_what_was_added_in_its_order) {
    struct revocation_entry entries[8];
    uint64_t position = 0;
    ck_assert_uint_eq(revocation_feed_read(feed, &position, NULL, entries, ARRAY_LEN(entries)), 0);
    for (uint32_t i = 0; i < 10; i++)
        add(i, NOW);
    ck_assert_uint_eq(revocation_feed_read(feed, &position, NULL, entries, ARRAY_LEN(entries)), 8);
    ck_assert(is_of(&entries[0], 0) && is_of(&entries[7], 7));
    ck_assert_str_eq(entries[0].reason, "logout");
    ck_assert_int_eq(entries[0].revoked_at_s, NOW);
    ck_assert_int_eq(entries[0].until_s, NOW + KEPT_S);
    ck_assert_uint_eq(revocation_feed_read(feed, &position, NULL, entries, ARRAY_LEN(entries)), 2);
    ck_assert(is_of(&entries[0], 8) && is_of(&entries[1], 9));
    ck_assert_uint_eq(position, revocation_feed_end(feed));
}
END_TEST

START_TEST(a_session_that_is_read_again_is_there_once) {
    struct revocation_entry entries[8];
    uint64_t position = 0;
    for (int again = 0; again < 3; again++)
        for (uint32_t i = 0; i < 4; i++)
            add(i, NOW + again);
    ck_assert_uint_eq(revocation_feed_read(feed, &position, NULL, entries, ARRAY_LEN(entries)), 4);
}
END_TEST

START_TEST(a_session_is_in_the_set_as_well) {
    struct uuid id = id_of(1);
    add(1, NOW);
    ck_assert(revoked_sessions_contain(set, &id));
}
END_TEST

START_TEST(many_are_kept_until_their_tokens_have_died_and_then_none) {
    struct revocation_entry entry;
    uint64_t position = 0;
    for (int again = 0; again < 2; again++)
        for (uint32_t i = 0; i < MANY; i++)
            add(i, NOW + i / 200);
    for (uint32_t i = 0; i < MANY; i++)
        ck_assert(revocation_feed_read(feed, &position, NULL, &entry, 1) == 1 && is_of(&entry, i));
    revocation_feed_announce(feed, false, NOW + KEPT_S + 50);
    position = 0;
    ck_assert_uint_eq(revocation_feed_read(feed, &position, NULL, &entry, 1), 1);
    ck_assert(is_of(&entry, 10200));
    for (int64_t s = 0; s < 100; s++)
        revocation_feed_announce(feed, false, NOW + KEPT_S + s);
    position = 0;
    ck_assert_uint_eq(revocation_feed_read(feed, &position, NULL, &entry, 1), 0);
    ck_assert_uint_eq(position, revocation_feed_end(feed));
    add(5, NOW + 2 * KEPT_S);
    ck_assert_uint_eq(revocation_feed_read(feed, &position, NULL, &entry, 1), 1);
    ck_assert(is_of(&entry, 5));
}
END_TEST

/* What followers are told is by the wall clock; that may have been set since. */
START_TEST(until_is_said_by_another_clock_than_the_one_that_decides) {
    struct revocation_entry entry;
    uint64_t position = 0;
    add(1, 5000);
    revocation_feed_announce(feed, false, 5000 + KEPT_S - 1);
    ck_assert_uint_eq(revocation_feed_read(feed, &position, NULL, &entry, 1), 1);
    ck_assert_int_eq(entry.until_s, NOW + KEPT_S);
    revocation_feed_announce(feed, false, 5000 + KEPT_S);
    position = 0;
    ck_assert_uint_eq(revocation_feed_read(feed, &position, NULL, &entry, 1), 0);
}
END_TEST

static const struct {
    const char *given, *kept;
} reasons[] = {
    { "logout", "logout" },
    { "a \"quoted\\ one\n\x7f\xff", "a__quoted__one___" },
    { "", "" },
};

START_TEST(a_reason_needs_no_escaping) {
    struct revocation_entry entry;
    uint64_t position = 0;
    add_with(1, 1, reasons[_i].given, NOW, NOW);
    ck_assert_uint_eq(revocation_feed_read(feed, &position, NULL, &entry, 1), 1);
    ck_assert_str_eq(entry.reason, reasons[_i].kept);
}
END_TEST

START_TEST(a_thousand_different_reasons_take_no_more_memory) {
    struct revocation_entry entry;
    char reason[100];
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(reason, sizeof reason, "reason_%u_%060u", i, i);
        add_with(i, 1, reason, NOW, NOW);
    }
    uint64_t position = 1000;
    ck_assert_uint_eq(revocation_feed_read(feed, &position, NULL, &entry, 1), 1);
    ck_assert_str_eq(entry.reason, "other");
}
END_TEST

static bool has_news(void) {
    struct pollfd changed = { .fd = revocation_feed_changed_fd(feed), .events = POLLIN };
    eventfd_t count;
    return poll(&changed, 1, 0) == 1 && eventfd_read(changed.fd, &count) == 0;
}

START_TEST(news_are_announced_once_and_only_to_followers) {
    add(1, NOW);
    revocation_feed_announce(feed, false, NOW);
    ck_assert(!has_news());
    revocation_feed_add_followers(feed, 1);
    revocation_feed_announce(feed, false, NOW);
    ck_assert(!has_news());
    add(2, NOW);
    add(3, NOW);
    ck_assert(!has_news());
    revocation_feed_announce(feed, false, NOW);
    ck_assert(has_news());
    revocation_feed_announce(feed, false, NOW);
    ck_assert(!has_news());
    revocation_feed_announce(feed, true, NOW);
    ck_assert(has_news());
    revocation_feed_add_followers(feed, -1);
}
END_TEST

static void count_wake(void *context) {
    ++*(unsigned *)context;
}

START_TEST(a_reading_is_asked_for_only_while_there_are_followers) {
    unsigned wakes = 0;
    revocation_feed_set_waker(feed, count_wake, &wakes);
    revocation_feed_wake_reader(feed);
    ck_assert_uint_eq(wakes, 0);
    revocation_feed_add_followers(feed, 1);
    ck_assert_uint_eq(wakes, 1); /* what there is must not wait for the next regular reading */
    revocation_feed_wake_reader(feed);
    ck_assert_uint_eq(wakes, 2);
    revocation_feed_add_followers(feed, -1);
}
END_TEST

/* ---- cursors ---- */

static void publish(uint64_t transaction, int64_t read_at_s) {
    revocation_feed_publish(feed, &(struct revocation_cursor){ database, transaction, read_at_s });
}

START_TEST(a_cursor_moves_only_when_all_that_it_speaks_of_was_read) {
    struct revocation_cursor cursor = { .transaction = 1 };
    struct revocation_entry entries[8];
    uint64_t position = 0;
    revocation_feed_advance(feed, revocation_feed_end(feed), &cursor);
    ck_assert_uint_eq(cursor.transaction, 1); /* none was published */
    for (uint32_t i = 0; i < 4; i++)
        add(i, NOW);
    publish(200, NOW);
    add(4, NOW);
    revocation_feed_read(feed, &position, NULL, entries, 3);
    revocation_feed_advance(feed, position, &cursor);
    ck_assert_uint_eq(cursor.transaction, 1);
    revocation_feed_read(feed, &position, NULL, entries, 1);
    revocation_feed_advance(feed, position, &cursor);
    ck_assert_uint_eq(cursor.transaction, 200);
    ck_assert(uuid_equal(&cursor.database, &database));
}
END_TEST

/* The cursor: everything is known of transactions before 1000, and of what was revoked before NOW. */
static const struct {
    const char *what;
    uint64_t transaction;
    int64_t revoked_at_s;
    bool is_sent;
} resumed[] = {
    { "known", 999, NOW - 60, false },
    { "was running at the reading", 1000, NOW - 60, true },
    { "began after the reading", 1001, NOW + 1, true },
    { "waited for its commit for an hour", 1000, NOW - 3600, true },
    { "after a failover, where numbers are lower", 500, NOW + 1, true },
    { "after a failover to a clock that is behind", 500, NOW - REVOCATION_FEED_OVERLAP_S, true },
    { "from before transactions were kept", 0, NOW - 60, true },
};

START_TEST(a_follower_that_comes_back_is_sent_what_it_may_have_missed) {
    struct revocation_cursor cursor = { database, 1000, NOW };
    struct revocation_entry entries[2];
    uint64_t position = 0;
    add_with(1, 999, "logout", NOW - 60, NOW);
    add_with(2, resumed[_i].transaction, "logout", resumed[_i].revoked_at_s, NOW);
    add_with(3, 999, "logout", NOW - 60, NOW);
    size_t count = revocation_feed_read(feed, &position, &cursor, entries, ARRAY_LEN(entries));
    ck_assert_msg(count == (resumed[_i].is_sent ? 1 : 0), "%s", resumed[_i].what);
    ck_assert(count == 0 || is_of(&entries[0], 2));
    ck_assert_uint_eq(position, revocation_feed_end(feed));
}
END_TEST

START_TEST(a_cursor_is_known_in_its_own_database_only_and_not_before_its_time) {
    struct revocation_cursor own = { database, 1000, NOW }, other = { other_database, 1000, NOW },
                             future = { database, 1000, NOW + 3600 };
    ck_assert(!revocation_feed_knows(feed, &own)); /* nothing was published */
    publish(900, NOW);
    ck_assert(revocation_feed_knows(feed, &own));
    ck_assert(!revocation_feed_knows(feed, &other));
    ck_assert(!revocation_feed_knows(feed, &future));
}
END_TEST

START_TEST(the_text_of_a_cursor_is_read_back) {
    struct revocation_cursor cursor = { database, UINT64_MAX, NOW }, read = { .transaction = 0 };
    char text[REVOCATION_CURSOR_SIZE];
    ck_assert(revocation_cursor_parse(text_of(revocation_cursor_text(&cursor, text)), &read));
    ck_assert_mem_eq(&read, &cursor, sizeof read);
}
END_TEST

#define DATABASE "07000000-0000-0000-0000-000000000000"

static const char *const bad_cursors[] = {
    "",
    "0",
    "-1",
    DATABASE,
    DATABASE ".",
    DATABASE "..",
    DATABASE ".1",
    DATABASE ".1.",
    DATABASE "..1",
    DATABASE ".1.1.",
    DATABASE ".1.1 ",
    DATABASE ".-1.1",
    DATABASE ".1.-1",
    DATABASE ".0x1.1",
    DATABASE ".18446744073709551616.1",
    DATABASE ".1.18446744073709551615",
    DATABASE "-1.1",
    "07000000-0000-0000-0000-00000000000g.1.1",
    DATABASE ".00000000000000000000000000000000000000000000000000000000000000000000000001.1",
};

START_TEST(anything_else_is_no_cursor) {
    struct revocation_cursor cursor;
    ck_assert_msg(!revocation_cursor_parse(text_of(bad_cursors[_i]), &cursor), "%s", bad_cursors[_i]);
}
END_TEST

START_TEST(a_cursor_without_bytes_is_none) {
    struct revocation_cursor cursor;
    ck_assert(!revocation_cursor_parse((struct text){ NULL, 0 }, &cursor));
    ck_assert(!revocation_cursor_parse((struct text){ DATABASE "\0.1.1", sizeof DATABASE + 4 }, &cursor));
}
END_TEST

Suite *revocation_feed_suite(void) {
    Suite *suite = suite_create("revocation_feed");
    TCase *tcase = tcase_create("revocation_feed");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_follower_reads_what_was_added_in_its_order);
    tcase_add_test(tcase, a_session_that_is_read_again_is_there_once);
    tcase_add_test(tcase, a_session_is_in_the_set_as_well);
    tcase_add_test(tcase, many_are_kept_until_their_tokens_have_died_and_then_none);
    tcase_add_test(tcase, until_is_said_by_another_clock_than_the_one_that_decides);
    tcase_add_loop_test(tcase, a_reason_needs_no_escaping, 0, (int)ARRAY_LEN(reasons));
    tcase_add_test(tcase, a_thousand_different_reasons_take_no_more_memory);
    tcase_add_test(tcase, news_are_announced_once_and_only_to_followers);
    tcase_add_test(tcase, a_reading_is_asked_for_only_while_there_are_followers);
    tcase_add_test(tcase, a_cursor_moves_only_when_all_that_it_speaks_of_was_read);
    tcase_add_loop_test(tcase, a_follower_that_comes_back_is_sent_what_it_may_have_missed, 0, (int)ARRAY_LEN(resumed));
    tcase_add_test(tcase, a_cursor_is_known_in_its_own_database_only_and_not_before_its_time);
    tcase_add_test(tcase, the_text_of_a_cursor_is_read_back);
    tcase_add_loop_test(tcase, anything_else_is_no_cursor, 0, (int)ARRAY_LEN(bad_cursors));
    tcase_add_test(tcase, a_cursor_without_bytes_is_none);
    suite_add_tcase(suite, tcase);
    return suite;
}
