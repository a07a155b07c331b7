#include "bench.h"
#include "command.h"
#include "cost.h"
#include "instant.h"
#include "judge.h"
#include "pace.h"
#include "recovery.h"
#include "search.h"

#include <math.h>
#include <stdio.h>

#define WARM_UP_S 1.0
#define OVERLOAD 1.5
#define RECOVER_PART 0.5
#define NEAR 1.3
#define RATE_MIN 0.5
#define RATE_MAX 1e7
#define USERS_MAX 100000.0
#define GONE_SHARE 0.5 /* of requests that are refused: no process listens any more */

struct finder {
    struct bench *bench;
    const struct pace *pace;
    struct find find;
    bool by_users;
    struct pace_search search;
    double said_s; /* how long it takes, as it was said last */
    int64_t begin_ns;
    struct trial trial;
    enum trial_verdict verdict;     /* of the step that runs */
    char seen[OBJECTIVE_TEXT_SIZE]; /* what was missed when that was decided; empty: nothing */
    bool generator_behind;          /* the last bad trial was the generator's doing */
    unsigned trials;
    char why[RUN_TEXT_SIZE];
    struct cause cause;
    bool ended; /* trouble, a crash, or Ctrl-C */
};

/* ---- one step ---- */

static bool is_decided(void *context, const struct bench_progress *progress) {
    struct finder *finder = context;
    if (finder->verdict != TRIAL_UNDECIDED)
        return true;
    finder->verdict = trial_judge(&finder->trial, &progress->trial);
    const struct objective *missed = objectives_first_missed(finder->trial.objectives, progress->trial.tallies);
    if (finder->verdict == TRIAL_BAD && missed != NULL)
        objective_describe(missed, progress->trial.tallies, finder->seen);
    return finder->verdict != TRIAL_UNDECIDED;
}

static bool is_hopeless(void *context, const struct bench_progress *progress) {
    return is_decided(context, progress) && ((struct finder *)context)->verdict == TRIAL_BAD;
}

static struct order make_order(struct finder *finder, double load, double seconds) {
    uint64_t seed = (uint64_t)finder->bench->options->seed + finder->trials++;
    return bench_order(finder->bench->run.options.by, load, seconds, seed);
}

static void show(struct finder *finder, const char *what, double load) {
    struct display *display = &finder->bench->display;
    const struct find *find = &finder->find;
    char good[DISPLAY_NUMBER_SIZE], bad[DISPLAY_NUMBER_SIZE];
    bench_show(finder->bench, what, load);
    snprintf(display->bracket, sizeof display->bracket, "good at %s, bad at %s",
             find->good > 0 ? display_load(find->good, good) : "?", find->bad > 0 ? display_load(find->bad, bad) : "?");
}

/* The process has exited, or connections are refused. */
static bool is_gone(const struct finder *finder, const struct run_step *step) {
    double refused = 0, ended = 0;
    for (size_t i = 0; i < ENDPOINTS; i++) {
        refused += (double)step->tallies[i].classes[REPLY_REFUSED];
        ended += (double)tally_ended(&step->tallies[i]);
    }
    return finder->bench->crashed || (ended > 0 && refused > GONE_SHARE * ended);
}

/* Why the upper end of the bracket is bad: of the last trial there that was. */
static void find_reason(struct finder *finder) {
    const struct run *run = &finder->bench->run;
    const struct run_step *step = NULL;
    for (size_t i = 0; i < run->steps_count; i++) {
        const struct run_step *each = &run->steps[i];
        if (each->verdict == STEP_BAD && (each->load == finder->find.bad || finder->find.bad <= 0))
            step = each;
    }
    if (step == NULL)
        return;
    finder->bench->run.verdict.generator_limited = step->generator_limited;
    run_find_cause(step, &step->usage, &finder->cause);
    snprintf(finder->why, sizeof finder->why, "%s", step->why);
}

/* NULL: the search is over. */
static struct run_step *run_step(struct finder *finder, const struct bench_step *asked) {
    finder->verdict = TRIAL_UNDECIDED;
    finder->seen[0] = '\0';
    struct run_step *step = bench_run(finder->bench, asked);
    if (step == NULL || bench_interrupted()) {
        finder->ended = true;
        finder->bench->run.verdict.interrupted = bench_interrupted();
        return NULL;
    }
    if (asked->phase == PHASE_WARM_UP && !finder->by_users) /* what one user made of it */
        step->load = step->load_end = step->figures.offered;
    if (is_gone(finder, step)) {
        finder->ended = true;
        finder->bench->run.verdict.beyond = COLLAPSE_CRASHES;
        step->verdict = STEP_BAD;
        snprintf(step->why, sizeof step->why, "the server is gone");
        return NULL;
    }
    return step;
}

