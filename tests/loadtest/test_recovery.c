/* After an overload: recovered, on the way, or not; and what the headline says of it. */
#include "jwtd/macros.h"
#include "loadtest/command.h"
#include "loadtest/instant.h"
#include "loadtest/recovery.h"
#include "loadtest/search.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

Suite *recovery_suite(void);

#define LIMIT 110.0     /* answered a second */
#define HALF 55.0       /* that arrive while it recovers */
#define OVERLOAD_S 15.0 /* from second 0 */
#define ALLOWED 0.001
#define TIMEOUT_MS 5000.0

static struct run run;

static struct run_step *add_step(enum run_phase phase, double begin, double seconds, double load) {
    struct run_step *step = run_add_step(&run);
    ck_assert_ptr_nonnull(step);
    step->phase = phase;
    step->begin = begin;
    step->seconds = seconds;
    step->load = load;
    return step;
}

/* An overload that leaves so many requests in flight and lost so many to the client's timeout; the rest waited 3.4 s, or was
 * shed. */
static void begin_run(double in_flight, double timeouts) {
    run_init(&run);
    run.options.slo_latency_ms = 1000;
    run.verdict.limit = LIMIT;
    snprintf(run.options.scenario, sizeof run.options.scenario, "login");
    snprintf(run.options.unit, sizeof run.options.unit, "req/s");
    struct run_step *overload = add_step(PHASE_OVERLOAD, 0, OVERLOAD_S, 1.5 * LIMIT);
    struct tally *tally = &overload->tallies[ENDPOINT_LOGIN];
    tally->classes[REPLY_OK] = (uint64_t)(LIMIT * OVERLOAD_S);
    tally->classes[REPLY_TIMEOUT] = (uint64_t)timeouts;
    tally->classes[REPLY_SHED] = tally->statuses[503] = 300;
    tally->due = tally_ended(tally) + (uint64_t)in_flight;
    for (uint64_t i = 0; i < tally->classes[REPLY_OK]; i++)
        histogram_record(&tally->latency, 3400 * NS_PER_MS);
    for (uint64_t i = 0; i < tally->classes[REPLY_TIMEOUT]; i++)
        histogram_record(&tally->latency, (int64_t)TIMEOUT_MS * NS_PER_MS);
    overload->figures.due = (double)tally->due;
    overload->figures.served = LIMIT;
    overload->figures.shed = 300;
    overload->figures.failed = timeouts;
    overload->figures.p99 = TIMEOUT_MS;
}

/* Who comes last waits until all others are answered. */
static struct run_second *add_second(double at, double in_flight) {
    struct run_second *second = run_add_second(&run);
    ck_assert_ptr_nonnull(second);
    double wait_ms = 30 + in_flight / LIMIT * 1000;
    second->at = at;
    second->seconds = 1;
    second->figures.in_flight = in_flight;
    second->figures.p99 = fmin(wait_ms, TIMEOUT_MS);
    second->figures.ok = wait_ms < TIMEOUT_MS ? LIMIT : 1;
    second->figures.failed = wait_ms < TIMEOUT_MS ? 0 : HALF;
    return second;
}

static void conclude(void) {
    struct find find;
    search_judge_overload(&run, ALLOWED);
    find_init(&find, LIMIT, 0.5, 1000, 0.02, false);
    find.good = LIMIT;
    find.bad = LIMIT * 1.02;
    search_conclude(&run, &find, "p99 1.02 s > 1 s", &(struct cause){ CAUSE_CPU, 1, "CPU saturates" });
}

static void assert_says(const char *text) {
    ck_assert_msg(strstr(run.verdict.headline, text) != NULL, "%s", run.verdict.headline);
}

/* Goes on for as long as failpoint would. */
static enum recovery_state drain(double in_flight, double timeouts, double drained_a_second, double *seconds) {
    begin_run(in_flight, timeouts);
    struct recovery recovery = recovery_of(&run, &run.steps[0], HALF, ALLOWED);
    enum recovery_state state = RECOVERY_WAITS;
    for (int second = 1; state == RECOVERY_WAITS; second++) {
        in_flight = fmax(in_flight - drained_a_second, 2);
        add_second(OVERLOAD_S + second, in_flight);
        state = recovery_judge(&recovery, &run, OVERLOAD_S + second, seconds);
        ck_assert(state == RECOVERY_DONE || *seconds == 0);
        ck_assert_double_le(second, RECOVERY_MAX_S);
    }
    return state;
}

