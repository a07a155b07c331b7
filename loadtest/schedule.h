/*
 * schedule: when requests are due. Arrivals are fixed ahead of time, whatever the server does: that makes a test open loop.
 *
 * A schedule is a list of segments, each with a rate at its beginning and at its end, changing evenly between. Poisson arrivals
 * have exponential gaps (so do several of them merged: each worker of W takes 1/W of the rate with a seed of its own); uniform
 * ones have equal gaps, and the workers' ones interleave. The same seed gives the same arrivals. Pure computation; no clock is
 * read.
 */
#ifndef FAILPOINT_SCHEDULE_H
#define FAILPOINT_SCHEDULE_H

#include "names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEDULE_SEGMENTS 16

/* xoshiro256**: fast, small, and the same on every machine. */
struct random {
    uint64_t state[4];
};
void random_init(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
double random_unit(struct random *random); /* above 0, at most 1 */

enum arrivals { ARRIVALS_POISSON, ARRIVALS_UNIFORM };
extern const struct names arrivals_names;

struct segment {
    double rate_begin, rate_end; /* per second, of all workers */
    int64_t duration_ns;
};

struct schedule {
    enum arrivals arrivals;
    struct segment segments[SCHEDULE_SEGMENTS];
    size_t segments_count;
    unsigned worker, workers;
    struct random random;
    double mass; /* of the arrivals of one worker so far: the integral of its rate up to the next one */
};

/* Rates must not be negative, durations must be positive. `worker` counts from 0. */
void schedule_init(struct schedule *schedule, enum arrivals arrivals, const struct segment *segments, size_t segments_count,
                   uint64_t seed, unsigned worker, unsigned workers);

/* When the next request is due, in ns from the beginning of the first segment; -1 when there are no more. Never decreases. */
int64_t schedule_next(struct schedule *schedule);

#endif
