/*
 * shedding: logs when an overload episode of a pool begins and when it has ended, with counts (overload_episode.h). For src/pool/
 * only.
 *
 * The counting is done under the pool's lock, the logging after it: the log has a lock and a file of its own, and a thread of low
 * priority that waited for them would keep all others from the pool.
 */
#ifndef JWTD_POOL_SHEDDING_H
#define JWTD_POOL_SHEDDING_H

#include "jwtd/overload_episode.h"

#include <stdbool.h>
#include <stdint.h>

struct shedding {
    struct overload_episode episode;
    uint64_t refused; /* jobs of this episode that were refused a place */
    uint64_t dropped; /* jobs of this episode that were run late */
};

/* What is to be logged; zeroes: nothing. */
struct shedding_report {
    bool has_begun, has_ended;
    uint64_t refused, dropped; /* in the episode that has ended */
    int64_t lasted_us;
};

/* Record one such job. With the pool's lock held, as the next. */
void shedding_refuse(struct shedding *shedding, int64_t now_us, struct shedding_report *report);
void shedding_drop(struct shedding *shedding, int64_t now_us, struct shedding_report *report);

/* Ends an episode that is over. Returns when to call again, INT64_MAX without an episode. */
int64_t shedding_check(struct shedding *shedding, int64_t now_us, struct shedding_report *report);

/* Without the lock. */
void shedding_log(const char *pool, const struct shedding_report *report);

#endif
