#include "jwtd/macros.h"
#include "loadtest/day.h"
#include "loadtest/instant.h"
#include "loadtest/schedule.h"

#include <check.h>
#include <math.h>

Suite *schedule_suite(void);

#define SECOND INT64_C(1000000000)

struct gaps {
    uint64_t count;
    double mean, variance; /* of gaps, in seconds */
};

static struct gaps run(struct schedule *schedule) {
    struct gaps gaps = { 0, 0, 0 };
    double sum = 0, squares = 0;
    int64_t last = 0;
    for (int64_t due = schedule_next(schedule); due >= 0; due = schedule_next(schedule)) {
        double gap = (double)(due - last) / 1e9;
        ck_assert_int_ge(due, last);
        sum += gap;
        squares += gap * gap;
        gaps.count++;
        last = due;
    }
    gaps.mean = sum / (double)gaps.count;
    gaps.variance = squares / (double)gaps.count - gaps.mean * gaps.mean;
    return gaps;
}

START_TEST(poisson_arrivals_have_the_rate_and_exponential_gaps) {
    struct schedule schedule;
    const struct segment segment = { 1000, 1000, 100 * SECOND };
    schedule_init(&schedule, ARRIVALS_POISSON, &segment, 1, 1, 0, 1);
    struct gaps gaps = run(&schedule);
    ck_assert_double_eq_tol((double)gaps.count, 100000, 4 * sqrt(100000));
    ck_assert_double_eq_tol(gaps.mean, 1e-3, 2e-5);
    ck_assert_double_eq_tol(sqrt(gaps.variance), 1e-3, 2e-5); /* exponential: deviation and mean are the same */
}
END_TEST

START_TEST(uniform_arrivals_have_equal_gaps_also_over_several_workers) {
    const struct segment segment = { 100, 100, 10 * SECOND };
    double last[4];
    for (unsigned worker = 0; worker < 4; worker++) {
        struct schedule schedule;
        schedule_init(&schedule, ARRIVALS_UNIFORM, &segment, 1, 1, worker, 4);
        int64_t first = schedule_next(&schedule), second = schedule_next(&schedule);
        last[worker] = (double)first / 1e9;
        ck_assert_double_eq_tol((double)(second - first) / 1e9, 0.04, 1e-6);
        ck_assert_uint_eq(run(&schedule).count, 248);
    }
    for (unsigned worker = 1; worker < 4; worker++)
        ck_assert_double_eq_tol(last[worker] - last[worker - 1], 0.01, 1e-6);
}
END_TEST

START_TEST(workers_take_their_part_and_differ) {
    uint64_t sum = 0;
    int64_t firsts[3];
    const struct segment segment = { 3000, 3000, 10 * SECOND };
    for (unsigned worker = 0; worker < 3; worker++) {
        struct schedule schedule;
        schedule_init(&schedule, ARRIVALS_POISSON, &segment, 1, 5, worker, 3);
        firsts[worker] = schedule_next(&schedule);
        sum += run(&schedule).count + 1;
    }
    ck_assert_double_eq_tol((double)sum, 30000, 4 * sqrt(30000));
    ck_assert_int_ne(firsts[0], firsts[1]);
    ck_assert_int_ne(firsts[1], firsts[2]);
}
END_TEST

START_TEST(a_ramp_has_the_area_under_it) {
    struct schedule schedule;
    const struct segment segment = { 0, 1000, 10 * SECOND };
    schedule_init(&schedule, ARRIVALS_UNIFORM, &segment, 1, 1, 0, 1);
    uint64_t first_half = 0, second_half = 0;
    for (int64_t due = schedule_next(&schedule); due >= 0; due = schedule_next(&schedule))
        if (due < 5 * SECOND)
            first_half++;
        else
            second_half++;
    ck_assert_double_eq_tol((double)first_half, 1250, 1);
    ck_assert_double_eq_tol((double)second_half, 3750, 1);
}
END_TEST

START_TEST(segments_follow_each_other_and_may_be_silent) {
    struct schedule schedule;
    const struct segment segments[] = { { 100, 100, SECOND }, { 0, 0, SECOND }, { 200, 200, SECOND } };
    uint64_t counts[3] = { 0, 0, 0 };
    schedule_init(&schedule, ARRIVALS_UNIFORM, segments, 3, 1, 0, 1);
    for (int64_t due = schedule_next(&schedule); due >= 0; due = schedule_next(&schedule))
        counts[due / SECOND]++;
    ck_assert_uint_eq(counts[0], 100);
    ck_assert_uint_eq(counts[1], 0);
    ck_assert_uint_eq(counts[2], 200);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_arrivals_and_another_one_others) {
    struct schedule a, b, c;
    const struct segment segment = { 50, 50, 10 * SECOND };
    schedule_init(&a, ARRIVALS_POISSON, &segment, 1, 42, 0, 1);
    schedule_init(&b, ARRIVALS_POISSON, &segment, 1, 42, 0, 1);
    schedule_init(&c, ARRIVALS_POISSON, &segment, 1, 43, 0, 1);
    ck_assert_int_ne(schedule_next(&a), schedule_next(&c));
    schedule_next(&b);
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(schedule_next(&a), schedule_next(&b));
}
END_TEST

/* ---- a day ---- */

