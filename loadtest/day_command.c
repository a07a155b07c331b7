#include "bench.h"
#include "command.h"
#include "day.h"
#include "judge.h"

#include <math.h>
#include <stdio.h>

#define PEAK_LATENCIES 10 /* a peak of fewer times what the objective allows may be waited out in a queue */

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
    double plateau_s = bench_seconds(bench, DAY_SECONDS) * DAY_PEAK_PART, objective_s = bench->run.options.slo_latency_ms / 1000;
    display_load(peak, peak_text);
    display_ms(plateau_s * 1000, lasts);
    if (step->verdict == STEP_GOOD) {
        objective_describe(&bench->plan.objectives.items[0], step->tallies, text);
        snprintf(
            verdict->headline, sizeof verdict->headline, "%s holds a day of %.0f requests with a peak of %s %s for %s (%s).%s",
            scenario, step->figures.due, peak_text, unit, lasts, text,
            plateau_s < PEAK_LATENCIES * objective_s ? " So short a peak fits into a queue: it shows nothing of a day." : "");
        return;
    }
    if (worst == NULL)
        return;
    double hour = fmin(fmax((worst->at - worst->seconds - step->begin) / step->seconds, 0), 1) * 24;
    snprintf(verdict->headline, sizeof verdict->headline,
             "%s does not hold a day of %.0f requests with a peak of %s %s for %s (%s), worst at %02.0f:%02.0f of that day (p99 "
             "%s, shed "
             "%.0f, failed %.0f of %.0f) because %s.",
             scenario, step->figures.due, peak_text, unit, lasts, step->why, floor(hour), floor((hour - floor(hour)) * 60),
             display_ms(worst->figures.p99, p99), worst->figures.shed, worst->figures.failed, worst->figures.due,
             verdict->cause.text);
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

int command_day(const struct options *options, const char *line) {
    static const struct bench_command command = { .name = "day", .run = run_day };
    return bench_run_command(&command, options, line);
}
