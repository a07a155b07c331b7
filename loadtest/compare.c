/*
 * compare A B: both services under the same load, slice by slice.
 *
 * Each side has accounts of its own: two services that share a database and hash with other parameters would otherwise rehash
 * each other's accounts at every login, and neither would be measured.
 */
#include "bench.h"
#include "command.h"
#include "duration.h"
#include "instant.h"
#include "stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 20 /* of the order ABBA */
#define SLICES (BLOCKS * 4)
#define SECONDS_DEFAULT 80.0
#define SLICE_MIN_S 0.15
#define SLICE_MAX_S 3.0    /* of those that are as long as the answers ask for */
#define SLICE_ANSWERS 2    /* a slice lasts so many times what an answer takes, at least: a user's first is not counted */
#define SLICE_ARRIVALS 5.0 /* of a rate, in a slice at least */
#define USERS_DEFAULT 16.0
#define SIDES 2
#define WARM_UP_S 1.0 /* accounts of an earlier run are hashed anew where the parameters have changed */
#define ACCOUNTS_DEFAULT 16.0

struct comparison {
    struct bench sides[SIDES];
    struct options options[SIDES];
    double answered[SIDES][BLOCKS]; /* per second */
    double latency[SIDES][BLOCKS];  /* mean of all replies, ms */
    double replies[SIDES][BLOCKS];
    size_t blocks;
    double slice_s;
};

/* ---- slices ---- */

/* How long a slice lasts when an answer takes so long. False, which the verdict explains: as long as was asked for is too short.
 */
static bool choose_slice(struct comparison *comparison, double answer_ms) {
    const struct options *options = &comparison->options[0];
    bool by_rate = options->rate > 0;
    double needed = by_rate ? SLICE_ARRIVALS / options->rate : SLICE_ANSWERS * answer_ms / 1000;
    comparison->slice_s = fmax(bench_seconds(&comparison->sides[0], SECONDS_DEFAULT) / SLICES, SLICE_MIN_S);
    if (needed <= comparison->slice_s)
        return true;
    if (options->duration_s <= 0 && needed <= SLICE_MAX_S) {
        comparison->slice_s = needed;
        return true;
    }
    char slice[DISPLAY_NUMBER_SIZE], answer[DISPLAY_NUMBER_SIZE], least[DURATION_TEXT_SIZE], rate[DISPLAY_NUMBER_SIZE];
    struct run_verdict *verdict = &comparison->sides[0].run.verdict;
    display_ms(comparison->slice_s * 1000, slice);
    duration_write(needed * SLICES, least);
    if (by_rate)
        snprintf(verdict->headline, sizeof verdict->headline,
                 "nothing to compare: slices of %s are too short for %s requests a second: --duration %s or more", slice,
                 display_load(options->rate, rate), least);
    else
        snprintf(verdict->headline, sizeof verdict->headline,
                 "nothing to compare: slices of %s are too short for answers that take %s: --duration %s or more", slice,
                 display_ms(answer_ms, answer), least);
    verdict->exit_code = EXIT_USAGE;
    return false;
}

static struct bench_step slice_of(const struct comparison *comparison, const struct bench *bench, uint64_t number) {
    const struct options *options = bench->options;
    enum run_by by = options->rate > 0 ? BY_RATE : BY_USERS;
    struct bench_step slice = { .phase = PHASE_SLICE, .load = by == BY_RATE ? options->rate : options->users };
    slice.order = bench_order(by, slice.load, comparison->slice_s, (uint64_t)options->seed + number);
    return slice;
}

/* What so many users would be answered a second if the slice had no end (share.h); 0: none of them came to a second turn. */
static double answers_of_users(const struct bench *bench, double users) {
    const struct turns *turns = &bench->now->turns;
    return turns->sum_ns == 0 ? 0 : users * (double)turns->ok / ns_to_s((int64_t)turns->sum_ns);
}

/* What came in the slice and was answered, also when that was after its end. */
static double answers_of_arrivals(const struct run_step *step) {
    return step->figures.ok / step->seconds;
}

/* One slice on one side; its figures are added to the block's. */
static bool run_slice(struct comparison *comparison, size_t side, size_t block, uint64_t number) {
    struct bench *bench = &comparison->sides[side];
    struct bench_step slice = slice_of(comparison, bench, number);
    struct run_step *step = bench_run(bench, &slice);
    if (step == NULL || bench_interrupted())
        return false;
    step->figures.served = bench->options->rate > 0 ? answers_of_arrivals(step) : answers_of_users(bench, slice.load);
    comparison->answered[side][block] += step->figures.served / 2;
    for (size_t i = 0; i < ENDPOINTS; i++) {
        comparison->latency[side][block] += (double)step->tallies[i].latency.sum_ns / (double)NS_PER_MS;
        comparison->replies[side][block] += (double)step->tallies[i].latency.total;
    }
    return true;
}

