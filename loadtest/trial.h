/*
 * trial: is one load good? Decided while it runs, from what has been counted so far: each item of the objective by a sequential
 * test, and whether requests pile up, which a short trial would not see in its latencies yet. Pure computation.
 */
#ifndef FAILPOINT_TRIAL_H
#define FAILPOINT_TRIAL_H

#include "objective.h"

#include <stdbool.h>

enum trial_verdict { TRIAL_UNDECIDED, TRIAL_GOOD, TRIAL_BAD };

struct trial {
    const struct objectives *objectives;
    double seconds_min, seconds_max; /* undecided before, decided after */
    uint64_t requests_min;           /* undecided before, unless it is bad */
    bool open_loop;                  /* a growing backlog means something */
};

struct trial_progress {
    const struct tally *tallies; /* ENDPOINTS, since the trial began */
    double seconds;
    double backlog_growth; /* requests in flight: how many more a second, over the second half of the trial */
};

enum trial_verdict trial_judge(const struct trial *trial, const struct trial_progress *progress);

/* At the end of a hold: by the counts as they are, and by the backlog. */
bool trial_has_held(const struct trial *trial, const struct trial_progress *progress);

/* Whether more piles up than chance explains. */
bool trial_piles_up(const struct trial *trial, const struct trial_progress *progress);

/* "every second 16.3 more requests arrive than are answered". Returns `text`. */
#define TRIAL_PILE_SIZE 80
const char *trial_describe_pile(double backlog_growth, char text[TRIAL_PILE_SIZE]);

#endif
