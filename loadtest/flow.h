/*
 * flow: what requests are for, and what follows each: the mix of a scenario, the steps of a scenario flow, the users of the
 * closed loop, the preparation of accounts and sessions with a rehearsal of each step, and the renewal of tokens. It creates
 * requests, adds them to the timers, and continues after every request that has ended.
 *
 * It stops accepting, which means that nothing follows any more, when flow_stop says so, when its work is done (the preparation,
 * users that log in once), or when the share is in trouble.
 */
#ifndef FAILPOINT_FLOW_H
#define FAILPOINT_FLOW_H

#include "actors.h"
#include "request.h"
#include "schedule.h"
#include "share.h"
#include "timers.h"

struct preparation {
    unsigned to_register; /* the account after the last that was begun */
    size_t to_log_in;     /* and the session */
    size_t to_rehearse;   /* and the step of the scenario */
    unsigned under_way;   /* requests of it that have begun and not yet succeeded */
};

/* The first replies of an endpoint: what a user expects of it. */
struct expectation {
    uint64_t latency_sum_ns;
    unsigned count;
};

struct flow {
    const struct plan *plan;
    struct worker_share *share;
    struct actors *actors;
    struct timers *timers;
    unsigned worker;
    struct random random;
    bool accepting;
    int64_t begin_ns; /* of the order */
    unsigned users, users_done;
    struct preparation preparation;
    struct expectation expected[ENDPOINTS];
};

/* What it points to is borrowed. Starts without accepting. */
void flow_init(struct flow *flow, const struct plan *plan, struct worker_share *share, struct actors *actors,
               struct timers *timers, unsigned worker);

void flow_begin(struct flow *flow, int64_t begin_ns); /* an order; accepts from now on */
void flow_stop(struct flow *flow);
bool flow_is_accepting(const struct flow *flow);

/* The first requests of an order: of `users` over all workers, whose connections are kept or not, or of the preparation. */
void flow_begin_users(struct flow *flow, unsigned users, bool keep_connections);
void flow_begin_preparation(struct flow *flow);

/* A request, or the first of a scenario flow, of the open loop. */
void flow_arrive(struct flow *flow, int64_t due_ns);

/* Begins to renew the tokens of sessions that are free and due for it. */
void flow_renew_tokens(struct flow *flow, int64_t now_ns);

/* Starts what follows a request that has ended, and destroys it. */
void flow_continue(struct flow *flow, struct request *request);

#endif
