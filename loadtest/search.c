#include "search.h"

#include "command.h"
#include "display.h"
#include "drift.h"
#include "instant.h"
#include "recovery.h"

#include <math.h>
#include <stdio.h>

#define KNEE_FACTOR 3.0
#define SAFE_PART 0.75
#define FAILED_SHARE 0.001
#define COLLAPSED_PART 0.5
#define SENTENCE_SIZE 512

/* ---- knee ---- */

static bool is_good(const struct run_step *step) {
    return step->verdict == STEP_GOOD;
}

static const struct run_step *lowest_good(const struct run *run) {
    const struct run_step *lowest = NULL;
    for (size_t i = 0; i < run->steps_count; i++) {
        const struct run_step *step = &run->steps[i];
        if (is_good(step) && (lowest == NULL || step->load < lowest->load))
            lowest = step;
    }
    return lowest;
}

double search_knee(const struct run *run) {
    const struct run_step *lowest = lowest_good(run);
    if (lowest == NULL)
        return 0;
    double bent = INFINITY, knee = 0;
    for (size_t i = 0; i < run->steps_count; i++) {
        const struct run_step *step = &run->steps[i];
        if (is_good(step) && step->figures.p90 > KNEE_FACTOR * lowest->figures.p90)
            bent = fmin(bent, step->load);
    }
    for (size_t i = 0; i < run->steps_count; i++) {
        const struct run_step *step = &run->steps[i];
        if (is_good(step) && step->load < bent)
            knee = fmax(knee, step->load);
    }
    return knee;
}

/* ---- above the limit ---- */

/* 1.5 times what was tried at most may be no overload at all. */
static bool is_met(const struct run *run, const struct run_figures *figures) {
    return run->options.slo_latency_ms > 0 && figures->p99 <= run->options.slo_latency_ms;
}

/* Of those who were answered: a timeout counts as a latency, too, and is longer than any other. */
static double answered_p50_ms(const struct run_step *overload) {
    struct tally total;
    run_step_total(overload, &total);
    double answered = (double)total.classes[REPLY_OK], timed = answered + (double)total.classes[REPLY_TIMEOUT];
    if (answered < 1)
        return 0;
    return (double)histogram_percentile(&total.latency, 0.5 * answered / timed) / (double)NS_PER_MS;
}

static void judge_recovery(struct run *run, const struct run_step *overload, const struct run_step *recover, double allowed) {
    struct run_verdict *verdict = &run->verdict;
    struct recovery recovery = recovery_of(run, overload, recover->load, allowed);
    enum recovery_state state = recovery_conclude(&recovery, run, recover->begin + recover->seconds, &verdict->recovery);
    verdict->recovered = state == RECOVERY_DONE;
    verdict->recovering = state == RECOVERY_UNDER_WAY;
}

void search_judge_overload(struct run *run, double error_share_allowed) {
    struct run_verdict *verdict = &run->verdict;
    const struct run_step *overload = run_find_step(run, PHASE_OVERLOAD), *recover = run_find_step(run, PHASE_RECOVER);
    if (overload == NULL)
        return;
    const struct run_figures *figures = &overload->figures;
    if (verdict->beyond == COLLAPSE_CRASHES)
        verdict->collapse = overload->load;
    else if (figures->served < COLLAPSED_PART * verdict->limit)
        verdict->beyond = COLLAPSE_COLLAPSES;
    else if (figures->failed > FAILED_SHARE * figures->due)
        verdict->beyond = COLLAPSE_FAILS;
    else if (figures->shed > 0)
        verdict->beyond = COLLAPSE_SHEDS;
    else
        verdict->beyond = is_met(run, figures) ? COLLAPSE_UNKNOWN : COLLAPSE_DEGRADES;
    if (verdict->beyond == COLLAPSE_COLLAPSES)
        verdict->collapse = overload->load;
    verdict->overload_p50 = answered_p50_ms(overload);
    if (recover != NULL)
        judge_recovery(run, overload, recover, error_share_allowed);
}

/* ---- limiters ---- */

#define ADVICE "Raise the limit of the server, or switch it off (limit.enabled=false), to measure the service itself."
#define WALL_SHARE 0.5
#define WALL_SERVED 5.0 /* per second: with so little, a search would take hours and find no more */
#define LIMITED_S 1.0   /* a step shorter than that shows the burst, not the rate */

