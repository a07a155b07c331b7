#include "command.h"

#include "bench.h"
#include "instant.h"
#include "judge.h"

#include <math.h>
#include <stdio.h>

#define SECONDS_DEFAULT 10.0
#define SECONDS_MAX 1e6 /* when the number of requests decides */

static double seconds_of(const struct options *options) {
    if (options->duration_s > 0)
        return options->duration_s;
    if (options->requests > 0)
        return options->users > 0 ? SECONDS_MAX : fmin(options->requests / options->rate * 2 + 1, SECONDS_MAX);
    return SECONDS_DEFAULT;
}

/* With users the workers do not count requests; the tester does. */
static bool has_enough_requests(void *context, const struct bench_progress *progress) {
    const struct options *options = context;
    double ended = 0;
    for (size_t i = 0; i < ENDPOINTS; i++)
        ended += (double)tally_ended(&progress->view->tallies[i]);
    return options->requests > 0 && ended >= options->requests;
}

/* ---- the result ---- */

static void print_once(const struct engine_view *view, const struct options *options) {
    char times[4][DISPLAY_NUMBER_SIZE];
    const double shares[] = { 0.5, 0.9, 0.99, 1 };
    for (size_t i = 0; i < 4; i++)
        display_ms((double)histogram_percentile(&view->logged_in, shares[i]) / 1e6, times[i]);
    printf("  users answered well once: %llu of %.0f; half of these by %s, 90 %% by %s, 99 %% by %s, the last by %s\n",
           (unsigned long long)view->logged_in.total, options->users, times[0], times[1], times[2], times[3]);
}

static void hold(struct bench *bench) {
    const struct options *options = bench->options;
    enum run_by by = bench->run.options.by;
    struct bench_step asked = { .phase = PHASE_HOLD, .load = by == BY_USERS ? options->users : options->rate };
    asked.order = bench_order(by, asked.load, seconds_of(options), (uint64_t)options->seed);
    if (by == BY_USERS) {
        asked.enough = has_enough_requests;
        asked.context = (void *)(uintptr_t)options;
    } else {
        asked.order.requests = (uint64_t)options->requests;
    }
    bench_show(bench, "hold", asked.load);
    struct run_step *step = bench_run(bench, &asked);
    if (step == NULL)
        return;
    judge_hold(bench, step);
    display_clear(&bench->display);
    judge_print_details(bench, step);
    if (options->once)
        print_once(bench->now, options);
}

int command_hold(const struct options *options, const char *line) {
    static const struct bench_command command = { .name = "hold", .needs_load = true, .run = hold };
    return bench_run_command(&command, options, line);
}
