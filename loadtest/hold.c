#include "command.h"

#include "bench.h"
#include "cost.h"
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

static void print_replies(const struct tally *total) {
    for (size_t i = 0; i < REPLY_CLASSES; i++)
        if (total->classes[i] > 0)
            printf("  %-10s %llu\n", reply_class_name((enum reply_class)i), (unsigned long long)total->classes[i]);
    for (size_t i = 100; i < STATUS_CODES; i++)
        if (total->statuses[i] > 0)
            printf("  status %zu %llu\n", i, (unsigned long long)total->statuses[i]);
}

static void print_once(const struct engine_view *view, const struct options *options) {
    char times[4][DISPLAY_NUMBER_SIZE];
    const double shares[] = { 0.5, 0.9, 0.99, 1 };
    for (size_t i = 0; i < 4; i++)
        display_ms((double)histogram_percentile(&view->logged_in, shares[i]) / 1e6, times[i]);
    printf("  users answered well once: %llu of %.0f; half of these by %s, 90 %% by %s, 99 %% by %s, the last by %s\n",
           (unsigned long long)view->logged_in.total, options->users, times[0], times[1], times[2], times[3]);
}

static void print_details(const struct bench *bench, const struct run_step *step) {
    const struct run_figures *figures = &step->figures;
    struct tally total;
    run_step_total(step, &total);
    char numbers[6][DISPLAY_NUMBER_SIZE];
    printf("  %.0f requests in %.2f s: %s/s asked, %s/s ok, %s/s ok and in time\n", figures->due, step->seconds,
           display_load(figures->offered, numbers[0]), display_load(figures->served, numbers[1]),
           display_load(figures->goodput, numbers[2]));
    printf("  latency from due: p50 %s  p90 %s  p99 %s  p99.9 %s  max %s  mean %s\n", display_ms(figures->p50, numbers[0]),
           display_ms(figures->p90, numbers[1]), display_ms(figures->p99, numbers[2]), display_ms(figures->p999, numbers[3]),
           display_ms(figures->max, numbers[4]), display_ms(figures->mean, numbers[5]));
    if (total.shed.total > 0)
        printf("  refusals (429, 503): p50 %s  p99 %s\n",
               display_ms((double)histogram_percentile(&total.shed, 0.5) / 1e6, numbers[0]),
               display_ms((double)histogram_percentile(&total.shed, 0.99) / 1e6, numbers[1]));
    printf("  generator: lag p99 %s, wait for a connection %s, %.2f cores; in flight %.1f (Little: %.1f%s)\n",
           display_ms(figures->lag_ms, numbers[0]), display_ms(figures->wait_ms, numbers[1]), step->usage.generator_cores,
           step->little_seen, step->little_expected, step->little_agrees ? "" : ", does not agree");
    if (step->usage.server_known)
        printf("  server: %.2f cores, %.1f MiB, %.0f descriptors\n", step->usage.server_cores, step->usage.rss_mib,
               step->usage.descriptors);
    cost_print(&bench->run);
    print_replies(&total);
    if (bench->options->once)
        print_once(bench->now, bench->options);
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
    print_details(bench, step);
}

int command_hold(const struct options *options, const char *line) {
    static const struct bench_command command = { .name = "hold", .needs_load = true, .run = hold };
    return bench_run_command(&command, options, line);
}
