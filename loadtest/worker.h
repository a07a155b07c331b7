/*
 * worker: a process that sends requests. It has its own descriptors, connections, sessions and arrivals, and takes orders from a
 * pipe; what it counts lies in memory that it shares with the tester (struct worker_share).
 *
 * A request is due at some moment; it is issued when the worker's loop gets to it (the time between is the generator's own lag),
 * sent when there is a connection for it (the time between is waiting, which is the server's doing: every connection is busy),
 * and ends in one class of replies. Latency counts from the moment it was due.
 *
 * An order lasts until its arrivals are over, or ORDER_STOP, and every request that was issued has ended.
 */
#ifndef FAILPOINT_WORKER_H
#define FAILPOINT_WORKER_H

#include "plan.h"
#include "tally.h"

#include <stdatomic.h>
#include <stdint.h>

enum order_kind {
    ORDER_PREPARE, /* register the accounts if need be and open the sessions, without counting */
    ORDER_LOAD,    /* open loop: `legs` */
    ORDER_USERS,   /* closed loop: `users`, for `duration_ns` */
    ORDER_IDLE,    /* open `connections` and keep them until ORDER_STOP */
    ORDER_STOP,    /* no new arrivals */
    ORDER_QUIT
};

/* Written to the pipe whole. Figures are of all workers together; each takes its part. */
struct order {
    enum order_kind kind;
    uint64_t number; /* of the order, from 1 */
    int64_t begin_ns;
    struct leg legs[SCHEDULE_LEGS];
    size_t legs_count;
    uint64_t requests; /* at most this many; 0: any number */
    unsigned users;
    unsigned connections;
    int64_t duration_ns;
    uint64_t seed;
};

/* What went wrong for good: the order cannot be carried out. */
enum worker_trouble {
    TROUBLE_NONE,
    TROUBLE_NO_PORTS, /* every source address is used up */
    TROUBLE_NO_DESCRIPTORS,
    TROUBLE_NO_MEMORY,
    TROUBLE_UNREACHABLE,  /* while preparing: nobody accepts connections */
    TROUBLE_RATE_LIMITED, /* while preparing: 429 */
    TROUBLE_NOT_ADMITTED, /* while preparing: `trouble_status` to register or log in */
};

/* One writer, the worker; everything else reads. Counts only grow. */
struct worker_share {
    _Atomic uint64_t finished; /* the number of the last order that is done */
    _Atomic int trouble;       /* enum worker_trouble */
    _Atomic unsigned trouble_status;
    _Atomic int trouble_endpoint;
    _Atomic unsigned in_flight, waiting, connections, connecting, users_done; /* now */
    _Atomic unsigned sessions;                                                /* that are open: progress while preparing */
    uint64_t opened;                                                          /* connections */
    uint64_t retried; /* sent again, since a kept connection had been closed under it */
    uint64_t issued;
    uint64_t wait_sum_ns;       /* for a free connection, or a free session */
    struct histogram lag;       /* of the generator */
    struct histogram logged_in; /* with plan.once: since the beginning, each user's success */
    struct tally tallies[ENDPOINTS];
};

/* The life of the process: until ORDER_QUIT or the end of the pipe. Gives the exit code. */
int worker_run(const struct plan *plan, unsigned number, int orders_fd, struct worker_share *share);

#endif
