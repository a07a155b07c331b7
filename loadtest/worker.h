/*
 * worker: a process that sends requests. It has its own descriptors, connections, sessions and arrivals, and takes orders from a
 * pipe; what it counts lies in memory that it shares with the tester (share.h). It is one thread: a loop around epoll that moves
 * requests between its parts, none of which calls another in a circle:
 *
 *     schedule ----> flow ----> timers ----> dispatch ------> flow
 *     when           what       until due    session,         what follows
 *                                            connection,
 *                                            reply
 *
 * A request is due at some moment; it is issued when the worker's loop takes it (the time between is the generator's own lag),
 * sent when there is a connection for it (the time between is waiting, caused by the server: every connection is busy),
 * and ends in one class of replies. Latency counts from the moment it was due.
 *
 * An order lasts until its arrivals are over, or ORDER_STOP, and every request that was issued has ended.
 */
#ifndef FAILPOINT_WORKER_H
#define FAILPOINT_WORKER_H

#include "plan.h"
#include "share.h"

#include <stdint.h>

enum order_kind {
    ORDER_PREPARE, /* register the accounts if need be and open the sessions, without counting */
    ORDER_LOAD,    /* open loop: `segments` */
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
    struct segment segments[SCHEDULE_SEGMENTS];
    size_t segments_count;
    uint64_t requests; /* at most this many; 0: any number */
    unsigned users;
    unsigned connections;
    int64_t duration_ns;
    uint64_t seed;
};

/* The whole life of the process: until ORDER_QUIT or the end of the pipe. Returns its exit code. */
int worker_run(const struct plan *plan, unsigned number, int orders_fd, struct worker_share *share);

#endif
