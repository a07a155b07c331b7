/*
 * find: the search for the highest load that is still good, as a machine without a clock or a network: it names the load to try
 * and receives the result, so it can be tested on a simulated server.
 *
 * Double until it is bad, then bisect until the bracket is narrower than `precision`. Bad counts only when two trials out of at
 * most three say so, since a burst can spoil one; and an upper end that was found long ago is tried once more before it is
 * believed. So is a lower end when much less than that is served above it. The highest good load is then held for long. If that
 * is bad, twice, short trials have shown too little, as they do where a queue takes long to fill, and only holds decide from then
 * on: just under what was served, or steps back, then a bisection; it ends early at a load that was held just under what was
 * served.
 */
#ifndef FAILPOINT_FIND_H
#define FAILPOINT_FIND_H

#include <stdbool.h>

enum find_phase { FIND_DOUBLE, FIND_BISECT, FIND_HOLD, FIND_DONE };

struct find {
    double load;        /* to try now */
    double good, bad;   /* the bracket; 0: not known yet */
    double bad_before;  /* the bad load that was known before this one; 0: none */
    double good_before; /* the good load that was known before this one; 0: none */
    bool good_is_sure;  /* it was tried again after what was served above it spoke against it */
    double precision;   /* of the bracket: (bad - good) / good */
    double trial_s; /* of a trial, at most: a bracket of fewer requests than chance makes of them is narrow; 0: as good as none */
    double hint;    /* what was served well when it was too much, of the last such trial; 0: not known */
    double load_min, load_max;
    bool whole; /* loads are whole numbers: users */
    unsigned votes_good, votes_bad;
    double held; /* the highest load that was held for long; 0: none yet */
    unsigned holds_failed;
    unsigned answers, bad_since; /* trials so far, and when `bad` was found */
    enum find_phase phase;
};

enum find_outcome {
    FIND_LIMIT,     /* `good` is the limit, `bad` the lowest that is not */
    FIND_NONE_GOOD, /* not even load_min is good */
    FIND_NONE_BAD   /* load_max is still good */
};

void find_init(struct find *find, double load_begin, double load_min, double load_max, double precision, bool whole);

/*
 * The result of trying `load`; `served` is the rate that was served well meanwhile, a hint where to search next (0: none).
 * Afterwards `phase` and `load` are what to do next.
 */
void find_answer(struct find *find, bool good, double served);
enum find_outcome find_outcome(const struct find *find); /* in FIND_DONE */

#endif