static bool run_block(struct comparison *comparison, size_t block) {
    static const size_t order[] = { 0, 1, 1, 0 };
    for (size_t i = 0; i < 4; i++) {
        /* both of a pair get the same arrivals */
        if (!run_slice(comparison, order[i], block, block * 2 + i / 2))
            return false;
    }
    for (size_t side = 0; side < SIDES; side++)
        comparison->latency[side][block] /= fmax(comparison->replies[side][block], 1);
    return true;
}

static void run_blocks(struct comparison *comparison) {
    struct display *display = &comparison->sides[0].display;
    for (size_t block = 0; block < BLOCKS; block++) {
        snprintf(display->progress, sizeof display->progress, "compare: block %zu of %d", block + 1, BLOCKS);
        memcpy(comparison->sides[1].display.progress, display->progress, sizeof display->progress);
        if (!run_block(comparison, block))
            return;
        comparison->blocks++;
    }
}

/* ---- the result ---- */

struct quantity {
    const char *name, *more, *less;
};

static void describe(const struct quantity *quantity, const struct interval *ratio, char *text, size_t size) {
    if (ratio->low <= 1 && ratio->high >= 1)
        snprintf(text, size, "no difference shown: B has %.3f times %s of A (99 %%: %.3f to %.3f)", ratio->estimate,
                 quantity->name, ratio->low, ratio->high);
    else
        snprintf(text, size, "B %s than A: %.3f times %s (99 %%: %.3f to %.3f)",
                 ratio->estimate > 1 ? quantity->more : quantity->less, ratio->estimate, quantity->name, ratio->low, ratio->high);
}

/* A mean of no replies is no latency. */
static bool answers_everywhere(const struct comparison *comparison, size_t side) {
    for (size_t block = 0; block < comparison->blocks; block++)
        if (comparison->replies[side][block] < 1)
            return false;
    return true;
}

static const char *obstacle_of(const struct comparison *comparison) {
    if (comparison->blocks < 2)
        return "it ended before both services had been measured twice";
    if (!answers_everywhere(comparison, 0))
        return "A answered nothing in some slices";
    if (comparison->options[0].rate > 0 && !answers_everywhere(comparison, 1))
        return "B answered nothing in some slices";
    return NULL;
}

static void conclude(struct comparison *comparison) {
    static const struct quantity answers = { "the answers per second", "answers more", "answers less" };
    static const struct quantity latency = { "the mean latency", "is slower", "is faster" };
    struct run_verdict *verdict = &comparison->sides[0].run.verdict;
    bool by_rate = comparison->options[0].rate > 0;
    double(*values)[BLOCKS] = by_rate ? comparison->latency : comparison->answered;
    const char *obstacle = obstacle_of(comparison);
    struct interval ratio;
    if (obstacle == NULL &&
        stats_ratio(values[0], values[1], comparison->blocks, (uint64_t)comparison->options[0].seed, &ratio)) {
        describe(by_rate ? &latency : &answers, &ratio, verdict->headline, sizeof verdict->headline);
        return;
    }
    snprintf(verdict->headline, sizeof verdict->headline, "nothing to compare: %s",
             obstacle != NULL ? obstacle : "A answered nothing");
    verdict->exit_code = bench_interrupted() ? EXIT_INTERRUPTED : EXIT_UNREACHABLE;
}

static void print_sides(const struct comparison *comparison) {
    if (comparison->blocks == 0)
        return;
    for (size_t side = 0; side < SIDES; side++) {
        char answered[DISPLAY_NUMBER_SIZE], latency[DISPLAY_NUMBER_SIZE];
        printf("  %c  %s: %s/s answered, mean latency %s, %zu slices\n", 'A' + (char)side, comparison->options[side].operands[0],
               display_load(stats_mean(comparison->answered[side], comparison->blocks), answered),
               display_ms(stats_mean(comparison->latency[side], comparison->blocks), latency), comparison->blocks * 2);
    }
}

