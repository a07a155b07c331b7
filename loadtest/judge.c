#include "judge.h"

#include "command.h"
#include "cost.h"

#include <math.h>
#include <stdio.h>

#define BEHIND 0.02

/* Every objective that is missed would be met without the generator's own delay. */
static bool is_generators_doing(const struct objectives *objectives, const struct run_step *step) {
    bool missed = false;
    for (size_t i = 0; i < objectives->count; i++) {
        struct objective_count count = objective_count(&objectives->items[i], step->tallies);
        if (objective_is_met(&objectives->items[i], &count))
            continue;
        missed = true;
        count.bad = count.bad_without_generator;
        if (!objective_is_met(&objectives->items[i], &count))
            return false;
    }
    return missed;
}

/* Fewer requests were issued than were due by then, and more than chance explains with Poisson arrivals: it cannot send so many.
 */
bool judge_generator_fell_behind(const struct bench *bench, const struct run_step *step) {
    const struct scenario *scenario = bench->plan.scenario;
    double asked = (step->load + step->load_end) / 2 * step->seconds;
    double arrivals = step->figures.offered * step->seconds;
    if (scenario->is_flow)
        arrivals = (double)step->tallies[scenario->steps[0].endpoint].due;
    return bench->run.options.by == BY_RATE && arrivals < (1 - BEHIND) * asked - 3 * sqrt(asked);
}

/* Errors that are wrong replies are explained by the first of them. */
static void describe_missed(const struct bench *bench, struct run_step *step, const char *missed, bool of_errors) {
    char wrong[RUN_TEXT_SIZE];
    struct tally total;
    run_step_total(step, &total);
    if (of_errors && total.classes[REPLY_BAD] > 0 && engine_describe_wrong_reply(bench->engine, wrong, sizeof wrong))
        snprintf(step->why, sizeof step->why, "%.100s: %.150s", missed, wrong);
    else
        snprintf(step->why, sizeof step->why, "%s", missed);
}

void judge_describe_bad(const struct bench *bench, struct run_step *step) {
    const struct objectives *objectives = &bench->plan.objectives;
    const struct objective *missed = objectives_first_missed(objectives, step->tallies);
    char text[OBJECTIVE_TEXT_SIZE];
    step->generator_limited = is_generators_doing(objectives, step) || judge_generator_fell_behind(bench, step);
    if (missed != NULL)
        describe_missed(bench, step, objective_describe(missed, step->tallies, text), missed->of_errors);
    else if (bench->backlog_growth > 1) /* the trial noticed it before latency did */
        trial_describe_pile(bench->backlog_growth, step->why);
    else
        snprintf(step->why, sizeof step->why, "%s",
                 step->generator_limited ? "failpoint itself cannot send so many" : "too many slow requests");
}

static void write_headline(struct bench *bench, const struct run_step *step, bool met) {
    struct run_verdict *verdict = &bench->run.verdict;
    char load[DISPLAY_NUMBER_SIZE], text[OBJECTIVE_TEXT_SIZE];
    const char *scenario = bench->plan.scenario->name;
    const char *unit = bench->run.options.unit;
    const char *cut_short = verdict->interrupted && !bench->crashed ? "interrupted: " : "";
    display_load(step->load, load);
    objective_describe(&bench->plan.objectives.items[0], step->tallies, text);
    if (bench->crashed)
        snprintf(verdict->headline, sizeof verdict->headline, "%s crashes at %s %s: the server's process has gone.", scenario,
                 load, unit);
    else if (met)
        snprintf(verdict->headline, sizeof verdict->headline, "%s%s holds %s %s (%s).", cut_short, scenario, load, unit, text);
    else if (step->generator_limited)
        snprintf(
            verdict->headline, sizeof verdict->headline,
            "%s%s at %s %s: %s, but failpoint itself was the limit, not the service. Run it on another machine, or with more "
            "--workers.",
            cut_short, scenario, load, unit, step->why);
    else
        snprintf(verdict->headline, sizeof verdict->headline, "%s%s misses its objective at %s %s (%s) because %s.", cut_short,
                 scenario, load, unit, step->why, verdict->cause.text);
}

static int code_of(const struct bench *bench, const struct run_step *step, bool met) {
    if (bench->crashed)
        return EXIT_BROKE;
    if (bench->run.verdict.interrupted)
        return EXIT_INTERRUPTED;
    if (met)
        return EXIT_FINE;
    return step->generator_limited ? EXIT_GENERATOR : EXIT_MISSED;
}

void judge_hold(struct bench *bench, struct run_step *step) {
    struct run_verdict *verdict = &bench->run.verdict;
    bool met = objectives_first_missed(&bench->plan.objectives, step->tallies) == NULL;
    step->verdict = met ? STEP_GOOD : STEP_BAD;
    if (!met)
        judge_describe_bad(bench, step);
    run_find_cause(step, &step->usage, &verdict->cause);
    verdict->generator_limited = step->generator_limited;
    verdict->interrupted = bench_interrupted();
    verdict->exit_code = code_of(bench, step, met);
    write_headline(bench, step, met);
}

/* ---- the result ---- */

static void print_replies(const struct tally *total) {
    for (size_t i = 0; i < REPLY_CLASSES; i++)
        if (total->classes[i] > 0)
            printf("  %s: %llu\n", reply_class_text((enum reply_class)i), (unsigned long long)total->classes[i]);
    for (size_t i = 100; i < STATUS_CODES; i++)
        if (total->statuses[i] > 0)
            printf("  status %zu: %llu\n", i, (unsigned long long)total->statuses[i]);
}

void judge_print_details(const struct bench *bench, const struct run_step *step) {
    const struct run_figures *figures = &step->figures;
    struct tally total;
    run_step_total(step, &total);
    char numbers[6][DISPLAY_NUMBER_SIZE];
    printf("  %.0f requests in %.2f s: %s/s asked, %s/s ok, %s/s ok and in time\n", figures->due, step->seconds,
           display_load(figures->offered, numbers[0]), display_load(figures->served, numbers[1]),
           display_load(figures->goodput, numbers[2]));
    printf("  latency, from when each was due: p50 %s  p90 %s  p99 %s  p99.9 %s  max %s  mean %s\n",
           display_ms(figures->p50, numbers[0]), display_ms(figures->p90, numbers[1]), display_ms(figures->p99, numbers[2]),
           display_ms(figures->p999, numbers[3]), display_ms(figures->max, numbers[4]), display_ms(figures->mean, numbers[5]));
    if (total.shed.total > 0)
        printf("  latency of refusals (429, 503): p50 %s  p99 %s\n",
               display_ms((double)histogram_percentile(&total.shed, 0.5) / 1e6, numbers[0]),
               display_ms((double)histogram_percentile(&total.shed, 0.99) / 1e6, numbers[1]));
    printf("  failpoint itself: up to %s late (p99), %.2f cores; mean wait for a free connection %s\n",
           display_ms(figures->lag_ms, numbers[0]), step->usage.generator_cores, display_ms(figures->wait_ms, numbers[1]));
    printf("  in flight: %.1f on average; by rate and latency %.1f%s\n", step->little_seen, step->little_expected,
           step->little_agrees ? "" : ": something changed while it was measured");
    if (step->usage.server_known)
        printf("  server: %.2f cores, %.1f MiB, %.0f descriptors\n", step->usage.server_cores, step->usage.rss_mib,
               step->usage.descriptors);
    cost_print(&bench->run);
    print_replies(&total);
}