static const struct {
    const char *what;
    double in_flight, timeouts, drained_a_second;
    enum recovery_state state;
    double least_s, most_s;
} drains[] = {
    { "a queue that ten seconds do not empty", 436, 0, 30, RECOVERY_DONE, 9, 13 },
    { "a queue that is gone in a second", 40, 0, 40, RECOVERY_DONE, 0, 0 },
    { "a queue that shrinks much more slowly than it should", 800, 0, 20, RECOVERY_DONE, 30, 40 },
    { "a queue that shrinks, but would take minutes", 3000, 0, 25, RECOVERY_UNDER_WAY, 0, 0 },
    { "a queue that stays as it is", 436, 0, 0, RECOVERY_NONE, 0, 0 },
};

START_TEST(the_wait_for_recovery_follows_from_what_is_queued_and_how_it_drains) {
    double seconds;
    enum recovery_state state = drain(drains[_i].in_flight, drains[_i].timeouts, drains[_i].drained_a_second, &seconds);
    ck_assert_msg(state == drains[_i].state, "%s: %d", drains[_i].what, (int)state);
    ck_assert_msg(seconds >= drains[_i].least_s && seconds <= drains[_i].most_s, "%s: %.1f s", drains[_i].what, seconds);
    run_fini(&run);
}
END_TEST

/* The service may still work on them, out of the client's sight. */
START_TEST(requests_that_the_client_gave_up_are_waited_for_as_well) {
    begin_run(275, 600);
    struct recovery recovery = recovery_of(&run, &run.steps[0], HALF, ALLOWED);
    double seconds;
    ck_assert_double_ge(recovery_patience_s(&recovery), (275 + 600) / (LIMIT - HALF));
    for (int second = 1; second <= 15; second++)
        add_second(OVERLOAD_S + second, 600);
    ck_assert_int_eq(recovery_judge(&recovery, &run, OVERLOAD_S + 15, &seconds), RECOVERY_WAITS);
    run_fini(&run);
}
END_TEST

/* The record's step ends some ms before the poll that would decide, and what is still waited for by then is decided by its end.
 */
START_TEST(a_dead_service_has_not_recovered_however_long_was_waited) {
    begin_run(6000, 0); /* a patience of 90 s */
    for (int second = 1; second <= 90; second++) {
        struct run_second *added = add_second(OVERLOAD_S + second, 275);
        added->figures.ok = 0;
        added->figures.failed = HALF;
    }
    struct run_step *recover = add_step(PHASE_RECOVER, OVERLOAD_S, 89.95, HALF);
    recover->figures.due = (double)(recover->tallies[ENDPOINT_LOGIN].due = 4950);
    recover->tallies[ENDPOINT_LOGIN].classes[REPLY_TIMEOUT] = 4950 + 275; /* those of the overload, too */
    recover->figures.failed = 4950 + 275;
    conclude();
    ck_assert(!run.verdict.recovered && !run.verdict.recovering);
    ck_assert_int_eq(run.verdict.exit_code, EXIT_BROKE);
    assert_says("; does not recover within 90 s: at half the limit 100 % of requests fail (mostly: timeout).");
    run_fini(&run);
}
END_TEST

/* The worker counts while the tester copies: what has ended may be one more than what was due. */
START_TEST(nothing_in_flight_is_no_backlog) {
    begin_run(0, 0);
    run.steps[0].tallies[ENDPOINT_LOGIN].due--;
    struct recovery recovery = recovery_of(&run, &run.steps[0], HALF, ALLOWED);
    ck_assert_double_eq(recovery.backlog, 0);
    ck_assert_double_eq(recovery_patience_s(&recovery), 10);
    run_fini(&run);
}
END_TEST

/* After 21 seconds without a 200, of which each has so many refusals and failures, and 40 fewer in flight than the one before. */
static enum recovery_state judge_a_shrinking_queue(double shed, double failed) {
    struct recovery recovery = recovery_of(&run, &run.steps[0], HALF, ALLOWED);
    double seconds;
    for (int second = 1; second <= 21; second++) {
        struct run_second *added = add_second(OVERLOAD_S + second, 1000 - 40 * second);
        added->figures.ok = 0;
        added->figures.shed = shed;
        added->figures.failed = failed;
    }
    return recovery_judge(&recovery, &run, OVERLOAD_S + 21, &seconds);
}

/* Those in flight are fewer, since their clients gave up. */
START_TEST(a_queue_that_only_the_client_empties_does_not_shrink) {
    begin_run(436, 0);
    ck_assert_int_eq(judge_a_shrinking_queue(0, HALF), RECOVERY_NONE);
    run_fini(&run);
}
END_TEST

/* By 20 of 436, which is chance. */
START_TEST(a_queue_that_ups_and_downs_is_no_shrinking_one) {
    begin_run(436, 0);
    struct recovery recovery = recovery_of(&run, &run.steps[0], HALF, ALLOWED);
    double seconds;
    for (int second = 1; second <= 21; second++)
        add_second(OVERLOAD_S + second, 436 - second);
    ck_assert_int_eq(recovery_judge(&recovery, &run, OVERLOAD_S + 21, &seconds), RECOVERY_NONE);
    run_fini(&run);
}
END_TEST