static bool record_verdict(struct finder *finder, struct run_step *step, bool good) {
    good = good && !judge_generator_fell_behind(finder->bench, step);
    step->verdict = good ? STEP_GOOD : STEP_BAD;
    if (good)
        return true;
    judge_describe_bad(finder->bench, step);
    finder->generator_behind = step->generator_limited;
    if (objectives_first_missed(finder->trial.objectives, step->tallies) == NULL && finder->seen[0] != '\0')
        snprintf(step->why, sizeof step->why, "%s", finder->seen);
    return false;
}

/* ---- the search ---- */

static void try_load(struct finder *finder) {
    bool doubling = finder->find.phase == FIND_DOUBLE;
    enum run_phase phase = doubling ? PHASE_DOUBLE : PHASE_BISECT;
    pace_trial(finder->pace, &finder->find, 0, &finder->trial);
    struct bench_step asked = { .phase = phase, .load = finder->find.load, .enough = is_decided, .context = finder };
    asked.order = make_order(finder, finder->find.load, finder->trial.seconds_max * 5);
    show(finder, names_get(&run_phase_names, (int)phase), finder->find.load);
    struct run_step *step = run_step(finder, &asked);
    if (step == NULL)
        return;
    bool good = record_verdict(finder, step, finder->verdict == TRIAL_GOOD);
    if (!good && search_meets_limiter(&finder->bench->run, step))
        finder->ended = true;
    else
        find_answer(&finder->find, good, step->figures.served);
}

static void hold_load(struct finder *finder) {
    double served = finder->by_users ? finder->find.hint : finder->find.load;
    pace_trial(finder->pace, &finder->find, served, &finder->trial);
    struct bench_step asked = { .phase = PHASE_HOLD, .load = finder->find.load, .enough = is_hopeless, .context = finder };
    asked.order = make_order(finder, finder->find.load, finder->trial.seconds_max);
    show(finder, "hold", finder->find.load);
    struct run_step *step = run_step(finder, &asked);
    if (step == NULL)
        return;
    struct trial_progress progress = { step->tallies, step->seconds, finder->bench->backlog_growth };
    bool good = finder->verdict != TRIAL_BAD && trial_has_held(&finder->trial, &progress);
    find_answer(&finder->find, record_verdict(finder, step, good), step->figures.served);
}

/* The half load goes on until the service has recovered, or will not. */
static bool is_recovery_decided(void *context, const struct bench_progress *progress) {
    const struct finder *finder = context;
    const struct run *run = &finder->bench->run;
    const struct run_step *overloaded = run_find_step(run, PHASE_OVERLOAD);
    if (progress->phase != PHASE_RECOVER || overloaded == NULL)
        return false;
    double seconds, allowed = objectives_error_share(&finder->bench->plan.objectives);
    struct recovery recovery = recovery_of(run, overloaded, run->verdict.limit * RECOVER_PART, allowed);
    return recovery_judge(&recovery, run, recovery.begin + progress->trial.seconds, &seconds) != RECOVERY_WAITS;
}

static void overload(struct finder *finder) {
    double limit = finder->find.good;
    struct bench_step asked = { .phase = PHASE_OVERLOAD,
                                .next_phase = PHASE_RECOVER,
                                .load = limit * OVERLOAD,
                                .next_load = limit * RECOVER_PART,
                                .enough = is_recovery_decided,
                                .context = finder };
    asked.order = make_order(finder, limit * OVERLOAD, finder->pace->overload_s);
    asked.order.segments[asked.order.segments_count++] =
        (struct segment){ limit * RECOVER_PART, limit * RECOVER_PART, s_to_ns(RECOVERY_MAX_S) };
    show(finder, "overload, then half:", limit * OVERLOAD);
    run_step(finder, &asked);
}

/* One user alone: how fast is it when nothing waits, and so where to begin. 0: over. */
static double warm_up(struct finder *finder) {
    struct bench_step asked = { .phase = PHASE_WARM_UP, .load = 1 };
    asked.order = bench_order(BY_USERS, 1, WARM_UP_S, 0);
    show(finder, "warm-up", 1);
    struct run_step *step = run_step(finder, &asked);
    if (step == NULL)
        return 0;
    double steps = finder->bench->plan.scenario->is_flow ? (double)finder->bench->plan.scenario->steps_count : 1;
    return step->figures.mean > 0 ? fmax(500 / step->figures.mean / steps, RATE_MIN) : 1;
}

/* "At least so many" needs no more digits. */
static bool is_near_generators_end(const struct finder *finder) {
    const struct find *find = &finder->find;
    return finder->generator_behind && find->good > 0 && find->bad > 0 && find->bad < NEAR * find->good;
}

