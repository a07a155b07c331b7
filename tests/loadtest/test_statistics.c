#include "jwtd/macros.h"
#include "loadtest/schedule.h"
#include "loadtest/sequential.h"
#include "loadtest/stats.h"

#include <check.h>
#include <math.h>

Suite *statistics_suite(void);

/* ---- sequential ---- */

static enum sequential_verdict run_sequential(struct random *random, double allowed, double share, uint64_t *requests) {
    uint64_t bad = 0;
    enum sequential_verdict verdict = SEQUENTIAL_UNDECIDED;
    for (*requests = 0; verdict == SEQUENTIAL_UNDECIDED;) {
        bad += random_unit(random) <= share ? 1 : 0;
        verdict = sequential_test(allowed, ++*requests, bad);
    }
    return verdict;
}

/* In 1 of 20 at most, plus what 400 tries leave to chance. */
START_TEST(the_sequential_test_is_seldom_wrong_and_quick) {
    const struct {
        double allowed, share;
        enum sequential_verdict right;
    } cases[] = { { 0.01, 0.005, SEQUENTIAL_GOOD }, { 0.01, 0.015, SEQUENTIAL_BAD }, { 0.001, 0.0005, SEQUENTIAL_GOOD },
                  { 0.001, 0.02, SEQUENTIAL_BAD },  { 0.5, 0.2, SEQUENTIAL_GOOD },   { 0.05, 0.5, SEQUENTIAL_BAD } };
    struct random random;
    random_init(&random, 3);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned wrong = 0;
        double sum = 0;
        for (int run = 0; run < 400; run++) {
            uint64_t requests;
            wrong += run_sequential(&random, cases[i].allowed, cases[i].share, &requests) != cases[i].right ? 1 : 0;
            sum += (double)requests;
        }
        ck_assert_msg(wrong <= 34, "case %zu: wrong %u times of 400", i, wrong);
        ck_assert_double_lt(sum / 400, 1200);
    }
}
END_TEST

START_TEST(so_many_good_ones_in_a_row_are_enough_and_one_less_is_not) {
    const double allowed[] = { 0.0001, 0.001, 0.01, 0.05, 0.5 };
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
        uint64_t shortest = sequential_shortest(allowed[i]);
        ck_assert_int_eq(sequential_test(allowed[i], shortest, 0), SEQUENTIAL_GOOD);
        ck_assert_int_eq(sequential_test(allowed[i], shortest - 1, 0), SEQUENTIAL_UNDECIDED);
    }
}
END_TEST

/* ---- slope ---- */

#define POINTS 200

START_TEST(the_slope_of_a_line_is_found_among_outliers) {
    double times[POINTS], values[POINTS];
    struct random random;
    random_init(&random, 1);
    for (size_t i = 0; i < POINTS; i++) {
        times[i] = (double)i;
        values[i] = 100 + 0.5 * (double)i + random_unit(&random);
        if (i % 10 == 3)
            values[i] = 5000;
    }
    struct interval slope;
    ck_assert(stats_slope(times, values, POINTS, &slope));
    ck_assert_double_eq_tol(slope.estimate, 0.5, 0.02);
    ck_assert_double_le(slope.low, 0.5);
    ck_assert_double_ge(slope.high, 0.5);
    ck_assert_double_gt(slope.low, 0);
}
END_TEST

START_TEST(noise_alone_has_no_slope_in_most_cases) {
    double times[POINTS], values[POINTS];
    struct random random;
    random_init(&random, 2);
    unsigned misses = 0;
    for (int run = 0; run < 200; run++) {
        for (size_t i = 0; i < POINTS; i++) {
            times[i] = (double)i;
            values[i] = random_unit(&random);
        }
        struct interval slope;
        ck_assert(stats_slope(times, values, POINTS, &slope));
        misses += slope.low > 0 || slope.high < 0 ? 1 : 0;
    }
    ck_assert_uint_le(misses, 20); /* 10 are expected */
}
END_TEST

