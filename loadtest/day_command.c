#include "bench.h"
#include "command.h"
#include "day.h"
#include "duration.h"
#include "judge.h"

#include <math.h>
#include <stdio.h>

/* The second with the most bad requests, or else the slowest; NULL: there is none. */
static const struct run_second *find_worst(const struct run *run) {
    const struct run_second *worst = NULL;
    double worst_bad = 0;
    for (size_t i = 0; i < run->seconds_count; i++) {
        const struct run_second *second = &run->seconds_list[i];
        double bad = second->figures.shed + second->figures.failed;
        if (worst == NULL || bad > worst_bad || (bad == worst_bad && second->figures.p99 > worst->figures.p99)) {
            worst = second;
            worst_bad = bad;
        }
    }
    return worst;
}

static void write_headline(struct bench *bench, const struct run_step *step, double peak) {
    struct run_verdict *verdict = &bench->run.verdict;
    const struct run_second *worst = find_worst(&bench->run);
    char peak_text[DISPLAY_NUMBER_SIZE], lasts[DISPLAY_NUMBER_SIZE], text[OBJECTIVE_TEXT_SIZE], p99[DISPLAY_NUMBER_SIZE];
    const char *scenario = bench->plan.scenario->name, *unit = bench->run.options.unit;
    display_load(peak, peak_text);
    display_ms(day_peak_s(bench_seconds(bench, DAY_SECONDS)) * 1000, lasts);
    if (step->verdict == STEP_GOOD) {
        objective_describe(&bench->plan.objectives.items[0], step->tallies, text);
        snprintf(verdict->headline, sizeof verdict->headline, "%s holds a day of %.0f requests with a peak of %s %s for %s (%s).",
                 scenario, step->figures.due, peak_text, unit, lasts, text);
        return;
    }
    if (worst == NULL)
        return;
    double hour = fmin(fmax((worst->at - worst->seconds - step->begin) / step->seconds, 0), 1) * 24;
    snprintf(verdict->headline, sizeof verdict->headline,
             "%s does not hold a day of %.0f requests with a peak of %s %s for %s (%s) because %s. Its worst second is at "
             "%02.0f:%02.0f of that day: p99 %s, of %.0f requests %.0f shed and %.0f failed.",
             scenario, step->figures.due, peak_text, unit, lasts, step->why, verdict->cause.text, floor(hour),
             floor((hour - floor(hour)) * 60), display_ms(worst->figures.p99, p99), worst->figures.due, worst->figures.shed,
             worst->figures.failed);
}

static void run_day(struct bench *bench) {
    const struct options *options = bench->options;
    double seconds = bench_seconds(bench, DAY_SECONDS), peak = options->peak > 0 ? options->peak : DAY_PEAK;
    struct order order = bench_order(BY_RATE, peak, seconds, (uint64_t)options->seed);
    order.segments_count = day_plan(peak, seconds, order.segments);
    double mean = day_requests(order.segments, order.segments_count) / seconds;
    struct bench_step asked = { .phase = PHASE_DAY, .order = order, .load = mean };
    bench_show(bench, "a day with a peak of", peak);
    struct run_step *step = bench_run(bench, &asked);
    if (step == NULL)
        return;
    judge_hold(bench, step);
    if (!bench->crashed && !bench->run.verdict.interrupted && !step->generator_limited)
        write_headline(bench, step, peak);
    display_clear(&bench->display);
    judge_print_details(bench, step);
}

/* EXIT_FINE also where options are wrong: what begins the run says that. */
static int check_duration(const struct options *options) {
    const struct scenario *scenario = scenario_find(options->scenario);
    struct objectives objectives;
    char error[256], least[DURATION_TEXT_SIZE], peak[DISPLAY_NUMBER_SIZE], wanted[DISPLAY_NUMBER_SIZE];
    if (scenario == NULL ||
        !objectives_parse(options->slo != NULL ? options->slo : scenario->slo, &objectives, error, sizeof error))
        return EXIT_FINE;
    double seconds = options->duration_s > 0 ? options->duration_s : DAY_SECONDS;
    double least_s = day_least_s(&objectives, options->timeout_s);
    if (seconds >= least_s)
        return EXIT_FINE;
    return command_fail(
        EXIT_USAGE,
        "so short a day has its peak for %s, which requests can wait out in a queue: %s are needed, %d times what a "
        "reply may take by --slo, or else by --timeout. Use --duration %s or more",
        display_ms(day_peak_s(seconds) * 1000, peak), display_ms(day_peak_s(least_s) * 1000, wanted), DAY_PEAK_WAITS,
        duration_write(least_s, least));
}

int command_day(const struct options *options, const char *line) {
    static const struct bench_command command = { .name = "day", .run = run_day };
    int code = check_duration(options);
    if (code != EXIT_FINE)
        return code;
    return bench_run_command(&command, options, line);
}
