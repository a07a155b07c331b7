#include "jwtd/macros.h"
#include "loadtest/histogram.h"
#include "loadtest/schedule.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

Suite *histogram_suite(void);

static struct histogram *make(void) {
    struct histogram *histogram = calloc(1, sizeof *histogram);
    ck_assert_ptr_nonnull(histogram);
    return histogram;
}

START_TEST(a_bucket_is_off_by_less_than_one_percent) {
    for (int64_t ns = 1; ns < INT64_C(4000000000000); ns += ns / 1500 + 1) {
        int64_t middle = histogram_value(histogram_bucket(ns));
        ck_assert_msg(llabs(middle - ns) <= ns / 250, "%lld is kept as %lld", (long long)ns, (long long)middle);
    }
}
END_TEST

START_TEST(buckets_rise_with_durations_and_stay_in_range) {
    size_t last = 0;
    for (int64_t ns = 0; ns < INT64_MAX / 4; ns += ns / 4 + 1) {
        size_t bucket = histogram_bucket(ns);
        ck_assert_uint_ge(bucket, last);
        ck_assert_uint_lt(bucket, HISTOGRAM_BUCKETS);
        last = bucket;
    }
    ck_assert_uint_eq(histogram_bucket(INT64_MAX), HISTOGRAM_BUCKETS - 1);
    ck_assert_uint_eq(histogram_bucket(-5), 0);
}
END_TEST

START_TEST(percentiles_are_those_of_the_sorted_values) {
    struct histogram *histogram = make();
    for (int64_t i = 1; i <= 10000; i++)
        histogram_record(histogram, i * 1000);
    const double shares[] = { 0.001, 0.5, 0.9, 0.99, 0.999, 1 };
    for (size_t i = 0; i < ARRAY_LEN(shares); i++)
        ck_assert_double_eq_tol((double)histogram_percentile(histogram, shares[i]), shares[i] * 1e7, 0.01 * shares[i] * 1e7);
    ck_assert_double_eq_tol(histogram_mean(histogram), 5000500, 0.5);
    ck_assert_uint_eq(histogram->total, 10000);
    free(histogram);
}
END_TEST

START_TEST(an_empty_one_has_zeroes) {
    struct histogram *histogram = make();
    ck_assert_int_eq(histogram_percentile(histogram, 0.99), 0);
    ck_assert_double_eq(histogram_mean(histogram), 0);
    ck_assert_uint_eq(histogram_count_above(histogram, 0), 0);
    free(histogram);
}
END_TEST

START_TEST(two_halves_added_are_the_whole_and_subtracting_one_gives_the_other) {
    struct histogram *whole = make(), *first = make(), *second = make();
    struct random random;
    random_init(&random, 7);
    for (int i = 0; i < 20000; i++) {
        int64_t ns = (int64_t)(random_next(&random) >> (24 + random_next(&random) % 40));
        histogram_record(whole, ns);
        histogram_record(i % 3 == 0 ? first : second, ns);
    }
    struct histogram *sum = make();
    histogram_add(sum, first);
    histogram_add(sum, second);
    ck_assert_mem_eq(sum, whole, sizeof *sum);
    histogram_subtract(sum, first);
    ck_assert_mem_eq(sum, second, sizeof *sum);
    histogram_subtract(sum, second);
    ck_assert_uint_eq(sum->total, 0);
    free(whole);
    free(first);
    free(second);
    free(sum);
}
END_TEST

START_TEST(those_above_a_limit_are_counted) {
    struct histogram *histogram = make();
    for (int64_t ms = 1; ms <= 1000; ms++)
        histogram_record(histogram, ms * 1000000);
    ck_assert_uint_eq(histogram_count_above(histogram, INT64_C(5000000000)), 0);
    ck_assert_uint_eq(histogram_count_above(histogram, 0), 1000);
    uint64_t above = histogram_count_above(histogram, 500000000);
    ck_assert_uint_le(above, 500);
    ck_assert_uint_ge(above, 495);
    free(histogram);
}
END_TEST

Suite *histogram_suite(void) {
    Suite *suite = suite_create("histogram");
    TCase *tests = tcase_create("histogram");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_bucket_is_off_by_less_than_one_percent);
    tcase_add_test(tests, buckets_rise_with_durations_and_stay_in_range);
    tcase_add_test(tests, percentiles_are_those_of_the_sorted_values);
    tcase_add_test(tests, an_empty_one_has_zeroes);
    tcase_add_test(tests, two_halves_added_are_the_whole_and_subtracting_one_gives_the_other);
    tcase_add_test(tests, those_above_a_limit_are_counted);
    suite_add_tcase(suite, tests);
    return suite;
}
