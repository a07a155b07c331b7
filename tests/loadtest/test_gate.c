#include "jwtd/macros.h"
#include "loadtest/gate.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *gate_suite(void);

#define TOLERANCE 5

static struct run run, baseline;

static void fill(struct run *record, const char *command) {
    run_init(record);
    snprintf(record->options.command, sizeof record->options.command, "%s", command);
    snprintf(record->options.scenario, sizeof record->options.scenario, "login");
    snprintf(record->options.slo, sizeof record->options.slo, "p99<=1s");
    snprintf(record->machine.cpu, sizeof record->machine.cpu, "a processor");
    snprintf(record->machine.hash_parameters, sizeof record->machine.hash_parameters, "$argon2id$v=19$m=19456,t=2,p=1");
    record->machine.cores = 2;
    record->machine.memory_mib = 8000;
    record->verdict.limit = 200;
    struct run_step *step = run_add_step(record);
    ck_assert_ptr_nonnull(step);
    step->load = 100;
    step->figures = (struct run_figures){ .served = 100, .goodput = 99, .p99 = 50 };
}

static void set_up(void) {
    fill(&run, "find");
    fill(&baseline, "find");
}

static void set_up_hold(void) {
    fill(&run, "hold");
    fill(&baseline, "hold");
}

static void tear_down(void) {
    run_fini(&run);
    run_fini(&baseline);
}

static bool compare(struct gate *gate) {
    char error[512] = "";
    bool is_known = gate_compare(&run, &baseline, TOLERANCE, gate, error, sizeof error);
    ck_assert(is_known == (error[0] == '\0'));
    return is_known;
}

static const struct {
    double limit;
    bool is_regression;
} limits[] = { { 200, false }, { 300, false }, { 191, false }, { 189, true }, { 0, true } };

START_TEST(a_limit_that_is_lower_by_more_than_the_tolerance_is_a_regression) {
    struct gate gate;
    run.verdict.limit = limits[_i].limit;
    ck_assert(compare(&gate));
    ck_assert_uint_eq(gate.count, 1);
    ck_assert(gate.is_regression == limits[_i].is_regression);
}
END_TEST

static void other_processor(void) {
    snprintf(run.machine.cpu, sizeof run.machine.cpu, "another processor");
}

static void other_cores(void) {
    run.machine.cores = 4;
}

static void other_memory(void) {
    run.machine.memory_mib = 16000;
}

static void other_hash(void) {
    snprintf(run.machine.hash_parameters, sizeof run.machine.hash_parameters, "$argon2id$v=19$m=8192,t=1,p=1");
}

static void other_scenario(void) {
    snprintf(run.options.scenario, sizeof run.options.scenario, "me");
}

static void other_objective(void) {
    snprintf(run.options.slo, sizeof run.options.slo, "p99<=2s");
}

static void other_connections(void) {
    run.options.new_connections = true;
}

static void (*const differences[])(void) = { other_processor, other_cores,     other_memory,     other_hash,
                                             other_scenario,  other_objective, other_connections };

START_TEST(runs_of_another_machine_or_of_another_test_are_not_compared) {
    struct gate gate;
    differences[_i]();
    ck_assert(!compare(&gate));
}
END_TEST

START_TEST(a_few_mebibytes_of_memory_are_the_same_machine) {
    struct gate gate;
    run.machine.memory_mib = 8100;
    ck_assert(compare(&gate));
}
END_TEST

static const struct {
    double served, goodput, p99;
    bool is_regression;
} holds[] = {
    { 100, 99, 50, false }, { 96, 95, 59, false }, { 94, 99, 50, true }, { 100, 93, 50, true }, { 100, 99, 61, true },
};

START_TEST(a_held_load_is_compared_by_rate_and_with_more_patience_by_p99) {
    struct gate gate;
    run.steps[0].figures = (struct run_figures){ .served = holds[_i].served, .goodput = holds[_i].goodput, .p99 = holds[_i].p99 };
    ck_assert(compare(&gate));
    ck_assert_uint_eq(gate.count, 3);
    ck_assert(gate.is_regression == holds[_i].is_regression);
}
END_TEST

START_TEST(another_load_is_another_test) {
    struct gate gate;
    run.steps[0].load = 120;
    ck_assert(!compare(&gate));
}
END_TEST

Suite *gate_suite(void) {
    Suite *suite = suite_create("gate");
    TCase *find = tcase_create("find");
    tcase_add_checked_fixture(find, set_up, tear_down);
    tcase_add_loop_test(find, a_limit_that_is_lower_by_more_than_the_tolerance_is_a_regression, 0, (int)ARRAY_LEN(limits));
    tcase_add_loop_test(find, runs_of_another_machine_or_of_another_test_are_not_compared, 0, (int)ARRAY_LEN(differences));
    tcase_add_test(find, a_few_mebibytes_of_memory_are_the_same_machine);
    suite_add_tcase(suite, find);
    TCase *hold = tcase_create("hold");
    tcase_add_checked_fixture(hold, set_up_hold, tear_down);
    tcase_add_loop_test(hold, a_held_load_is_compared_by_rate_and_with_more_patience_by_p99, 0, (int)ARRAY_LEN(holds));
    tcase_add_test(hold, another_load_is_another_test);
    suite_add_tcase(suite, hold);
    return suite;
}
