/* The page of a run: its sentences, for who sees them for the first time. How it looks is what the tests in a browser are for. */
#include "jwtd/macros.h"
#include "loadtest/command.h"
#include "loadtest/instant.h"
#include "loadtest/report.h"

#include <check.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *report_suite(void);

#define TEMPLATE "/tmp/failpoint-test-XXXXXX"
#define PAGE_SIZE ((size_t)1 << 20)

static struct run run;
static char *page;

static struct run_step *add_step(enum run_phase phase, double load, enum step_verdict verdict) {
    struct run_step *step = run_add_step(&run);
    ck_assert_ptr_nonnull(step);
    step->phase = phase;
    step->begin = 10 * (double)run.steps_count;
    step->seconds = 9;
    step->load = step->load_end = load;
    step->verdict = verdict;
    step->little_agrees = true;
    step->figures = (struct run_figures){ .due = load * 9, .ok = load * 9, .served = load, .p50 = 10, .p90 = 20, .p99 = 30 };
    return step;
}

/* A search whose service does not come back: at half the limit every request fails. */
static void set_up(void) {
    run_init(&run);
    run.options.slo_latency_ms = 1000;
    run.options.by = BY_RATE;
    run.seconds = 317.3;
    snprintf(run.options.command, sizeof run.options.command, "find");
    snprintf(run.options.scenario, sizeof run.options.scenario, "login");
    snprintf(run.options.unit, sizeof run.options.unit, "req/s");
    snprintf(run.options.slo, sizeof run.options.slo, "p99<=1s");
    run.verdict = (struct run_verdict){ .limit = 123456,
                                        .knee = 0.00001234,
                                        .safe = 92592,
                                        .beyond = COLLAPSE_DEGRADES,
                                        .overload_p50 = 2220,
                                        .exit_code = EXIT_BROKE };
    add_step(PHASE_HOLD, 123456, STEP_GOOD);
    struct run_step *bad = add_step(PHASE_HOLD, 125000, STEP_BAD);
    snprintf(bad->why, sizeof bad->why, "p99 1.02 s > 1 s");
    bad->generator_limited = true;
    bad->little_agrees = false;
    bad->little_expected = 10;
    add_step(PHASE_OVERLOAD, 185000, STEP_NOT_JUDGED);
    struct run_step *recover = add_step(PHASE_RECOVER, 61728, STEP_NOT_JUDGED);
    recover->figures.ok = 0;
    recover->figures.failed = recover->figures.due = 899;
    recover->tallies[ENDPOINT_LOGIN].due = recover->tallies[ENDPOINT_LOGIN].classes[REPLY_SERVER] = 899;
    struct run_trend *trend = run_add_trend(&run);
    ck_assert_ptr_nonnull(trend);
    *trend = (struct run_trend){
        .slope = 6.01e5, .low = 1.23e4, .high = 9e8, .begin = 7.487, .end = 1.23e7, .worth = 5, .grows = true
    };
    snprintf(trend->name, sizeof trend->name, "p99");
    snprintf(trend->unit, sizeof trend->unit, "ms");
    page = calloc(1, PAGE_SIZE);
    ck_assert_ptr_nonnull(page);
}

static void tear_down(void) {
    run_fini(&run);
    free(page);
}

static void write_page(void) {
    char path[] = TEMPLATE, error[256];
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_msg(report_write(&run, path, error, sizeof error), "%s", error);
    ssize_t len = read(fd, page, PAGE_SIZE - 1);
    ck_assert_int_gt(len, 0);
    close(fd);
    unlink(path);
}

static void assert_says(const char *text) {
    ck_assert_msg(strstr(page, text) != NULL, "the page does not say \"%s\": %.1500s", text, strstr(page, "<body>"));
}

START_TEST(what_fails_at_half_the_limit_stands_beside_what_came_above_it) {
    write_page();
    assert_says(
        "<dt>Recovery</dt><dd>none<small>above the limit: answers late, no failures, but p50 2.22 s for those answered; at half "
        "the limit 100 % of requests fail (mostly: other 5xx)</small>");
}
END_TEST

START_TEST(knee_limit_and_run_it_at_are_explained_where_they_stand) {
    write_page();
    assert_says("<dt>Run it at</dt><dd>92,592 req/s<small>or less: three quarters of the limit");
    assert_says("<dt>Limit</dt><dd>123,456 req/s<small>the highest load that met the objective for long, p99&lt;=1s<");
    assert_says("<dt>Knee</dt><dd>0.0000123 req/s<small>up to here requests do not queue");
}
END_TEST