double search_limiter_rate(const struct run *run) {
    double rate = 0;
    for (size_t i = 0; i < run->steps_count; i++) {
        const struct run_step *step = &run->steps[i];
        uint64_t limited = 0;
        for (size_t j = 0; j < ENDPOINTS; j++)
            limited += step->tallies[j].statuses[429];
        if (limited > 0 && step->seconds >= LIMITED_S)
            rate = fmax(rate, step->figures.served);
    }
    return rate;
}

bool search_meets_limiter(struct run *run, const struct run_step *step) {
    double limited = 0, ended = 0;
    for (size_t i = 0; i < ENDPOINTS; i++) {
        limited += (double)step->tallies[i].statuses[429];
        ended += (double)tally_ended(&step->tallies[i]);
    }
    if (limited < WALL_SHARE * ended || limited < 1 || step->figures.served >= WALL_SERVED)
        return false;
    char load[DISPLAY_NUMBER_SIZE];
    struct run_verdict *verdict = &run->verdict;
    verdict->cause = (struct cause){ CAUSE_LIMITER, 1, "a rate limiter answers 429" };
    verdict->exit_code = EXIT_MISSED;
    snprintf(verdict->headline, sizeof verdict->headline,
             "%s meets a rate limiter: at %s %s it answers 429 to %.0f %% of requests. " ADVICE, run->options.scenario,
             display_load(step->load, load), run->options.unit, limited / ended * 100);
    return true;
}

/* ---- the sentence ---- */

static void describe_failures(const struct run_step *step, char *text, size_t size) {
    struct tally total;
    run_step_total(step, &total);
    size_t worst = REPLY_CLIENT;
    for (size_t i = REPLY_CLIENT; i < REPLY_CLASSES; i++)
        worst = total.classes[i] > total.classes[worst] ? i : worst;
    char share[DISPLAY_NUMBER_SIZE];
    double ended = (double)tally_ended(&total); /* some were due before, in the overload */
    snprintf(text, size, "%s %% of requests fail (mostly: %s)",
             display_load(ended > 0 ? (double)tally_failed(&total) / ended * 100 : 0, share),
             reply_class_text((enum reply_class)worst));
}

static void describe_shedding(const struct run_step *overload, char *text, size_t size) {
    struct tally total;
    run_step_total(overload, &total);
    const char *statuses = total.statuses[429] == 0 ? "503" : total.statuses[503] == 0 ? "429" : "429 and 503";
    snprintf(text, size, "sheds with %s, no failures", statuses);
}

const char *search_describe_limit(const struct run_verdict *verdict) {
    return verdict->at_least ? "the highest load that was tried and met the objective"
                             : "the highest load that met the objective for long";
}

const char *search_describe_collapse(const struct run_verdict *verdict) {
    return verdict->beyond == COLLAPSE_CRASHES ? "here the server went" : "from here on less than half of the limit is answered";
}

const char *search_describe_wait(const struct run *run, char text[SEARCH_WAIT_SIZE]) {
    char p50[DISPLAY_NUMBER_SIZE];
    double ms = run->verdict.overload_p50, limit = run->options.slo_latency_ms;
    text[0] = '\0';
    if (ms > 0)
        snprintf(text, SEARCH_WAIT_SIZE, ", %sp50 %s for those answered", limit > 0 && ms > limit ? "but " : "",
                 display_ms(ms, p50));
    return text;
}

const char *search_describe_half_load(const struct run *run, char text[SEARCH_HALF_LOAD_SIZE]) {
    const struct run_step *recover = run_find_step(run, PHASE_RECOVER);
    char what[SEARCH_HALF_LOAD_SIZE - 32];
    text[0] = '\0';
    if (recover == NULL || run->verdict.recovered || recover->figures.failed <= FAILED_SHARE * recover->figures.due)
        return text;
    describe_failures(recover, what, sizeof what);
    snprintf(text, SEARCH_HALF_LOAD_SIZE, "at half the limit %s", what);
    return text;
}

