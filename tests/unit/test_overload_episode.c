#include "jwtd/overload_episode.h"

#include <check.h>

Suite *overload_episode_suite(void);

#define START_US INT64_C(1000000000)

START_TEST(an_episode_begins_once_and_ends_once_after_a_quiet_period) {
    struct overload_episode episode = { .since_us = 0 };
    int64_t lasted_us;
    ck_assert(!overload_episode_has_ended(&episode, START_US, &lasted_us));
    ck_assert(overload_episode_note(&episode, START_US));
    ck_assert(!overload_episode_note(&episode, START_US + 1));
    ck_assert(!overload_episode_note(&episode, START_US + QUIET_PERIOD_US - 1));
    int64_t end_us = START_US + 2 * QUIET_PERIOD_US - 1;
    ck_assert_int_eq(overload_episode_ends_us(&episode), end_us);
    ck_assert(!overload_episode_has_ended(&episode, end_us - 1, &lasted_us));
    ck_assert(overload_episode_has_ended(&episode, end_us, &lasted_us));
    ck_assert_int_eq(lasted_us, QUIET_PERIOD_US - 1);
    ck_assert(!overload_episode_has_ended(&episode, end_us + 1, &lasted_us));
    ck_assert_int_eq(overload_episode_ends_us(&episode), INT64_MAX);
    ck_assert(overload_episode_note(&episode, end_us + 2));
}
END_TEST

START_TEST(at_the_end_of_the_program_every_episode_ends) {
    struct overload_episode episode = { .since_us = 0 };
    int64_t lasted_us;
    ck_assert(!overload_episode_has_ended(&episode, INT64_MAX, &lasted_us));
    overload_episode_note(&episode, START_US);
    ck_assert(overload_episode_has_ended(&episode, INT64_MAX, &lasted_us));
    ck_assert_int_eq(lasted_us, 0);
}
END_TEST

Suite *overload_episode_suite(void) {
    Suite *suite = suite_create("overload_episode");
    TCase *tcase = tcase_create("overload_episode");
    tcase_add_test(tcase, an_episode_begins_once_and_ends_once_after_a_quiet_period);
    tcase_add_test(tcase, at_the_end_of_the_program_every_episode_ends);
    suite_add_tcase(suite, tcase);
    return suite;
}