/* The record is A's; the slices of B go into it, under their own name. */
static void merge(struct comparison *comparison) {
    struct run *all = &comparison->sides[0].run, *other = &comparison->sides[1].run;
    for (size_t i = 0; i < all->steps_count; i++)
        if (all->steps[i].phase == PHASE_SLICE)
            all->steps[i].phase = PHASE_SIDE_A;
    for (size_t i = 0; i < other->steps_count; i++) {
        if (other->steps[i].phase != PHASE_SLICE)
            continue;
        struct run_step *step = run_add_step(all);
        if (step == NULL)
            return;
        struct tally *tallies = step->tallies;
        *step = other->steps[i];
        step->tallies = tallies;
        memcpy(tallies, other->steps[i].tallies, ENDPOINTS * sizeof *tallies);
        step->phase = PHASE_SIDE_B;
    }
}

/* ---- the command ---- */

/* Registered accounts are as many for each side as were asked for; of those that are there, each side takes half. */
static void divide_accounts(struct options *own, size_t side) {
    double accounts = own->accounts > 0 ? own->accounts : ACCOUNTS_DEFAULT;
    own->accounts = own->seeded ? floor(accounts / SIDES) : accounts;
    own->accounts_before = (double)side * own->accounts;
}

/* Each account logs in once, or as often as there is time for. Returns what an answer mostly takes then, in ms; -1: it is over.
 */
static double warm_up(struct bench *bench) {
    double users = bench->options->users > 0 ? bench->options->users : fmin(bench->plan.accounts, USERS_DEFAULT);
    struct bench_step asked = { .phase = PHASE_WARM_UP, .load = users };
    asked.order = bench_order(BY_USERS, users, WARM_UP_S, 0);
    const struct run_step *step = bench_run(bench, &asked);
    return step == NULL || bench_interrupted() ? -1 : step->figures.p50;
}

static void run_comparison(struct comparison *comparison) {
    double slower_ms = 0;
    bool by_rate = comparison->options[0].rate > 0;
    if (by_rate && !choose_slice(comparison, 0))
        return;
    for (size_t side = 0; side < SIDES; side++) {
        double answer_ms = warm_up(&comparison->sides[side]);
        if (answer_ms < 0)
            return;
        slower_ms = fmax(slower_ms, answer_ms);
    }
    if (!by_rate && !choose_slice(comparison, slower_ms))
        return;
    char duration[DISPLAY_NUMBER_SIZE];
    display_note(&comparison->sides[0].display, "takes about %s", display_duration(comparison->slice_s * SLICES, duration));
    run_blocks(comparison);
}

static int prepare(struct comparison *comparison, const struct options *options, const char *line) {
    for (size_t side = 0; side < SIDES; side++) {
        struct options *own = &comparison->options[side];
        *own = *options;
        own->operands[0] = options->operands[side];
        divide_accounts(own, side);
        if (own->rate <= 0 && own->users <= 0)
            own->users = USERS_DEFAULT;
        int code = bench_init(&comparison->sides[side], own, "compare", line);
        if (code == EXIT_FINE)
            code = bench_prepare(&comparison->sides[side]);
        if (code != EXIT_FINE) {
            const char *headline = comparison->sides[side].run.verdict.headline;
            if (headline[0] != '\0')
                puts(headline);
            return code;
        }
    }
    return EXIT_FINE;
}

int command_compare(const struct options *options, const char *line) {
    int code = bench_check_options(options, "compare");
    if (code != EXIT_FINE)
        return code;
    const struct scenario *scenario = scenario_find(options->scenario);
    if (scenario != NULL && scenario->is_flow)
        return command_fail(
            EXIT_USAGE,
            "compare counts the answers of single requests, and %s is a flow of several with pauses between: compare its "
            "steps (login, me, refresh) or mixed",
            options->scenario);
    if (options->seeded && options->accounts < SIDES)
        return command_fail(EXIT_USAGE,
                            "compare --seeded takes --accounts N, 2 at least: each side logs in with half of them, since "
                            "services that share a database would hash each other's accounts anew");
    struct comparison *comparison = calloc(1, sizeof *comparison);
    if (comparison == NULL)
        return EXIT_GENERATOR;
    code = prepare(comparison, options, line);
    if (code == EXIT_FINE) {
        run_comparison(comparison);
        if (comparison->sides[0].run.verdict.headline[0] == '\0')
            conclude(comparison);
        display_clear(&comparison->sides[1].display);
        print_sides(comparison);
        merge(comparison);
        code = bench_finish(&comparison->sides[0]);
    }
    for (size_t side = 0; side < SIDES; side++)
        if (comparison->sides[side].options != NULL)
            bench_fini(&comparison->sides[side]);
    free(comparison);
    return code;
}
