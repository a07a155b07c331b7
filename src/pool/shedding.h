/*
 * shedding: tells the log when a pool begins to turn work away and when it has stopped, with counts, and nothing in between:
 * under overload a line for each request would be one more thing to do. Called with the pool's lock held; for src/pool/ only.
 */
#ifndef JWTD_POOL_SHEDDING_H
#define JWTD_POOL_SHEDDING_H

#include <stdint.h>

struct shedding {
    const char *pool; /* its name */
    int64_t since_us; /* 0: nothing is shed */
    int64_t last_us;
    uint64_t refused; /* for want of time or of room, before any work */
    uint64_t dropped; /* when their turn came too late */
};

void shedding_refuse(struct shedding *shedding, int64_t now_us);
void shedding_drop(struct shedding *shedding, int64_t now_us);

/* Ends it when nothing has been shed for a while. Gives when to look again, INT64_MAX when there is no need. */
int64_t shedding_look(struct shedding *shedding, int64_t now_us);

#endif
