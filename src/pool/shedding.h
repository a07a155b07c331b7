/*
 * shedding: logs when an overload episode of a pool begins and when it has ended, with counts (overload_episode.h). Every
 * function is called with the pool's lock held; for src/pool/ only.
 */
#ifndef JWTD_POOL_SHEDDING_H
#define JWTD_POOL_SHEDDING_H

#include "jwtd/overload_episode.h"

#include <stdint.h>

struct shedding {
    const char *pool; /* its name */
    struct overload_episode episode;
    uint64_t refused; /* jobs of this episode that were refused a place */
    uint64_t dropped; /* jobs of this episode that were run late */
};

/* Record one such job, and log the beginning of an episode. */
void shedding_refuse(struct shedding *shedding, int64_t now_us);
void shedding_drop(struct shedding *shedding, int64_t now_us);

/* Logs the end of an episode that is over. Returns when to call again, INT64_MAX without an episode. */
int64_t shedding_check(struct shedding *shedding, int64_t now_us);

#endif