static void say_how_long(struct finder *finder, double load_begin, double precision) {
    const struct options *options = finder->bench->options;
    bool with_overload = !finder->by_users && !options->no_overload;
    char whole[DISPLAY_NUMBER_SIZE], quick[DISPLAY_NUMBER_SIZE];
    finder->search = (struct pace_search){ finder->pace, load_begin, precision, finder->by_users, with_overload };
    struct pace_search quick_search = { &pace_quick, load_begin, pace_quick.precision, finder->by_users, with_overload };
    finder->said_s = pace_estimate_s(&finder->search);
    finder->begin_ns = instant_now();
    if (options->quick)
        display_note(&finder->bench->display, "takes about %s", display_duration(finder->said_s, whole));
    else
        display_note(&finder->bench->display, "takes about %s (with --quick, which is less certain, %s)",
                     display_duration(finder->said_s, whole), display_duration(pace_estimate_s(&quick_search), quick));
}

static void say_if_it_takes_another_time(struct finder *finder) {
    char whole[DISPLAY_NUMBER_SIZE], left[DISPLAY_NUMBER_SIZE];
    double remaining_s = pace_remaining_s(&finder->search, &finder->find);
    double seconds = ns_to_s(instant_now() - finder->begin_ns) + remaining_s;
    if (!pace_is_other(finder->said_s, seconds))
        return;
    finder->said_s = seconds;
    display_note(&finder->bench->display, "takes about %s in all, as it looks now: %s more", display_duration(seconds, whole),
                 display_duration(remaining_s, left));
}

static void search(struct finder *finder) {
    struct bench *bench = finder->bench;
    const struct options *options = bench->options;
    double begin = warm_up(finder);
    if (finder->ended)
        return;
    double max = options->max > 0 ? options->max : finder->by_users ? USERS_MAX : RATE_MAX;
    double precision = options->precision > 0 ? options->precision / 100 : finder->pace->precision;
    say_how_long(finder, finder->by_users ? 1 : begin, precision);
    find_init(&finder->find, finder->by_users ? 1 : begin, finder->by_users ? 1 : RATE_MIN, max, precision, finder->by_users);
    finder->find.trial_s = finder->by_users ? 0 : finder->pace->bisect_max_s;
    while (finder->find.phase != FIND_DONE && !finder->ended && !is_near_generators_end(finder)) {
        if (finder->find.phase == FIND_HOLD)
            hold_load(finder);
        else
            try_load(finder);
        if (!finder->ended)
            say_if_it_takes_another_time(finder);
    }
    bench->run.verdict.limit = finder->find.good;
    if (options->quick && finder->find.good > 0 && finder->find.bad > 0)
        bench->run.verdict.uncertainty = pace_uncertainty(finder->pace, &finder->find, finder->by_users ? 0 : finder->find.good);
    find_reason(finder);
    bool wanted = !finder->ended && !finder->by_users && !options->no_overload && finder->find.good > 0;
    if (wanted && !bench->run.verdict.generator_limited) {
        overload(finder);
        search_judge_overload(&bench->run, objectives_error_share(&bench->plan.objectives));
    }
    char rate[DISPLAY_NUMBER_SIZE];
    if (finder->cause.kind == CAUSE_LIMITER)
        snprintf(finder->cause.text, sizeof finder->cause.text, "a rate limiter answers 429: it lets %s a second through",
                 display_load(search_limiter_rate(&bench->run), rate));
}

static void print_load(const char *name, double load, const char *unit, const char *what) {
    char text[DISPLAY_NUMBER_SIZE];
    if (load > 0)
        printf("  %s %s %s: %s\n", name, display_load(load, text), unit, what);
}

static void print_numbers(const struct run *run) {
    const struct run_verdict *verdict = &run->verdict;
    const char *unit = run->options.unit;
    print_load("knee", verdict->knee, unit, "up to here requests do not wait for each other");
    print_load(verdict->at_least ? "limit, at least" : "limit", verdict->limit, unit, search_describe_limit(verdict));
    print_load("run it at", verdict->safe, unit, "or less: three quarters of the limit, which leaves room for bursts");
    print_load("collapse", verdict->collapse, unit, search_describe_collapse(verdict));
    cost_print(run);
    if (verdict->drift[0] != '\0')
        printf("  %s\n", verdict->drift);
}

static void find_limit(struct bench *bench) {
    struct finder finder = { .bench = bench,
                             .pace = bench->options->quick ? &pace_quick : &pace_thorough,
                             .by_users = bench->run.options.by == BY_USERS };
    finder.trial = (struct trial){ .objectives = &bench->plan.objectives, .open_loop = !finder.by_users };
    search(&finder);
    if (bench->run.verdict.headline[0] == '\0') /* else it says already what the engine's trouble is */
        search_conclude(&bench->run, &finder.find, finder.why, &finder.cause);
    display_clear(&bench->display);
    print_numbers(&bench->run);
}

int command_find(const struct options *options, const char *line) {
    static const struct bench_command command = { .name = "find", .run = find_limit };
    return bench_run_command(&command, options, line);
}
