#include "loadtest/schedule.h"
#include "loadtest/timers.h"

#include <check.h>

Suite *timers_suite(void);

static struct timers timers;

static void add(enum request_purpose purpose, int64_t due_ns) {
    struct request *request = request_create(purpose, ENDPOINT_LOGIN, due_ns);
    ck_assert_ptr_nonnull(request);
    ck_assert(timers_add(&timers, request));
}

static void set_up(void) {
    timers = (struct timers){ .items = NULL };
}

static void tear_down(void) {
    timers_fini(&timers);
}

START_TEST(requests_are_taken_in_the_order_in_which_they_are_due) {
    struct random random;
    random_init(&random, 7);
    for (unsigned i = 0; i < 5000; i++)
        add(REQUEST_LOAD, (int64_t)(random_next(&random) % 1000));
    int64_t last = 0;
    for (unsigned i = 0; i < 5000; i++) {
        struct request *request = timers_take_due(&timers, INT64_MAX - 1);
        ck_assert_ptr_nonnull(request);
        ck_assert_int_ge(request->due_ns, last);
        last = request->due_ns;
        request_destroy(request);
    }
    ck_assert_ptr_null(timers_take_due(&timers, INT64_MAX - 1));
}
END_TEST

START_TEST(a_request_is_not_taken_before_it_is_due) {
    ck_assert(timers_next_ns(&timers) == INT64_MAX);
    add(REQUEST_LOAD, 100);
    ck_assert(timers_next_ns(&timers) == 100);
    ck_assert_ptr_null(timers_take_due(&timers, 99));
    struct request *request = timers_take_due(&timers, 100);
    ck_assert_ptr_nonnull(request);
    request_destroy(request);
}
END_TEST

START_TEST(dropping_the_load_keeps_the_renewals_of_tokens_in_order) {
    for (int64_t due = 100; due > 0; due--)
        add(due % 3 == 0 ? REQUEST_RENEW : REQUEST_LOAD, due);
    ck_assert(timers_have_load(&timers));
    timers_drop_load(&timers);
    ck_assert(!timers_have_load(&timers));
    for (int64_t due = 3; due <= 99; due += 3) {
        struct request *request = timers_take_due(&timers, 100);
        ck_assert_ptr_nonnull(request);
        ck_assert(request->due_ns == due);
        request_destroy(request);
    }
    ck_assert_uint_eq(timers.count, 0);
}
END_TEST

Suite *timers_suite(void) {
    Suite *suite = suite_create("timers");
    TCase *tests = tcase_create("timers");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, requests_are_taken_in_the_order_in_which_they_are_due);
    tcase_add_test(tests, a_request_is_not_taken_before_it_is_due);
    tcase_add_test(tests, dropping_the_load_keeps_the_renewals_of_tokens_in_order);
    suite_add_tcase(suite, tests);
    return suite;
}