static const char *describe_recovery(const struct run *run, char text[SENTENCE_SIZE / 2]) {
    const struct run_verdict *verdict = &run->verdict;
    const struct run_step *recover = run_find_step(run, PHASE_RECOVER);
    char seconds[DISPLAY_NUMBER_SIZE], failures[SEARCH_HALF_LOAD_SIZE];
    text[0] = '\0';
    if (recover == NULL)
        return text;
    const char *colon = search_describe_half_load(run, failures)[0] != '\0' ? ": " : "";
    display_ms((verdict->recovered ? verdict->recovery : recover->seconds) * 1000, seconds);
    if (verdict->recovered && verdict->recovery < 0.05)
        snprintf(text, SENTENCE_SIZE / 2, "; recovers at once");
    else if (verdict->recovered)
        snprintf(text, SENTENCE_SIZE / 2, "; recovers in %s", seconds);
    else if (verdict->recovering)
        snprintf(text, SENTENCE_SIZE / 2, "; still recovering after %s, its queue shrinks%s%s", seconds, colon, failures);
    else
        snprintf(text, SENTENCE_SIZE / 2, "; does not recover within %s%s%s", seconds, colon, failures);
    return text;
}

static void describe_beyond(const struct run *run, char *text, size_t size) {
    const struct run_verdict *verdict = &run->verdict;
    const struct run_step *overload = run_find_step(run, PHASE_OVERLOAD);
    if (overload == NULL || verdict->beyond == COLLAPSE_UNKNOWN) {
        text[0] = '\0';
        return;
    }
    char what[SENTENCE_SIZE / 2], wait[SEARCH_WAIT_SIZE], seconds[SENTENCE_SIZE / 2], load[DISPLAY_NUMBER_SIZE];
    if (verdict->beyond == COLLAPSE_FAILS)
        describe_failures(overload, what, sizeof what);
    else if (verdict->beyond == COLLAPSE_SHEDS)
        describe_shedding(overload, what, sizeof what);
    else if (verdict->beyond == COLLAPSE_COLLAPSES)
        snprintf(what, sizeof what, "collapses to %s %s", display_load(overload->figures.served, load), run->options.unit);
    else
        snprintf(what, sizeof what, "%s", run_collapse_text(verdict->beyond));
    if (verdict->beyond == COLLAPSE_CRASHES)
        snprintf(text, size, " Above it: crashes at %s.", display_load(overload->load, load));
    else
        snprintf(text, size, " Above it: %s%s%s.", what, search_describe_wait(run, wait), describe_recovery(run, seconds));
}

static int code_of(const struct run_verdict *verdict, enum find_outcome outcome) {
    if (verdict->interrupted)
        return EXIT_INTERRUPTED;
    if (verdict->beyond == COLLAPSE_CRASHES ||
        (verdict->beyond != COLLAPSE_UNKNOWN && !verdict->recovered && !verdict->recovering))
        return EXIT_BROKE;
    if (verdict->generator_limited)
        return EXIT_GENERATOR;
    return outcome == FIND_NONE_GOOD ? EXIT_MISSED : EXIT_FINE;
}

static void write_limit(struct run *run, const struct find *find, const char *why, const struct cause *cause) {
    struct run_verdict *verdict = &run->verdict;
    char limit[DISPLAY_NUMBER_SIZE], safe[DISPLAY_NUMBER_SIZE], number[DISPLAY_NUMBER_SIZE], beyond[SENTENCE_SIZE];
    const char *scenario = run->options.scenario, *unit = run->options.unit;
    display_load(find->bad, limit);
    display_load(verdict->safe, safe);
    describe_beyond(run, beyond, sizeof beyond);
    const char *advice = cause->kind == CAUSE_LIMITER ? " " ADVICE : "";
    char uncertain[SENTENCE_SIZE] = "";
    if (verdict->uncertainty > 0)
        snprintf(uncertain, sizeof uncertain, " A quick search: the limit is %s, give or take %.0f %%.",
                 display_load(verdict->limit, number), ceil(verdict->uncertainty * 100));
    snprintf(verdict->headline, sizeof verdict->headline, "%s fails at %s %s (%s) because %s.%s Run it at %s %s or less.%s%s",
             scenario, limit, unit, why, cause->text, beyond, safe, unit, uncertain, advice);
}

