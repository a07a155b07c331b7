#include "bench.h"
#include "command.h"
#include "instant.h"
#include "judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SECONDS_DEFAULT 60.0
#define IN_A_ROW 3 /* seconds that miss the objective: one may be chance */

static bool second_is_good(const struct bench *bench, const struct run_second *second) {
    const struct run_figures *figures = &second->figures;
    double limit = bench->run.options.slo_latency_ms, bad = figures->shed + figures->failed;
    return (limit <= 0 || figures->p99 <= limit) && bad <= fmax(1, 0.001 * (figures->ok + bad));
}

/* The first of so many in a row; NULL: none. */
static const struct run_second *first_missed(const struct bench *bench) {
    unsigned in_a_row = 0;
    for (size_t i = 0; i < bench->run.seconds_count; i++) {
        in_a_row = second_is_good(bench, &bench->run.seconds_list[i]) ? 0 : in_a_row + 1;
        if (in_a_row == IN_A_ROW)
            return &bench->run.seconds_list[i + 1 - IN_A_ROW];
    }
    return NULL;
}

static void conclude(struct bench *bench, const struct run_step *step) {
    struct run_verdict *verdict = &bench->run.verdict;
    const struct run_second *second = first_missed(bench);
    char load[DISPLAY_NUMBER_SIZE], limit[DISPLAY_NUMBER_SIZE], p99[DISPLAY_NUMBER_SIZE];
    display_load(step->load_end, load);
    if (second == NULL) {
        snprintf(verdict->headline, sizeof verdict->headline, "%s holds its objective up to %s %s.", bench->plan.scenario->name,
                 load, bench->run.options.unit);
        verdict->exit_code = bench->crashed ? EXIT_BROKE : EXIT_FINE;
    } else {
        double part = fmin(fmax((second->at - second->seconds - step->begin) / step->seconds, 0), 1);
        verdict->limit = step->load + part * (step->load_end - step->load);
        struct tally total;
        struct cause cause;
        run_step_total(step, &total);
        cause_find(&cause, &second->usage, &total, step->seconds);
        snprintf(verdict->because, sizeof verdict->because, "%s", cause.text);
        snprintf(verdict->headline, sizeof verdict->headline,
                 "%s first misses its objective at about %s %s (p99 %s, shed %.0f, failed %.0f in that second) because %s.",
                 bench->plan.scenario->name, display_load(verdict->limit, limit), bench->run.options.unit,
                 display_ms(second->figures.p99, p99), second->figures.shed, second->figures.failed, cause.text);
        verdict->exit_code = bench->crashed ? EXIT_BROKE : EXIT_MISSED;
    }
    verdict->interrupted = bench_interrupted();
    if (verdict->interrupted)
        verdict->exit_code = EXIT_INTERRUPTED;
}

static void ramp(struct bench *bench) {
    const struct options *options = bench->options;
    double seconds = options->duration_s > 0 ? options->duration_s : SECONDS_DEFAULT;
    struct bench_step asked = { .phase = "ramp", .load = options->rate, .load_end = options->rate_end };
    asked.order = (struct order){ .kind = ORDER_LOAD, .segments_count = 1, .seed = (uint64_t)options->seed };
    asked.order.segments[0] = (struct segment){ options->rate, options->rate_end, s_to_ns(seconds) };
    char from[DISPLAY_NUMBER_SIZE], to[DISPLAY_NUMBER_SIZE];
    snprintf(bench->display.progress, sizeof bench->display.progress, "ramp %s to %s %s", display_load(options->rate, from),
             display_load(options->rate_end, to), bench->run.options.unit);
    const struct run_step *step = bench_run(bench, &asked);
    if (step != NULL)
        conclude(bench, step);
}

int command_ramp(const struct options *options, const char *line) {
    struct bench bench;
    if (options->rate_end <= 0) {
        fputs("failpoint: ramp takes --to N, and --rate N to begin with\n", stderr);
        return EXIT_USAGE;
    }
    int code = bench_init(&bench, options, "ramp", line);
    if (code == EXIT_FINE) {
        if (bench_prepare(&bench) == EXIT_FINE)
            ramp(&bench);
        code = bench_finish(&bench);
    }
    bench_fini(&bench);
    return code;
}
