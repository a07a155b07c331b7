/*
 * workshop: the inside of a worker, for worker.c and its parts only:
 *
 *     worker.c    the process: orders, arrivals, the loop
 *     flow.c      what a request is for, and what comes after it: mixes, journeys, users, preparation, renewal of tokens
 *     dispatch.c  requests onto connections, replies back to them, timeouts
 *
 * One thread, so nothing is locked. A request lives from the moment it is made until dispatch_end; it is in one place at a time:
 * among the timers, in a queue (for a session or a connection), or on a connection.
 */
#ifndef FAILPOINT_WORKSHOP_H
#define FAILPOINT_WORKSHOP_H

#include "connection.h"
#include "message.h"
#include "schedule.h"
#include "worker.h"

enum purpose { PURPOSE_LOAD, PURPOSE_USER, PURPOSE_PREPARE, PURPOSE_RENEW };

enum place { PLACE_TIMER, PLACE_FOR_ACTOR, PLACE_FOR_CONNECTION, PLACE_CONNECTION };

struct request {
    struct request *older, *newer;   /* by issue: the oldest times out first */
    struct request *previous, *next; /* in its queue */
    enum purpose purpose;
    enum place place;
    enum endpoint endpoint;
    enum scenario_actor actor_kind;
    unsigned step; /* of a journey */
    unsigned user; /* who keeps a connection, from 1; 0: takes any */
    struct actor *actor;
    bool owns_actor;
    bool retried; /* once already, since a kept connection had been closed under it */
    int64_t due_ns, issued_ns;
    struct connection *connection;
};

struct request_queue {
    struct request *first, *last;
};

struct timer {
    int64_t due_ns;
    struct request *request;
};

#define CALIBRATION 32 /* replies of an endpoint whose mean is what a journey expects */

struct worker {
    const struct plan *plan;
    struct worker_share *share;
    unsigned number;
    int epoll, orders;
    bool quit;

    struct order order;
    bool accepting; /* new arrivals */
    int64_t end_ns; /* of a closed loop */
    struct schedule schedule;
    int64_t next_due_ns; /* of the schedule; INT64_MAX: none */
    uint64_t arrivals_left;
    struct random random;

    struct actors actors;
    struct messages messages;
    struct request *oldest, *newest; /* issued */
    struct request_queue for_actor, for_connection;
    struct timer *timers; /* a heap, the earliest on top */
    size_t timers_count, timers_size;

    struct connection *connections;
    struct connection *closed, *idle; /* lists of them; those that a user keeps are in neither */
    struct connection **kept;         /* by user; NULL: users keep none */
    size_t connections_count;         /* that are not closed */
    unsigned source, sources;

    unsigned users, users_done;
    unsigned to_register;            /* of the preparation: the account after the last that was begun */
    size_t to_log_in;                /* and the session */
    unsigned preparing;              /* requests of it that have begun and not yet succeeded */
    uint64_t latency_sum[ENDPOINTS]; /* of the first replies, for the calibration */
    unsigned latency_count[ENDPOINTS];

    uint64_t round;                     /* of the loop */
    int64_t woke_ns, slept_ns, busy_ns; /* the loop: returned from epoll_wait, called it, worked between the two before */
    int64_t renewed_ns;
    char message[MESSAGE_SIZE];
    char buffer[64 * 1024];
};

/* ---- flow.c ---- */

/* A new request, or journey, by the scenario's mix; of a user who keeps a connection, or 0. */
bool flow_arrive(struct worker *worker, enum purpose purpose, unsigned user, int64_t due_ns);
void flow_begin_users(struct worker *worker);
void flow_begin_prepare(struct worker *worker);
void flow_renew_tokens(struct worker *worker, int64_t now_ns);

/* A request has ended: what follows. Its actor is still there. */
void flow_continue(struct worker *worker, struct request *request, enum reply_class class, unsigned status, int64_t retry_after_s,
                   int64_t now_ns);

/* ---- dispatch.c ---- */

struct request *dispatch_create(struct worker *worker, enum purpose purpose, enum endpoint endpoint, int64_t due_ns);
void dispatch_destroy(struct request *request);                                      /* of one that is in no place */
void dispatch_issue(struct worker *worker, struct request *request, int64_t now_ns); /* its moment has come */
void dispatch_expire(struct worker *worker, int64_t now_ns);                         /* timeouts */
void dispatch_settle(struct worker *worker,
                     int64_t now_ns); /* sessions and connections that are free, to whoever waits for one */
void dispatch_connection_event(struct worker *worker, struct connection *connection); /* epoll says so */
bool dispatch_users_keep_connections(struct worker *worker, unsigned users);          /* false: there are not enough for that */
void dispatch_forget_users(struct worker *worker);                                    /* what they kept is anybody's */
bool dispatch_open_idle(struct worker *worker);                                       /* one more connection, for nothing yet */
void dispatch_destroy_all(struct worker *worker);                                     /* at the end of the process */

/* ---- worker.c ---- */

bool worker_add_timer(struct worker *worker, struct request *request); /* issued at request->due_ns */
void worker_trouble(struct worker *worker, enum worker_trouble trouble, enum endpoint endpoint, unsigned status);

static inline bool worker_counts(const struct request *request) {
    return request->purpose == PURPOSE_LOAD || request->purpose == PURPOSE_USER;
}

#endif
