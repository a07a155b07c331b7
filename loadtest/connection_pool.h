/*
 * connection_pool: the connections of a worker: those that are closed and may be opened, those that are idle, and those that a
 * user of the closed loop keeps. A connection that carries or awaits a request, or belongs to a user, is in no list.
 */
#ifndef FAILPOINT_CONNECTION_POOL_H
#define FAILPOINT_CONNECTION_POOL_H

#include "connection.h"
#include "plan.h"
#include "share.h"

struct connection_pool {
    const struct plan *plan;
    struct worker_share *share;
    int epoll;
    struct connection *items; /* plan->connections_max */
    struct connection_list closed, idle;
    struct connection **kept; /* by user; NULL: users keep none */
    size_t kept_count;
    size_t open_count;
    unsigned source, sources; /* the next source address, of so many */
};

/* False when memory is exhausted. `plan` and `share` are borrowed. */
bool connection_pool_init(struct connection_pool *pool, const struct plan *plan, struct worker_share *share, int epoll,
                          unsigned worker);
void connection_pool_fini(struct connection_pool *pool);

/* Each of so many users keeps its connection from now on. False: there are not enough connections, or no memory. */
bool connection_pool_keep_for_users(struct connection_pool *pool, unsigned users);
void connection_pool_forget_users(struct connection_pool *pool); /* what they kept is idle */

/* The user's own, or any that is idle, which becomes the user's. `user` 0: no user's. NULL: there is none. */
struct connection *connection_pool_take_idle(struct connection_pool *pool, unsigned user);

bool connection_pool_can_open(const struct connection_pool *pool);
bool connection_pool_has_free(const struct connection_pool *pool); /* one that is idle, or that may be opened */

/*
 * Begins to connect, from the next source address, and from further ones when the ports of those are used up. Only after
 * connection_pool_can_open. NULL after a failure: *event says which.
 */
struct connection *connection_pool_open(struct connection_pool *pool, unsigned user, uint64_t round,
                                        enum connection_event *event);

/* Its request has ended; it is idle, or its user's. */
void connection_pool_put_idle(struct connection_pool *pool, struct connection *connection);

/* It is CONNECTION_CLOSED. */
void connection_pool_put_closed(struct connection_pool *pool, struct connection *connection);

#endif
