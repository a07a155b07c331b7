#include "find.h"

#include <assert.h>
#include <math.h>

#define UNDER_HINT 0.98
#define OVER_HINT 1.04
#define HOLD_PRECISION 0.03 /* of the limit: the first step back, once a hold was bad */
#define HOLD_WIDTH 0.04     /* of a bracket of holds that is narrow enough */
#define STEPS_BACK_GROW 3.0 /* times twice */
#define HOLDS_MAX 12
#define DOUBTFUL 0.9 /* of the lower end: less than that was served above it */
#define NEARLY 0.99
#define HELD_PRECISION 0.1   /* of a hold that was good just under what was served */
#define BAD_IS_STALE_AFTER 4 /* trials: the upper end is tried once more before it is believed */

void find_init(struct find *find, double load_begin, double load_min, double load_max, double precision, bool whole) {
    *find = (struct find){ .load = fmin(fmax(load_begin, load_min), load_max),
                           .load_min = load_min,
                           .load_max = load_max,
                           .precision = precision,
                           .whole = whole };
    if (whole)
        find->load = ceil(find->load);
}

/* As a share of the load: arrivals come by chance, and two trials cannot tell loads apart that are nearer than that. */
static double chance(const struct find *find) {
    double requests = find->good * find->trial_s;
    return requests > 0 ? sqrt(2 / requests) : 0;
}

static bool is_narrow(const struct find *find) {
    double width = find->bad - find->good;
    return (find->whole && width <= 1) || width <= fmax(find->precision, chance(find)) * find->good;
}

/* Inside the bracket, and not so near to an end that nothing is learnt. */
static bool is_useful(const struct find *find, double load) {
    double margin = find->precision * find->good / 2;
    return load > find->good + margin && load < find->bad - margin;
}

/* Just under what was served when it was too much, then just over that; the middle otherwise. */
static double next_inside(const struct find *find) {
    double below = find->hint * UNDER_HINT, above = find->hint * OVER_HINT, load;
    if (find->hint > 0 && is_useful(find, below))
        load = below;
    else if (find->hint > 0 && is_useful(find, above))
        load = above;
    else
        load = (find->good + find->bad) / 2;
    return find->whole ? fmin(fmax(round(load), find->good + 1), find->bad - 1) : load;
}

static void enter(struct find *find, enum find_phase phase, double load) {
    find->phase = phase;
    find->load = load;
    find->votes_good = find->votes_bad = 0;
}

static void narrow(struct find *find) {
    if (find->good == 0 && find->bad <= find->load_min) {
        find->phase = FIND_DONE;
    } else if (find->good == 0) {
        double load = fmax(fmin(find->bad / 2, find->hint > 0 ? find->hint * UNDER_HINT : INFINITY), find->load_min);
        enter(find, FIND_DOUBLE, find->whole ? fmax(floor(load), find->load_min) : load);
    } else if (!is_narrow(find)) {
        enter(find, FIND_BISECT, next_inside(find));
    } else if (find->answers - find->bad_since > BAD_IS_STALE_AFTER) {
        enter(find, FIND_BISECT, find->bad);
    } else {
        enter(find, FIND_HOLD, find->good);
    }
}

static void accept(struct find *find) {
    if (find->load > find->good) {
        find->good_before = find->good;
        find->good_is_sure = false;
    }
    find->good = find->load;
    if (find->bad <= find->good) { /* not known, or bad for a while only: something else was on the machine */
        find->bad = find->bad_before > find->good ? find->bad_before : 0;
        find->bad_before = 0;
    }
    if (find->bad > 0)
        narrow(find);
    else if (find->load >= find->load_max)
        enter(find, FIND_HOLD, find->good);
    else
        enter(find, FIND_DOUBLE, fmin(find->load * 2, find->load_max));
}

static void reject(struct find *find, double served) {
    if (find->bad > find->load)
        find->bad_before = find->bad;
    find->bad = find->load;
    find->bad_since = find->answers;
    if (find->bad <= find->good) { /* the lower end, tried again */
        find->good = find->good_before < find->bad ? find->good_before : 0;
        find->good_before = 0;
    }
    if (served > 0 && served < DOUBTFUL * find->good && !find->good_is_sure) {
        find->good_is_sure = true;
        enter(find, FIND_BISECT, find->good);
        return;
    }
    if (served > find->good && served < find->bad)
        find->hint = served;
    narrow(find);
}

/* From the first hold on only holds count: between the highest that was good and the lowest that was not, if both are known. */
static void next_hold(struct find *find) {
    double gap = find->bad - find->held, seen = find->hint * UNDER_HINT;
    bool is_near =
        gap <= HOLD_WIDTH * find->held || (find->held >= NEARLY * seen && seen > 0 && gap <= HELD_PRECISION * find->held);
    if (find->held > 0 && (find->bad == 0 || is_near || (find->whole && gap <= 1))) {
        find->good = find->held;
        find->phase = FIND_DONE;
        return;
    }
    double back = 1 - HOLD_PRECISION * pow(2, fmin(find->holds_failed - 1, STEPS_BACK_GROW));
    double load = find->held > 0 ? (find->held + find->bad) / 2 : find->bad * back;
    bool is_between = find->held < NEARLY * seen && seen < NEARLY * find->bad;
    if (is_between && (find->held > 0 || seen < load))
        load = seen;
    find->good = find->whole ? floor(load) : load;
    if (find->good >= find->load_min && find->holds_failed <= HOLDS_MAX) {
        enter(find, FIND_HOLD, find->good);
        return;
    }
    find->good = find->held;
    find->phase = FIND_DONE;
}

static void answer_hold(struct find *find, bool good, double served) {
    if (good) {
        find->held = find->load;
    } else {
        if (++find->votes_bad < 2)
            return;
        find->bad = find->load;
        find->hint = served < find->bad ? served : 0;
        find->holds_failed++;
    }
    if (good && find->holds_failed == 0) { /* the bracket is as narrow as it was asked for */
        find->phase = FIND_DONE;
        return;
    }
    next_hold(find);
}

void find_answer(struct find *find, bool good, double served) {
    assert(find->phase != FIND_DONE);
    find->answers++;
    if (find->phase == FIND_HOLD) {
        answer_hold(find, good, served);
        return;
    }
    find->votes_good += good ? 1 : 0;
    find->votes_bad += good ? 0 : 1;
    unsigned needed = find->votes_bad == 0 ? 1 : 2; /* that it is good is put to the test by the hold */
    if (find->votes_good >= needed)
        accept(find);
    else if (find->votes_bad >= 2)
        reject(find, served);
}

enum find_outcome find_outcome(const struct find *find) {
    assert(find->bad == 0 || find->good < find->bad);
    if (find->good == 0)
        return FIND_NONE_GOOD;
    return find->bad == 0 ? FIND_NONE_BAD : FIND_LIMIT;
}
