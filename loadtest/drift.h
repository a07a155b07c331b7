/*
 * drift: did the service's capacity change while its limit was searched for? A service that answers 135 a second in one minute
 * and 101 in another has no limit that one number says. Pure computation over the record.
 */
#ifndef FAILPOINT_DRIFT_H
#define FAILPOINT_DRIFT_H

#include "run.h"

struct drift {
    double most, most_at;   /* answered per second, and when, in seconds since the run began */
    double least, least_at; /* answered per second when that was too much */
};

/*
 * What a step answered was possible then; what a step answered that was too much, near the limit, was all that was possible.
 * One such step may have met a burst of something else, so the second largest is compared with the second smallest. False: they
 * agree, or there are too few.
 */
bool drift_find(const struct run *run, struct drift *drift);

#endif
