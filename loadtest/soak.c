#include "bench.h"
#include "command.h"
#include "cost.h"
#include "judge.h"
#include "jwtd/macros.h"
#include "stats.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_DEFAULT 3600.0
#define SETTLING 0.1 /* of the run: caches fill, pools open */
#define HOUR 3600.0

/* What may grow; a growth over the whole run under `worth` of the unit and under `part` of where it began is not reported. */
static const struct {
    const char *name, *unit;
    size_t offset; /* into struct run_second */
    double worth, part;
} watched[] = {
    { "memory", "MiB", offsetof(struct run_second, usage.rss_mib), 0.5, 0.02 },
    { "descriptors", "descriptors", offsetof(struct run_second, usage.descriptors), 5, 1 }, /* the load's own come and go */
    { "threads", "threads", offsetof(struct run_second, usage.threads), 2, 0.1 },
    { "p99", "ms", offsetof(struct run_second, figures.p99), 5, 0.5 },
};

static bool fill_trend(const struct run *run, size_t which, double *times, double *values, struct run_trend *trend) {
    size_t first = (size_t)(SETTLING * (double)run->seconds_count), count = 0;
    for (size_t i = first; i < run->seconds_count; i++) {
        const struct run_second *second = &run->seconds_list[i];
        double value;
        memcpy(&value, (const char *)second + watched[which].offset, sizeof value);
        if (value <= 0)
            continue;
        times[count] = second->at;
        values[count++] = value;
    }
    struct interval slope;
    if (!stats_slope(times, values, count, &slope))
        return false;
    size_t tenth = count / 10 + 1;
    double length = times[count - 1] - times[0];
    snprintf(trend->name, sizeof trend->name, "%s", watched[which].name);
    snprintf(trend->unit, sizeof trend->unit, "%s", watched[which].unit);
    trend->slope = slope.estimate * HOUR;
    trend->low = slope.low * HOUR;
    trend->high = slope.high * HOUR;
    trend->begin = stats_median(values, tenth);
    trend->end = stats_median(values + count - tenth, tenth);
    trend->worth = fmin(watched[which].worth, watched[which].part * trend->begin);
    trend->grows = slope.low > 0 && slope.estimate * length > trend->worth && trend->end - trend->begin > trend->worth / 2;
    return true;
}

static bool find_trends(struct run *run) {
    double *times = calloc(run->seconds_count + 1, sizeof *times), *values = calloc(run->seconds_count + 1, sizeof *values);
    bool grows = false;
    for (size_t i = 0; i < ARRAY_LEN(watched) && times != NULL && values != NULL; i++) {
        struct run_trend trend = { .grows = false };
        if (!fill_trend(run, i, times, values, &trend))
            continue;
        struct run_trend *kept = run_add_trend(run);
        if (kept != NULL)
            *kept = trend;
        grows = grows || trend.grows;
    }
    free(times);
    free(values);
    return grows;
}

static void print_trends(const struct run *run, const struct run_step *step) {
    for (size_t i = 0; i < run->trends_count; i++) {
        char text[RUN_TEXT_SIZE];
        run_describe_trend(&run->trends[i], text);
        printf("  %-12s %s\n", run->trends[i].name, text);
    }
    printf("  %.0f requests, %.0f ok, %.0f shed, %.0f failed\n", step->figures.due, step->figures.ok, step->figures.shed,
           step->figures.failed);
    cost_print(run);
}

static void conclude(struct bench *bench, struct run_step *step) {
    struct run *run = &bench->run;
    struct run_verdict *verdict = &run->verdict;
    bool grows = find_trends(run);
    judge_hold(bench, step);
    display_clear(&bench->display);
    print_trends(run, step);
    if (!grows)
        return;
    char load[DISPLAY_NUMBER_SIZE];
    size_t len = (size_t)snprintf(verdict->headline, sizeof verdict->headline, "%s at %s %s leaks:", bench->plan.scenario->name,
                                  display_load(step->load, load), run->options.unit);
    for (size_t i = 0; i < run->trends_count; i++) {
        const struct run_trend *trend = &run->trends[i];
        if (!trend->grows || len >= sizeof verdict->headline)
            continue;
        double requests_an_hour = step->figures.due / step->seconds * HOUR;
        len += (size_t)snprintf(verdict->headline + len, sizeof verdict->headline - len, " %s grows by %.3g %s an hour",
                                trend->name, trend->slope, trend->unit);
        if (strcmp(trend->unit, "MiB") == 0 && requests_an_hour > 0 && len < sizeof verdict->headline)
            len += (size_t)snprintf(verdict->headline + len, sizeof verdict->headline - len, " (%.0f bytes a request)",
                                    trend->slope * 1024 * 1024 / requests_an_hour);
    }
    if (verdict->exit_code == EXIT_FINE)
        verdict->exit_code = EXIT_MISSED;
}

static void soak(struct bench *bench) {
    const struct options *options = bench->options;
    enum run_by by = bench->run.options.by;
    struct bench_step asked = { .phase = PHASE_SOAK, .load = by == BY_USERS ? options->users : options->rate };
    asked.order = bench_order(by, asked.load, bench_seconds(bench, SECONDS_DEFAULT), (uint64_t)options->seed);
    bench_show(bench, "soak", asked.load);
    struct run_step *step = bench_run(bench, &asked);
    if (step != NULL)
        conclude(bench, step);
}

int command_soak(const struct options *options, const char *line) {
    static const struct bench_command command = { .name = "soak", .needs_load = true, .run = soak };
    return bench_run_command(&command, options, line);
}
