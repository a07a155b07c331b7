/*
 * lanes: a queue of jobs in two lanes that take turns, so that many jobs in one do not delay the other. Within a lane the order
 * is first in, first out. An empty lane is passed over, and so loses no turn of the other.
 *
 * It has no lock: its owner has one. Jobs are linked, not copied: each stays where it is until it has been taken.
 */
#ifndef JWTD_LANES_H
#define JWTD_LANES_H

#include <stdbool.h>
#include <stdint.h>

enum pool_lane {
    LANE_LIGHT, /* work that a client expects to be quick */
    LANE_HEAVY, /* part of work that is slow anyway, and comes in bursts */
    POOL_LANES
};

/* A member of what is queued; container_of finds the whole. */
struct lane_job {
    struct lane_job *next; /* the queue's */
    enum pool_lane lane;   /* set by who queues it, as the next */
    int64_t queued_us;     /* of clock_monotonic_us; for the metrics */
};

/* Zeroed, it is empty. */
struct lanes {
    struct {
        struct lane_job *first, *last;
    } lanes[POOL_LANES];
    unsigned next_lane; /* whose turn it is, if it is not empty */
    unsigned count;     /* jobs in all lanes */
};

void lanes_push(struct lanes *lanes, struct lane_job *job); /* to the end of its lane */
struct lane_job *lanes_take(struct lanes *lanes);           /* NULL: there is none */
/* The first one that is wanted, lane by lane, out of its turn; NULL: there is none. */
struct lane_job *lanes_remove(struct lanes *lanes, bool (*is_wanted)(const struct lane_job *job, void *context), void *context);
const struct lane_job *lanes_first(const struct lanes *lanes); /* what lanes_take would return */

#endif
