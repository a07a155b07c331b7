#include "command.h"

#include "bench.h"
#include "instant.h"
#include "judge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_DEFAULT 10.0
#define ARRIVALS_FOR_EVER_S 1e6

static double seconds_of(const struct options *options) {
    if (options->duration_s > 0)
        return options->duration_s;
    if (options->requests > 0)
        return options->users > 0 || options->rate <= 0 ? ARRIVALS_FOR_EVER_S : options->requests / options->rate * 2 + 1;
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

static void make_step(const struct options *options, struct bench_step *step) {
    int64_t duration = s_to_ns(seconds_of(options));
    *step = (struct bench_step){ .phase = "hold", .order = { .seed = (uint64_t)options->seed } };
    if (options->users > 0) {
        step->load = options->users;
        step->order.kind = ORDER_USERS;
        step->order.users = (unsigned)options->users;
        step->order.duration_ns = duration;
        step->enough = has_enough_requests;
        step->context = (void *)(uintptr_t)options;
        return;
    }
    step->load = options->rate;
    step->order.kind = ORDER_LOAD;
    step->order.segments_count = 1;
    step->order.segments[0] = (struct segment){ options->rate, options->rate, duration };
    step->order.requests = (uint64_t)options->requests;
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

static void print_details(const struct bench *bench, const struct run_step *step, const struct tally *total) {
    const struct run_figures *figures = &step->figures;
    char numbers[6][DISPLAY_NUMBER_SIZE];
    printf("  %.0f requests in %.2f s: %s/s asked, %s/s ok, %s/s ok and in time\n", figures->due, step->seconds,
           display_load(figures->offered, numbers[0]), display_load(figures->served, numbers[1]),
           display_load(figures->goodput, numbers[2]));
    printf("  latency from due: p50 %s  p90 %s  p99 %s  p99.9 %s  max %s  mean %s\n", display_ms(figures->p50, numbers[0]),
           display_ms(figures->p90, numbers[1]), display_ms(figures->p99, numbers[2]), display_ms(figures->p999, numbers[3]),
           display_ms(figures->max, numbers[4]), display_ms(figures->mean, numbers[5]));
    if (total->shed.total > 0)
        printf("  refusals (429, 503): p50 %s  p99 %s\n",
               display_ms((double)histogram_percentile(&total->shed, 0.5) / 1e6, numbers[0]),
               display_ms((double)histogram_percentile(&total->shed, 0.99) / 1e6, numbers[1]));
    printf("  generator: lag p99 %s, wait for a connection %s, %.2f cores; in flight %.1f (Little: %.1f%s)\n",
           display_ms(figures->lag_ms, numbers[0]), display_ms(figures->wait_ms, numbers[1]), step->usage.generator_cores,
           step->little_seen, step->little_expected, step->little_agrees ? "" : ", does not agree");
    if (step->usage.server_known)
        printf("  server: %.2f cores, %.1f MiB, %.0f descriptors\n", step->usage.server_cores, step->usage.rss_mib,
               step->usage.descriptors);
    print_replies(total);
    if (bench->options->once)
        print_once(bench->now, bench->options);
}

static void hold(struct bench *bench) {
    struct bench_step asked;
    make_step(bench->options, &asked);
    char load[DISPLAY_NUMBER_SIZE];
    snprintf(bench->display.progress, sizeof bench->display.progress, "hold %s %s", display_load(asked.load, load),
             bench->run.options.unit);
    struct run_step *step = bench_run(bench, &asked);
    struct tally *total = calloc(1, sizeof *total);
    if (step != NULL && total != NULL) {
        run_step_total(step, total);
        judge_hold(bench, step);
        display_clear(&bench->display);
        print_details(bench, step, total);
    }
    free(total);
}

int command_hold(const struct options *options, const char *line) {
    struct bench bench;
    if (options->rate <= 0 && options->users <= 0) {
        fputs("failpoint: hold takes --rate N or --users N\n", stderr);
        return EXIT_USAGE;
    }
    int code = bench_init(&bench, options, "hold", line);
    if (code == EXIT_FINE) {
        if (bench_prepare(&bench) == EXIT_FINE)
            hold(&bench);
        code = bench_finish(&bench);
    }
    bench_fini(&bench);
    return code;
}
