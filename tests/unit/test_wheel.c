#include "jwtd/macros.h"

#include "src/http/wheel.h"

#include <check.h>
#include <stdlib.h>

Suite *wheel_suite(void);

#define NOW (1000 * CLOCK_US_PER_S)
#define TURN (WHEEL_SLOTS * WHEEL_SLOT_US)
#define MS INT64_C(1000)

static struct wheel wheel;

static void set_up(void) {
    wheel_init(&wheel, NOW);
}

/* Takes what is due in steps as the thread does, up to the moment at which something is; returns that moment. */
static int64_t run_until_due(int64_t now_us, struct wheel_entry **due) {
    *due = NULL;
    while (*due == NULL) {
        ck_assert_int_lt(wheel_next_us(&wheel), INT64_MAX);
        now_us = now_us < wheel_next_us(&wheel) ? wheel_next_us(&wheel) : now_us;
        *due = wheel_take_due(&wheel, now_us);
    }
    return now_us;
}

/* How long before the entry is added nothing happened, for how long it is to wait, and how long it does at the most. */
static const struct {
    int64_t idle_us, wait_us, at_least_us, at_most_us;
} waits[] = {
    { 0, 1100 * MS, 1100 * MS, 1150 * MS },
    { 0, 1 * MS, 1 * MS, 51 * MS },
    { 0, 50 * MS, 50 * MS, 100 * MS },
    { 0, 0, 0, 50 * MS },
    { 0, -CLOCK_US_PER_S, 0, 50 * MS },
    { 7 * MS, 1100 * MS, 1100 * MS, 1150 * MS },
    { TURN - WHEEL_SLOT_US, 1100 * MS, 1100 * MS, 1150 * MS },
    { TURN, 1100 * MS, 1100 * MS, 1150 * MS },
    { TURN + CLOCK_US_PER_S, 1100 * MS, 1100 * MS, 1150 * MS },
    { 1000 * TURN + 3 * MS, 1100 * MS, 1100 * MS, 1150 * MS },
    { 0, TURN - WHEEL_SLOT_US, TURN - WHEEL_SLOT_US, TURN },
    { 0, 3 * TURN, TURN - WHEEL_SLOT_US, TURN },
};

START_TEST(an_entry_waits_as_long_as_it_should_however_long_the_wheel_was_empty) {
    int64_t now_us = NOW + waits[_i].idle_us;
    struct wheel_entry entry, *due;
    wheel_add(&wheel, &entry, now_us + waits[_i].wait_us, now_us);
    int64_t waited_us = run_until_due(now_us, &due) - now_us;
    ck_assert_ptr_eq(due, &entry);
    ck_assert_ptr_null(due->next);
    ck_assert_uint_eq(wheel.count, 0);
    ck_assert_msg(waited_us >= waits[_i].at_least_us && waited_us <= waits[_i].at_most_us, "%lld us", (long long)waited_us);
}
END_TEST

START_TEST(a_thread_that_comes_late_gets_all_that_was_due_and_no_more) {
    struct wheel_entry entries[4];
    static const int64_t waits_us[] = { 200 * MS, 400 * MS, 5 * CLOCK_US_PER_S, 10 * CLOCK_US_PER_S };
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        wheel_add(&wheel, &entries[i], NOW + waits_us[i], NOW);
    ck_assert_ptr_null(wheel_take_due(&wheel, NOW + 150 * MS));
    size_t count = 0;
    for (const struct wheel_entry *due = wheel_take_due(&wheel, NOW + 6 * CLOCK_US_PER_S); due != NULL; due = due->next)
        count += due != &entries[3];
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(wheel.count, 1);
    ck_assert_ptr_eq(wheel_take_due(&wheel, NOW + 3 * TURN), &entries[3]);
}
END_TEST

START_TEST(all_can_be_taken_at_any_time) {
    struct wheel_entry entries[300];
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        wheel_add(&wheel, &entries[i], NOW + (int64_t)i * 50 * MS, NOW);
    size_t count = 0;
    for (const struct wheel_entry *entry = wheel_take_all(&wheel); entry != NULL; entry = entry->next)
        count++;
    ck_assert_uint_eq(count, ARRAY_LEN(entries));
    ck_assert_uint_eq(wheel.count, 0);
    ck_assert_int_eq(wheel_next_us(&wheel), INT64_MAX);
}
END_TEST

/* Ten thousand entries, each added and taken at some time: none is early, none more than a slot late, none is lost. */
START_TEST(in_any_order_each_entry_is_taken_in_its_slot) {
    static struct timed {
        struct wheel_entry entry;
        int64_t due_us;
    } entries[10000];
    unsigned random = 1;
    int64_t now_us = NOW;
    size_t taken = 0;
    for (size_t added = 0; taken < ARRAY_LEN(entries);) {
        for (int i = rand_r(&random) % 8; i > 0 && added < ARRAY_LEN(entries); i--, added++) {
            entries[added].due_us = now_us + (int64_t)(rand_r(&random) % 12000) * MS;
            wheel_add(&wheel, &entries[added].entry, entries[added].due_us, now_us);
        }
        now_us += (int64_t)(rand_r(&random) % 30) * MS;
        for (struct wheel_entry *due = wheel_take_due(&wheel, now_us); due != NULL; due = due->next, taken++) {
            int64_t late_us = now_us - container_of(due, struct timed, entry)->due_us;
            ck_assert_msg(late_us >= 0 && late_us <= WHEEL_SLOT_US + 30 * MS, "%lld us late", (long long)late_us);
        }
    }
    ck_assert_uint_eq(wheel.count, 0);
}
END_TEST

Suite *wheel_suite(void) {
    Suite *suite = suite_create("wheel");
    TCase *tcase = tcase_create("wheel");
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_loop_test(tcase, an_entry_waits_as_long_as_it_should_however_long_the_wheel_was_empty, 0, (int)ARRAY_LEN(waits));
    tcase_add_test(tcase, a_thread_that_comes_late_gets_all_that_was_due_and_no_more);
    tcase_add_test(tcase, all_can_be_taken_at_any_time);
    tcase_add_test(tcase, in_any_order_each_entry_is_taken_in_its_slot);
    suite_add_tcase(suite, tcase);
    return suite;
}
