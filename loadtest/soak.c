#include "bench.h"
#include "command.h"
#include "cost.h"
#include "judge.h"
#include "jwtd/macros.h"
#include "stats.h"

#include <math.h>
#include <stdarg.h>
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
    bool is_of_server; /* what it keeps of requests that have ended: a leak, when it grows */
} watched[] = {
    { "memory", "MiB", offsetof(struct run_second, usage.rss_mib), 0.5, 0.02, true },
    { "descriptors", "descriptors", offsetof(struct run_second, usage.descriptors), 5, 1, true },
    { "threads", "threads", offsetof(struct run_second, usage.threads), 2, 0.1, true },
    { "p99", "ms", offsetof(struct run_second, figures.p99), 5, 0.5, false },
    { "in flight", "requests", offsetof(struct run_second, figures.in_flight), 5, 0.5, false },
};

/* 0: not known. Of descriptors, those that are no connections of the load: these come and go with it. */
static double value_of(const struct run_second *second, size_t which) {
    double value;
    memcpy(&value, (const char *)second + watched[which].offset, sizeof value);
    bool is_descriptors = watched[which].offset == offsetof(struct run_second, usage.descriptors);
    return is_descriptors && value > 0 ? fmax(value - second->figures.connections, 1) : value;
}

/* Until the arrivals end: what comes then is the end of a queue. */
static bool fill_trend(const struct run *run, double end, size_t which, double *times, double *values, struct run_trend *trend) {
    size_t first = (size_t)(SETTLING * (double)run->seconds_count), count = 0;
    for (size_t i = first; i < run->seconds_count; i++) {
        const struct run_second *second = &run->seconds_list[i];
        double value = value_of(second, which);
        if (value <= 0 || second->at > end)
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

static void find_trends(struct run *run, const struct run_step *step) {
    double *times = calloc(run->seconds_count + 1, sizeof *times), *values = calloc(run->seconds_count + 1, sizeof *values);
    for (size_t i = 0; i < ARRAY_LEN(watched) && times != NULL && values != NULL; i++) {
        struct run_trend trend = { .grows = false };
        if (!fill_trend(run, step->begin + step->seconds, i, times, values, &trend))
            continue;
        struct run_trend *kept = run_add_trend(run);
        if (kept != NULL)
            *kept = trend;
    }
    free(times);
    free(values);
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

/* ---- the headline ---- */

static const struct run_trend *find_growth(const struct run *run, const char *name) {
    for (size_t i = 0; i < run->trends_count; i++)
        if (run->trends[i].grows && strcmp(run->trends[i].name, name) == 0)
            return &run->trends[i];
    return NULL;
}

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size, const char *format, ...) {
    size_t len = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + len, size - len, format, arguments);
    va_end(arguments);
}

/* "memory by 15.2 MiB an hour (102 bytes a request)", "descriptors by 944 an hour", "p99 by 10 min an hour": appends it. */
static void append_growth(char *text, size_t size, const struct run_trend *trend, double requests_an_hour) {
    char slope[RUN_AMOUNT_SIZE];
    bool has_unit = strcmp(trend->unit, trend->name) != 0;
    append(text, size, "%s%s by %s an hour", text[0] == '\0' ? "" : ", ", trend->name,
           has_unit ? run_describe_amount(trend, trend->slope, slope) : display_load(trend->slope, slope));
    if (strcmp(trend->unit, "MiB") == 0 && requests_an_hour > 0)
        append(text, size, " (%.0f bytes a request)", trend->slope * 1024 * 1024 / requests_an_hour);
}

/* What grows that the server keeps, or else of what requests wait; empty: nothing does. */
static void describe_growth(const struct run *run, const struct run_step *step, bool of_server, char text[RUN_TEXT_SIZE]) {
    text[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
        const struct run_trend *trend = find_growth(run, watched[i].name);
        if (trend != NULL && watched[i].is_of_server == of_server)
            append_growth(text, RUN_TEXT_SIZE, trend, step->figures.due / step->seconds * HOUR);
    }
}

/* Behind what judge_hold says of the objective. What a server keeps for each request that waits grows with its queue. */
static void conclude(struct bench *bench, struct run_step *step) {
    struct run *run = &bench->run;
    struct run_verdict *verdict = &run->verdict;
    char kept[RUN_TEXT_SIZE], waits[RUN_TEXT_SIZE], queue[RUN_AMOUNT_SIZE];
    find_trends(run, step);
    judge_hold(bench, step);
    display_clear(&bench->display);
    print_trends(run, step);
    describe_growth(run, step, true, kept);
    describe_growth(run, step, false, waits);
    const struct run_trend *in_flight = find_growth(run, "in flight");
    if (in_flight != NULL)
        append(verdict->headline, sizeof verdict->headline,
               " Its queue grows by %s requests an hour: more arrive than are answered.%s%s%s",
               display_load(in_flight->slope, queue), kept[0] != '\0' ? " What grows with it (" : "", kept,
               kept[0] != '\0' ? ") may be the queue itself: only a load that it holds shows a leak." : "");
    else if (kept[0] != '\0')
        append(verdict->headline, sizeof verdict->headline, " It leaks: what grows is %s.", kept);
    else if (waits[0] != '\0')
        append(verdict->headline, sizeof verdict->headline, " It becomes slower: what grows is %s.", waits);
    if (verdict->exit_code == EXIT_FINE && (kept[0] != '\0' || waits[0] != '\0'))
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
