/* What a record says beyond the limit: what requests cost, and whether the capacity drifted. */
#include "jwtd/macros.h"
#include "loadtest/cost.h"
#include "loadtest/drift.h"
#include "loadtest/search.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *figures_suite(void);

static struct run run;

static void set_up(void) {
    run_init(&run);
}

static void tear_down(void) {
    run_fini(&run);
}

static struct run_step *add_step(enum run_phase phase, double load, enum step_verdict verdict, double served) {
    struct run_step *step = run_add_step(&run);
    ck_assert_ptr_nonnull(step);
    step->phase = phase;
    step->begin = 10 * (double)run.steps_count;
    step->seconds = 8;
    step->load = load;
    step->verdict = verdict;
    step->figures = (struct run_figures){ .due = load * 8, .ok = served * 8, .served = served };
    return step;
}

/* ---- costs ---- */

static void use_server(struct run_step *step) {
    step->usage =
        (struct usage){ .server_known = true, .server_cores = 0.5, .rss_mib = 50, .database_known = true, .database_cores = 0.1 };
}

START_TEST(costs_are_those_of_the_limit_that_was_held) {
    struct run_cost cost;
    run.options.core_price = 30;
    run.machine.server_idle_mib = 40;
    run.verdict.limit = 200;
    struct run_step *step = add_step(PHASE_HOLD, 200, STEP_GOOD, 199);
    step->figures.shed = 1;
    step->figures.failed = 3;
    step->figures.served = 200;
    use_server(step);
    use_server(add_step(PHASE_HOLD, 150, STEP_GOOD, 150));
    use_server(add_step(PHASE_OVERLOAD, 300, STEP_NOT_JUDGED, 180));
    ck_assert_ptr_eq(cost_find(&run, &cost), &run.steps[0]);
    ck_assert_double_eq_tol(cost.errors_per_million, 4 / 1600.0 * 1e6, 1e-6);
    ck_assert_double_eq_tol(cost.memory_mib, 90, 1e-9); /* 40 before the load, and 10 for 200 a second */
    ck_assert_double_eq_tol(cost.cores, 3, 1e-9);
    ck_assert_double_eq_tol(cost.price, 90, 1e-9);
}
END_TEST

START_TEST(of_a_server_elsewhere_only_errors_are_known) {
    struct run_cost cost;
    ck_assert_ptr_null(cost_find(&run, &cost));
    add_step(PHASE_HOLD, 100, STEP_GOOD, 100);
    ck_assert_ptr_eq(cost_find(&run, &cost), &run.steps[0]);
    ck_assert_double_eq(cost.errors_per_million, 0);
    ck_assert_double_eq(cost.memory_mib, 0);
    ck_assert_double_eq(cost.cores, 0);
}
END_TEST

START_TEST(no_error_among_few_requests_is_no_proof_of_none) {
    struct run_cost cost;
    char text[COST_TEXT_SIZE];
    add_step(PHASE_HOLD, 100, STEP_GOOD, 100);
    run.steps[0].figures.due = 30;
    const struct run_step *step = cost_find(&run, &cost);
    ck_assert_str_eq(cost_explain_errors(&cost, step, text), "none of 30 requests, so under 100000 with 95 % certainty");
    run.steps[0].figures.failed = 3;
    step = cost_find(&run, &cost);
    ck_assert_str_eq(cost_explain_errors(&cost, step, text), "refused or failed, at 100 answered a second");
}
END_TEST

/* A server that was there before records said what it had before the load. */
START_TEST(memory_is_not_scaled_where_that_before_the_load_is_not_known) {
    struct run_cost cost;
    use_server(add_step(PHASE_HOLD, 100, STEP_GOOD, 100));
    ck_assert_ptr_nonnull(cost_find(&run, &cost));
    ck_assert_double_eq(cost.memory_mib, 0);
    ck_assert_double_gt(cost.cores, 0);
}
END_TEST