static double highest(const struct segment *segments, size_t count) {
    double rate = 0;
    for (size_t i = 0; i < count; i++)
        rate = fmax(rate, fmax(segments[i].rate_begin, segments[i].rate_end));
    return rate;
}

START_TEST(a_day_has_1_2_million_requests_and_a_peak_of_180_a_second) {
    struct segment segments[SCHEDULE_SEGMENTS];
    size_t count = day_plan(DAY_PEAK, DAY_SECONDS, segments);
    ck_assert_double_eq_tol(day_requests(segments, count), 1.2e6, 0.01 * 1.2e6);
    ck_assert_double_eq(highest(segments, count), 180);
    int64_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += segments[i].duration_ns;
    ck_assert_int_eq(length, s_to_ns(DAY_SECONDS));
}
END_TEST

START_TEST(a_shorter_day_keeps_its_rates_and_a_higher_peak_raises_all) {
    struct segment whole[SCHEDULE_SEGMENTS], quick[SCHEDULE_SEGMENTS];
    size_t count = day_plan(DAY_PEAK, DAY_SECONDS, whole);
    ck_assert_uint_eq(day_plan(2 * DAY_PEAK, DAY_SECONDS / 60, quick), count);
    ck_assert_double_eq_tol(day_requests(quick, count), 2 * day_requests(whole, count) / 60, 1);
    ck_assert_double_eq(quick[0].rate_begin, 2 * whole[0].rate_begin);
    ck_assert_double_eq(highest(quick, count), 360);
}
END_TEST

static const struct {
    const char *slo;
    double least_s, peak_s;
} shortest_days[] = {
    { "p99<=1s,err<=0.1%", 960, 10 },
    { "p99<=6ms,err<=1%", 5.76, 0.06 },
    { "p99<=250ms,login.p99<=2s", 1920, 20 }, /* the longest: logins may wait so long */
    { "err<=1%", 4800, 50 },                  /* the timeout */
};

START_TEST(the_shortest_day_that_says_something_has_a_peak_of_ten_times_what_a_reply_may_take) {
    struct objectives objectives;
    char error[256];
    ck_assert(objectives_parse(shortest_days[_i].slo, &objectives, error, sizeof error));
    double least_s = day_least_s(&objectives, 5);
    ck_assert_double_eq_tol(least_s, shortest_days[_i].least_s, 1e-6);
    ck_assert_double_eq_tol(day_peak_s(least_s), shortest_days[_i].peak_s, 1e-9);
}
END_TEST

#define LATE_STEPS 10000 /* of a segment */

/* A queue without an end, before a service that answers `part` of the peak: the share of requests that wait for longer than that.
 */
static double late_share(double part, double seconds, double late_s) {
    struct segment segments[SCHEDULE_SEGMENTS];
    size_t count = day_plan(DAY_PEAK, seconds, segments);
    double capacity = part * DAY_PEAK, queue = 0, late = 0;
    for (size_t i = 0; i < count; i++) {
        double step_s = ns_to_s(segments[i].duration_ns) / LATE_STEPS;
        for (int k = 0; k < LATE_STEPS; k++) {
            double rate = segments[i].rate_begin + (segments[i].rate_end - segments[i].rate_begin) * k / LATE_STEPS;
            queue = fmax(queue + (rate - capacity) * step_s, 0);
            late += queue / capacity > late_s ? rate * step_s : 0;
        }
    }
    return late / day_requests(segments, count);
}

START_TEST(a_service_of_nine_tenths_of_the_peak_misses_p99_in_the_shortest_day_and_not_in_a_much_shorter_one) {
    struct objectives objectives;
    char error[256];
    ck_assert(objectives_parse("p99<=1s", &objectives, error, sizeof error));
    double least_s = day_least_s(&objectives, 5);
    ck_assert_double_gt(late_share(0.9, least_s, 1), 0.01);
    ck_assert_double_lt(late_share(0.9, least_s / 4, 1), 0.01);
    ck_assert_double_lt(late_share(0.5, 12, 1), 0.01);
}
END_TEST

Suite *schedule_suite(void) {
    Suite *suite = suite_create("schedule");
    TCase *tests = tcase_create("schedule");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, poisson_arrivals_have_the_rate_and_exponential_gaps);
    tcase_add_test(tests, uniform_arrivals_have_equal_gaps_also_over_several_workers);
    tcase_add_test(tests, workers_take_their_part_and_differ);
    tcase_add_test(tests, a_ramp_has_the_area_under_it);
    tcase_add_test(tests, segments_follow_each_other_and_may_be_silent);
    tcase_add_test(tests, the_same_seed_gives_the_same_arrivals_and_another_one_others);
    tcase_add_test(tests, a_day_has_1_2_million_requests_and_a_peak_of_180_a_second);
    tcase_add_test(tests, a_shorter_day_keeps_its_rates_and_a_higher_peak_raises_all);
    tcase_add_loop_test(tests, the_shortest_day_that_says_something_has_a_peak_of_ten_times_what_a_reply_may_take, 0,
                        (int)ARRAY_LEN(shortest_days));
    tcase_add_test(tests, a_service_of_nine_tenths_of_the_peak_misses_p99_in_the_shortest_day_and_not_in_a_much_shorter_one);
    suite_add_tcase(suite, tests);
    return suite;
}
