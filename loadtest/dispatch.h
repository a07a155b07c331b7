/*
 * dispatch: requests that are due, until they have ended: finds a session and a connection for each, or queues it until there is
 * one; sends it, judges its reply, counts it, and ends it after the plan's timeout. Sessions and connections that become free go
 * to the requests that wait longest; one that is sent again, since the server had closed its kept connection, goes before them.
 *
 * A request that has ended waits in a queue of its own for dispatch_take_ended. Dispatch neither creates requests nor decides
 * what follows one: that is flow's.
 */
#ifndef FAILPOINT_DISPATCH_H
#define FAILPOINT_DISPATCH_H

#include "connection_pool.h"
#include "message.h"
#include "request.h"

/* When the worker's loop worked and slept, kept by the worker: which part of a latency may be the generator's. */
struct loop_times {
    uint64_t round;
    int64_t slept_ns, woke_ns; /* called epoll_wait, returned from it */
    int64_t busy_ns;           /* worked between the return before that call, and the call */
};

struct dispatch {
    const struct plan *plan;
    struct worker_share *share;
    struct actors *actors;
    const struct loop_times *loop;
    int epoll;
    struct messages messages;
    struct connection_pool connections;
    struct request_queue issued; /* every request in flight, the oldest first */
    struct request_queue for_actor, for_connection, ended;
    char message[MESSAGE_SIZE];
    char buffer[64 * 1024];
};

/* What it points to is borrowed. False when memory is exhausted; dispatch_fini in any case. */
bool dispatch_init(struct dispatch *dispatch, const struct plan *plan, struct worker_share *share, struct actors *actors,
                   const struct loop_times *loop, int epoll, unsigned worker);
void dispatch_fini(struct dispatch *dispatch); /* destroys the requests that it holds */

void dispatch_issue(struct dispatch *dispatch, struct request *request, int64_t now_ns); /* takes the request over */
void dispatch_handle(struct dispatch *dispatch, struct connection *connection);          /* epoll reported an event */
void dispatch_expire(struct dispatch *dispatch, int64_t now_ns);                         /* ends those past the timeout */
void dispatch_settle(struct dispatch *dispatch, int64_t now_ns);                         /* serves those that wait */
int64_t dispatch_next_timeout_ns(const struct dispatch *dispatch);                       /* INT64_MAX: none */

/* The next request that has ended, from now on the caller's; NULL: there is none. */
struct request *dispatch_take_ended(struct dispatch *dispatch);
bool dispatch_has_ended(const struct dispatch *dispatch);

/* One more connection, without a request. False after a failure, which the share says. */
bool dispatch_open_idle(struct dispatch *dispatch);

#endif