/* Most of its memory is there without any load. */
START_TEST(what_a_thousand_requests_cost_is_not_said_of_a_server_that_idles) {
    struct run_cost cost;
    use_server(add_step(PHASE_HOLD, 5, STEP_GOOD, 5));
    ck_assert_ptr_nonnull(cost_find(&run, &cost));
    ck_assert_double_eq(cost.memory_mib, 0);
    ck_assert_double_eq(cost.cores, 0);
    ck_assert_double_eq(cost.price, 0);
}
END_TEST

/* ---- drift ---- */

static const struct {
    const char *what;
    bool drifts;
    struct {
        double load, served; /* good where it serves what is asked for */
    } steps[8];
} searches[] = {
    { "a capacity of 135 that becomes 101",
      true,
      { { 120, 120 }, { 140, 135 }, { 138, 134 }, { 110, 101 }, { 110, 102 }, { 100, 100 } } },
    { "one that rises as well", true, { { 110, 101 }, { 110, 102 }, { 100, 100 }, { 120, 120 }, { 125, 124 } } },
    { "one that stays",
      false,
      { { 60, 60 }, { 120, 109 }, { 120, 110 }, { 107, 107 }, { 112, 108 }, { 112, 107 }, { 105, 105 } } },
    { "one burst of something else", false, { { 107, 107 }, { 112, 80 }, { 110, 108 }, { 112, 107 }, { 105, 105 } } },
    { "one that answers less with twice the load",
      false,
      { { 60, 60 }, { 220, 50 }, { 220, 52 }, { 107, 107 }, { 112, 107 }, { 112, 108 } } },
    { "one that so few requests say nothing of", false, { { 40, 40 }, { 39, 39 }, { 30, 25 }, { 31, 25 } } },
};

START_TEST(a_capacity_that_changes_during_the_search_is_said) {
    static const struct find find = { .good = 105, .bad = 110 };
    run.verdict.limit = 105;
    for (size_t i = 0; i < ARRAY_LEN(searches[_i].steps) && searches[_i].steps[i].load > 0; i++) {
        double load = searches[_i].steps[i].load, served = searches[_i].steps[i].served;
        add_step(PHASE_BISECT, load, served == load ? STEP_GOOD : STEP_BAD, served);
    }
    struct drift drift;
    ck_assert_msg(drift_find(&run, &drift) == searches[_i].drifts, "%s", searches[_i].what);
    search_conclude(&run, &find, "p99 1.02 s > 1 s", &(struct cause){ CAUSE_CPU, 1, "CPU saturates" });
    ck_assert((run.verdict.drift[0] != '\0') == searches[_i].drifts);
    if (_i == 0)
        ck_assert_str_eq(
            run.verdict.drift,
            "The capacity changed during the run: 134/s were answered at 30 s, and no more than 102/s at 50 s. Something "
            "else used the machine, or the service slows down: measure again.");
}
END_TEST

START_TEST(what_failpoint_could_not_send_is_no_change_of_the_capacity) {
    struct drift drift;
    run.verdict.limit = 105;
    for (size_t i = 0; i < ARRAY_LEN(searches[0].steps) && searches[0].steps[i].load > 0; i++) {
        double load = searches[0].steps[i].load, served = searches[0].steps[i].served;
        add_step(PHASE_BISECT, load, served == load ? STEP_GOOD : STEP_BAD, served)->generator_limited = served < load;
    }
    ck_assert(!drift_find(&run, &drift));
}
END_TEST

Suite *figures_suite(void) {
    Suite *suite = suite_create("figures");
    TCase *tests = tcase_create("figures");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, costs_are_those_of_the_limit_that_was_held);
    tcase_add_test(tests, no_error_among_few_requests_is_no_proof_of_none);
    tcase_add_test(tests, memory_is_not_scaled_where_that_before_the_load_is_not_known);
    tcase_add_test(tests, what_a_thousand_requests_cost_is_not_said_of_a_server_that_idles);
    tcase_add_test(tests, of_a_server_elsewhere_only_errors_are_known);
    tcase_add_loop_test(tests, a_capacity_that_changes_during_the_search_is_said, 0, (int)ARRAY_LEN(searches));
    tcase_add_test(tests, what_failpoint_could_not_send_is_no_change_of_the_capacity);
    suite_add_tcase(suite, tests);
    return suite;
}
