/*
 * pace: how long a search takes over each of its trials, thorough or quick, and so how certain its result is. Pure computation.
 *
 * A trial ends by itself when its requests decide (trial.h); the times here are for those that are close to the limit. Certain is
 * what the hold at the end shows: it counts so many requests that their number alone leaves the limit uncertain by
 * pace_uncertainty.
 */
#ifndef FAILPOINT_PACE_H
#define FAILPOINT_PACE_H

#include "find.h"
#include "trial.h"

struct pace {
    double precision;         /* of the bracket, where nothing else was asked for */
    double double_max_s;      /* of a trial while the load doubles */
    double bisect_max_s;      /* and of one in the bracket, */
    uint64_t bisect_requests; /* which is good only after so many, or at its end */
    double hold_requests, hold_min_s, hold_max_s;
    double overload_s;
};

extern const struct pace pace_thorough, pace_quick;

/* Sets the times of the trial that find asks for. `served` is what is answered a second there, 0: not known. */
void pace_trial(const struct pace *pace, const struct find *find, double served, struct trial *trial);

/* How far the limit may be from the truth, as a share of it, when requests are served by chance as often as Poisson's. */
double pace_uncertainty(const struct pace *pace, const struct find *find, double served);

/* What the time of a search depends on, beside how far it has come. */
struct pace_search {
    const struct pace *pace;
    double load_begin, precision;
    bool by_users, with_overload;
};

/* How long it takes, overload and recovery included: about, since the limit is not known yet. It is taken to be some times where
 * the search begins. */
double pace_estimate_s(const struct pace_search *search);

/* How much longer, from what is known by now. */
double pace_remaining_s(const struct pace_search *search, const struct find *find);

/* Whether an estimate is so different from what was said that it must be said again: by over half. */
bool pace_is_other(double said_s, double seconds);

#endif