START_TEST(too_few_points_have_no_slope_and_many_are_thinned) {
    double times[5000], values[5000];
    for (size_t i = 0; i < 5000; i++) {
        times[i] = (double)i;
        values[i] = 3 * (double)i;
    }
    struct interval slope;
    ck_assert(!stats_slope(times, values, 3, &slope));
    ck_assert(!stats_slope(values, times, 0, &slope));
    ck_assert(stats_slope(times, values, 5000, &slope));
    ck_assert_double_eq_tol(slope.estimate, 3, 1e-9);
    for (size_t i = 0; i < 10; i++)
        times[i] = 1;
    ck_assert(!stats_slope(times, values, 10, &slope));
}
END_TEST

/* ---- ratio ---- */

#define PAIRS 20 /* as compare takes */

START_TEST(two_samples_of_the_same_differ_seldom_and_of_others_always) {
    double a[PAIRS], b[PAIRS], c[PAIRS];
    unsigned same = 0, different = 0;
    struct random random;
    random_init(&random, 4);
    for (uint64_t seed = 0; seed < 100; seed++) {
        for (size_t i = 0; i < PAIRS; i++) {
            a[i] = 100 + 20 * random_unit(&random);
            b[i] = 100 + 20 * random_unit(&random);
            c[i] = 115 + 20 * random_unit(&random);
        }
        struct interval ratio;
        ck_assert(stats_ratio(a, b, PAIRS, seed, &ratio));
        same += ratio.low <= 1 && ratio.high >= 1 ? 1 : 0;
        ck_assert(stats_ratio(a, c, PAIRS, seed, &ratio));
        different += ratio.low > 1 ? 1 : 0;
        ck_assert(ratio.low <= ratio.estimate && ratio.estimate <= ratio.high);
    }
    ck_assert_uint_ge(same, 95);
    ck_assert_uint_eq(different, 100);
}
END_TEST

/* In 99 of 100 cases, of services of which one answers three quarters of the other, on a machine that is twice as fast at one
 * time as at another for both. */
#define TRIES 600
START_TEST(the_interval_of_a_ratio_holds_the_true_one) {
    double a[PAIRS], b[PAIRS];
    unsigned inside = 0;
    struct random random;
    random_init(&random, 5);
    for (uint64_t seed = 0; seed < TRIES; seed++) {
        struct interval ratio;
        for (size_t i = 0; i < PAIRS; i++) {
            double machine = 100 * (1 + random_unit(&random));
            a[i] = machine * (0.95 + 0.1 * random_unit(&random));
            b[i] = 0.75 * machine * (0.95 + 0.1 * random_unit(&random));
        }
        ck_assert(stats_ratio(a, b, PAIRS, seed, &ratio));
        inside += ratio.low <= 0.75 && ratio.high >= 0.75 ? 1 : 0;
        ck_assert_double_lt(ratio.high - ratio.low, 0.1);
    }
    ck_assert_msg(inside >= TRIES * 0.99, "%u of %d", inside, TRIES);
}
END_TEST

START_TEST(medians_and_means_of_small_samples) {
    const double values[] = { 5, 1, 9, 3 };
    struct interval ratio;
    ck_assert_double_eq(stats_median(values, 3), 5);
    ck_assert_double_eq(stats_median(values, 4), 4);
    ck_assert_double_eq(stats_median(values, 0), 0);
    ck_assert_double_eq(stats_mean(values, 4), 4.5);
    ck_assert_double_eq(stats_mean(values, 0), 0);
    ck_assert(!stats_ratio(values, values, 0, 1, &ratio));
    ck_assert(!stats_ratio(values, values, 1, 1, &ratio));
}
END_TEST

Suite *statistics_suite(void) {
    Suite *suite = suite_create("statistics");
    TCase *tests = tcase_create("statistics");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, the_sequential_test_is_seldom_wrong_and_quick);
    tcase_add_test(tests, so_many_good_ones_in_a_row_are_enough_and_one_less_is_not);
    tcase_add_test(tests, the_slope_of_a_line_is_found_among_outliers);
    tcase_add_test(tests, noise_alone_has_no_slope_in_most_cases);
    tcase_add_test(tests, too_few_points_have_no_slope_and_many_are_thinned);
    tcase_add_test(tests, two_samples_of_the_same_differ_seldom_and_of_others_always);
    tcase_add_test(tests, the_interval_of_a_ratio_holds_the_true_one);
    tcase_add_test(tests, medians_and_means_of_small_samples);
    suite_add_tcase(suite, tests);
    return suite;
}