static void write_at_least(struct run *run, const struct find *find) {
    struct run_verdict *verdict = &run->verdict;
    char load[DISPLAY_NUMBER_SIZE], beyond[SENTENCE_SIZE];
    display_load(find->good, load);
    describe_beyond(run, beyond, sizeof beyond);
    if (verdict->generator_limited)
        snprintf(
            verdict->headline, sizeof verdict->headline,
            "%s holds at least %s %s: above that failpoint itself was the limit, not the service. Run it on another machine, or "
            "with more --workers.",
            run->options.scenario, load, run->options.unit);
    else
        snprintf(verdict->headline, sizeof verdict->headline, "%s holds at least %s %s, the most that was tried (--max).%s",
                 run->options.scenario, load, run->options.unit, beyond);
}

static void write_none_good(struct run *run, const struct find *find, const char *why, const struct cause *cause) {
    char load[DISPLAY_NUMBER_SIZE];
    display_load(find->load, load);
    const char *hint = cause->kind == CAUSE_LIMITER ? " " ADVICE : "";
    snprintf(run->verdict.headline, sizeof run->verdict.headline, "%s misses its objective even at %s %s (%s) because %s.%s",
             run->options.scenario, load, run->options.unit, why, cause->text, hint);
}

/* Where the last step was when the server went. */
static void write_crash(struct run *run, const struct find *find) {
    char load[DISPLAY_NUMBER_SIZE], good[DISPLAY_NUMBER_SIZE], held[SENTENCE_SIZE] = "";
    double at = run->steps_count == 0 ? 0 : run->steps[run->steps_count - 1].load;
    run->verdict.collapse = at;
    if (find->good > 0)
        snprintf(held, sizeof held, " It held %s %s.", display_load(find->good, good), run->options.unit);
    snprintf(run->verdict.headline, sizeof run->verdict.headline, "%s crashes at %s %s: the server is gone.%s",
             run->options.scenario, display_load(at, load), run->options.unit, held);
}

static void describe_drift(struct run *run) {
    struct drift drift;
    char most[DISPLAY_NUMBER_SIZE], least[DISPLAY_NUMBER_SIZE];
    if (!drift_find(run, &drift))
        return;
    snprintf(run->verdict.drift, sizeof run->verdict.drift,
             "The capacity changed during the run: %s/s were answered at %.0f s, and no more than %s/s at %.0f s. Something else "
             "used the machine, or the service slows down: measure again.",
             display_load(drift.most, most), drift.most_at, display_load(drift.least, least), drift.least_at);
}

void search_conclude(struct run *run, const struct find *find, const char *why, const struct cause *cause) {
    struct run_verdict *verdict = &run->verdict;
    enum find_outcome outcome = find_outcome(find);
    verdict->safe = verdict->limit * SAFE_PART;
    if (find->whole && verdict->limit > 0)
        verdict->safe = fmax(floor(verdict->safe), 1);
    verdict->knee = search_knee(run);
    verdict->at_least = outcome == FIND_NONE_BAD || verdict->generator_limited;
    verdict->cause = *cause;
    verdict->exit_code = code_of(verdict, outcome);
    describe_drift(run);
    char load[DISPLAY_NUMBER_SIZE], good[DISPLAY_NUMBER_SIZE];
    if (verdict->interrupted && find->good <= 0)
        snprintf(verdict->headline, sizeof verdict->headline, "interrupted before %s was known to hold any load",
                 run->options.scenario);
    else if (verdict->interrupted)
        snprintf(verdict->headline, sizeof verdict->headline, "interrupted: %s holds %s %s%s%s", run->options.scenario,
                 display_load(find->good, good), run->options.unit, find->bad > 0 ? " and fails at " : " so far",
                 find->bad > 0 ? display_load(find->bad, load) : "");
    else if (verdict->beyond == COLLAPSE_CRASHES && run_find_step(run, PHASE_OVERLOAD) == NULL)
        write_crash(run, find);
    else if (outcome == FIND_NONE_GOOD)
        write_none_good(run, find, why, cause);
    else if (verdict->at_least)
        write_at_least(run, find);
    else
        write_limit(run, find, why, cause);
}
