/*
 * shedding: logs when an overload episode of a queue begins and when it has ended, with counts (overload_episode.h). For
 * src/pool/ only.
 *
 * The counting is done under the queue's lock, the logging after it: the log has a lock and a file of its own, and a thread of
 * low priority that waited for them would keep all others from the queue.
 */
#ifndef JWTD_POOL_SHEDDING_H
#define JWTD_POOL_SHEDDING_H

#include "jwtd/overload_episode.h"

#include <stdbool.h>
#include <stdint.h>

struct shedding {
    struct overload_episode episode;
    bool has_begun;   /* and that has not been reported yet */
    uint64_t refused; /* jobs of this episode that were refused a place */
    uint64_t dropped; /* jobs of this episode that were late */
};

/* What is to be logged. */
struct shedding_report {
    bool has_begun, has_ended;
    uint64_t refused, dropped; /* in the episode that has ended */
    int64_t lasted_us;
};

/* Record one such job. With the queue's lock held, as the next. */
void shedding_refuse(struct shedding *shedding, int64_t now_us);
void shedding_drop(struct shedding *shedding, int64_t now_us);

/* Reports an episode that has begun since the last call, and ends one that is over. Returns whether there is something to log. */
bool shedding_check(struct shedding *shedding, int64_t now_us, struct shedding_report *report);

/* Without the lock. */
void shedding_log(const char *queue, const struct shedding_report *report);

#endif