START_TEST(refusals_are_answers_that_a_queue_shrinks_by) {
    begin_run(436, 0);
    ck_assert_int_eq(judge_a_shrinking_queue(LIMIT, 0), RECOVERY_WAITS);
    run_fini(&run);
}
END_TEST

/* One second in which another process has the processor is no relapse. */
START_TEST(recovered_is_three_good_seconds_in_a_row) {
    begin_run(200, 0);
    struct recovery recovery = recovery_of(&run, &run.steps[0], HALF, ALLOWED);
    double seconds;
    const double in_flight[] = { 190, 2, 2, 190, 2, 2, 2 };
    for (size_t i = 0; i < ARRAY_LEN(in_flight); i++) {
        double at = OVERLOAD_S + (double)i + 1;
        add_second(at, in_flight[i]);
        bool is_last = i + 1 == ARRAY_LEN(in_flight);
        ck_assert_int_eq(recovery_judge(&recovery, &run, at, &seconds), is_last ? RECOVERY_DONE : RECOVERY_WAITS);
    }
    ck_assert_double_eq(seconds, 4);
    run_fini(&run);
}
END_TEST

/* It ends a moment after the load has dropped. */
START_TEST(the_last_second_of_the_overload_does_not_count) {
    begin_run(200, 0);
    struct recovery recovery = recovery_of(&run, &run.steps[0], HALF, ALLOWED);
    double seconds;
    const double in_flight[] = { 190, 2, 2, 2 };
    for (size_t i = 0; i < ARRAY_LEN(in_flight); i++)
        add_second(OVERLOAD_S + (double)i + 0.1, in_flight[i]);
    ck_assert_int_eq(recovery_judge(&recovery, &run, OVERLOAD_S + 3.1, &seconds), RECOVERY_DONE);
    ck_assert_double_eq(seconds, 0);
    run_fini(&run);
}
END_TEST

/* ---- the headline ---- */

static const struct {
    double in_flight, timeouts, drained_a_second;
    const char *says;
    int exit_code;
} headlines[] = {
    { 436, 0, 30, "sheds with 503, no failures, but p50 3.4 s for those answered; recovers in 10 s.", 0 },
    { 3000, 0, 25, "; still recovering after 90 s, its queue shrinks.", 0 },
    { 436, 0, 0, "; does not recover within 21 s.", 5 },
    { 436, 900, 55, "% of requests fail (mostly: timeout), but p50 3.4 s for those answered; recovers in", 0 },
};

START_TEST(the_headline_says_what_those_waited_who_were_answered_and_whether_it_recovers) {
    double seconds;
    drain(headlines[_i].in_flight, headlines[_i].timeouts, headlines[_i].drained_a_second, &seconds);
    double end = run.seconds_list[run.seconds_count - 1].at;
    add_step(PHASE_RECOVER, OVERLOAD_S, end - OVERLOAD_S, HALF);
    conclude();
    ck_assert(!(run.verdict.recovered && run.verdict.recovering));
    ck_assert(run.verdict.recovered || run.verdict.recovery == 0);
    assert_says(headlines[_i].says);
    ck_assert_int_eq(run.verdict.exit_code, headlines[_i].exit_code);
    run_fini(&run);
}
END_TEST

Suite *recovery_suite(void) {
    Suite *suite = suite_create("recovery");
    TCase *tests = tcase_create("recovery");
    tcase_add_loop_test(tests, the_wait_for_recovery_follows_from_what_is_queued_and_how_it_drains, 0, (int)ARRAY_LEN(drains));
    tcase_add_test(tests, requests_that_the_client_gave_up_are_waited_for_as_well);
    tcase_add_test(tests, a_dead_service_has_not_recovered_however_long_was_waited);
    tcase_add_test(tests, nothing_in_flight_is_no_backlog);
    tcase_add_test(tests, a_queue_that_ups_and_downs_is_no_shrinking_one);
    tcase_add_test(tests, refusals_are_answers_that_a_queue_shrinks_by);
    tcase_add_test(tests, a_queue_that_only_the_client_empties_does_not_shrink);
    tcase_add_test(tests, recovered_is_three_good_seconds_in_a_row);
    tcase_add_test(tests, the_last_second_of_the_overload_does_not_count);
    tcase_add_loop_test(tests, the_headline_says_what_those_waited_who_were_answered_and_whether_it_recovers, 0,
                        (int)ARRAY_LEN(headlines));
    suite_add_tcase(suite, tests);
    return suite;
}
