/*
 * shedding: logs when an overload episode of a pool begins and when it has ended, with counts, and nothing in between: under
 * overload a line for each request would be one more load. Called with the pool's lock held; for src/pool/ only.
 */
#ifndef JWTD_POOL_SHEDDING_H
#define JWTD_POOL_SHEDDING_H

#include <stdint.h>

struct shedding {
    const char *pool; /* its name */
    int64_t since_us; /* 0: nothing is shed */
    int64_t last_us;
    uint64_t refused; /* for lack of time or of room, before any work */
    uint64_t dropped; /* when their turn came too late */
};

void shedding_refuse(struct shedding *shedding, int64_t now_us);
void shedding_drop(struct shedding *shedding, int64_t now_us);

/* Ends the episode when nothing has been refused or dropped for a while. Returns when to check again; INT64_MAX: no need. */
int64_t shedding_check(struct shedding *shedding, int64_t now_us);

#endif