START_TEST(a_limit_that_was_not_reached_and_a_crash_are_told_apart_from_others) {
    run.verdict.at_least = true;
    run.verdict.beyond = COLLAPSE_CRASHES;
    run.verdict.collapse = 125000;
    write_page();
    assert_says(
        "<dt>Limit, at least</dt><dd>123,456 req/s<small>the highest load that was tried and met the objective, p99&lt;=1s<");
    assert_says("<dt>Collapse</dt><dd>125,000 req/s<small>here the server went<");
}
END_TEST

START_TEST(the_steps_and_their_verdicts_are_in_plain_words) {
    write_page();
    assert_says("The load was doubled until it was too much");
    assert_says("bad: p99 1.02 s &gt; 1 s (failpoint itself was the limit) (something changed while it was measured)");
    assert_says("arrivals by chance (Poisson, open loop)");
    assert_says("<dt>Took</dt><dd>5.29 min</dd>");
    assert_says("grows: 7.49 ms to 3.42 h, by 10 min an hour (95 %: 12.3 s to 250 h)");
}
END_TEST

/* ---- latency over load ---- */

static const struct {
    const char *what;
    struct {
        double load, p50;
    } steps[6];
    bool falls; /* of these the line may */
} curves[] = {
    { "trials above the limit, each ended at another moment",
      { { 50, 10 }, { 100, 60 }, { 115, 619 }, { 125, 543 }, { 146, 406 }, { 230, 841 } },
      false },
    { "near loads of which one met a neighbour", { { 50, 10 }, { 80, 300 }, { 90, 40 }, { 99, 70 } }, false },
    { "one fall after the other", { { 80, 90 }, { 90, 80 }, { 99, 70 }, { 110, 60 } }, false },
    { "a service that is slow when it has nothing to do", { { 10, 300 }, { 50, 20 }, { 99, 70 } }, true },
};

/* Whether the line of p50 goes down somewhere; below its beginning the picture has larger numbers. */
static bool line_falls(void) {
    const char *chart = strstr(page, "aria-label=\"Latency over load\"");
    ck_assert_ptr_nonnull(chart);
    const char *at = strstr(chart, "<polyline class=\"line p50\" points=\"");
    ck_assert_ptr_nonnull(at);
    double height = INFINITY;
    for (at = strstr(at, "points=\"") + sizeof "points=\"" - 1; *at != '"'; at += strcspn(at, " ") + 1) {
        double next = strtod(strchr(at, ',') + 1, NULL);
        if (next > height)
            return true;
        height = next;
    }
    return false;
}

START_TEST(latency_over_load_does_not_zigzag) {
    run_fini(&run);
    run_init(&run);
    run.verdict.limit = 100;
    for (size_t i = 0; i < ARRAY_LEN(curves[_i].steps) && curves[_i].steps[i].load > 0; i++)
        add_step(PHASE_BISECT, curves[_i].steps[i].load, STEP_GOOD)->figures.p50 = curves[_i].steps[i].p50;
    write_page();
    ck_assert_msg(line_falls() == curves[_i].falls, "%s", curves[_i].what);
}
END_TEST

/* ---- numbers ---- */

/* 1.23e+04 is no number for people. */
START_TEST(no_number_has_an_exponent) {
    regex_t exponent;
    ck_assert_int_eq(regcomp(&exponent, "[0-9]e[+-]?[0-9]", REG_EXTENDED), 0);
    write_page();
    const char *body = strstr(page, "<body>");
    regmatch_t match = { .rm_so = 0 };
    ck_assert_ptr_nonnull(body);
    ck_assert_msg(regexec(&exponent, body, 1, &match, 0) != 0, "%.40s", body + match.rm_so);
    regfree(&exponent);
}
END_TEST

Suite *report_suite(void) {
    Suite *suite = suite_create("report");
    TCase *tests = tcase_create("report");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_fails_at_half_the_limit_stands_beside_what_came_above_it);
    tcase_add_test(tests, knee_limit_and_run_it_at_are_explained_where_they_stand);
    tcase_add_test(tests, a_limit_that_was_not_reached_and_a_crash_are_told_apart_from_others);
    tcase_add_test(tests, the_steps_and_their_verdicts_are_in_plain_words);
    tcase_add_loop_test(tests, latency_over_load_does_not_zigzag, 0, (int)ARRAY_LEN(curves));
    tcase_add_test(tests, no_number_has_an_exponent);
    suite_add_tcase(suite, tests);
    return suite;
}
