#include "bench.h"
#include "command.h"

#include <math.h>
#include <stdio.h>

#define SECONDS_DEFAULT 60.0
#define IN_A_ROW 3 /* seconds that miss the objective: one may be chance */

/* The first of so many in a row; NULL: none. */
static const struct run_second *first_missed(const struct bench *bench) {
    double allowed = objectives_error_share(&bench->plan.objectives);
    unsigned in_a_row = 0;
    for (size_t i = 0; i < bench->run.seconds_count; i++) {
        in_a_row = run_second_is_good(&bench->run, &bench->run.seconds_list[i], allowed) ? 0 : in_a_row + 1;
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
        run_find_cause(step, &second->usage, &verdict->cause);
        snprintf(verdict->headline, sizeof verdict->headline,
                 "%s first misses its objective at about %s %s (p99 %s, shed %.0f, failed %.0f in that second) because %s.",
                 bench->plan.scenario->name, display_load(verdict->limit, limit), bench->run.options.unit,
                 display_ms(second->figures.p99, p99), second->figures.shed, second->figures.failed, verdict->cause.text);
        verdict->exit_code = bench->crashed ? EXIT_BROKE : EXIT_MISSED;
    }
    verdict->interrupted = bench_interrupted();
    if (verdict->interrupted)
        verdict->exit_code = EXIT_INTERRUPTED;
}

static void ramp(struct bench *bench) {
    const struct options *options = bench->options;
    struct bench_step asked = { .phase = PHASE_RAMP, .load = options->rate, .load_end = options->rate_end };
    asked.order = bench_order(BY_RATE, options->rate, bench_seconds(bench, SECONDS_DEFAULT), (uint64_t)options->seed);
    asked.order.segments[0].rate_end = options->rate_end;
    char from[DISPLAY_NUMBER_SIZE], what[2 * DISPLAY_NUMBER_SIZE];
    snprintf(what, sizeof what, "ramp %s to", display_load(options->rate, from));
    bench_show(bench, what, options->rate_end);
    const struct run_step *step = bench_run(bench, &asked);
    if (step != NULL)
        conclude(bench, step);
}

int command_ramp(const struct options *options, const char *line) {
    static const struct bench_command command = { .name = "ramp", .run = ramp };
    if (options->rate_end <= 0)
        return command_fail(EXIT_USAGE, "ramp takes --to N, and --rate N to begin with");
    return bench_run_command(&command, options, line);
}
