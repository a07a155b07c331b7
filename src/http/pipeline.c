#include "pipeline.h"

#include "connections.h"
#include "context.h"
#include "exchange.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"

#include <assert.h>
#include <microhttpd.h>
#include <sodium.h>

#define TIME_LEFT_SHARE 10

/*
 * The one place where a request changes hands. Order matters: a place in the queue is reserved before the connection is
 * suspended, so that a refusal costs no suspension; the job is submitted last, since from then on the exchange belongs to the
 * pool, which may have answered and resumed it before pool_submit returns.
 */

static const struct step *current_step(const struct exchange *exchange) {
    return exchange->next_step < ROUTE_STEPS_MAX ? exchange->request.route->steps[exchange->next_step] : NULL;
}

/* A step ON_HTTP runs wherever the request is, but not at the low priority of the threads that hash. */
static bool runs_here(const struct step *step, enum executor here) {
    return step->executor == here || (step->executor == ON_HTTP && here != ON_CRYPTO);
}

/* Runs steps until a reply is written (NULL) or one must run elsewhere (that step). */
static const struct step *run_steps_at(struct exchange *exchange, enum executor here) {
    const struct step *step;
    while ((step = current_step(exchange)) != NULL) {
        if (!runs_here(step, here))
            return step;
        exchange->next_step++;
        if (step->run(&exchange->request) == STEP_DONE)
            break;
    }
    if (!reply_is_written(&exchange->reply)) {
        log_event(LOG_ERROR, "route_without_reply", "path=%s", exchange->request.route->path);
        reply_problem(&exchange->request, STATUS_INTERNAL);
    }
    return NULL;
}

/* Each refusal is told when to come again, no two the same, so that they do not come back as one wave. */
static int64_t jittered(int64_t us) {
    return us * (80 + (int64_t)randombytes_uniform(41)) / 100;
}

/* The turn must come while the work and the way back still fit into the client's deadline. */
static int64_t turn_deadline_us(const struct exchange *exchange) {
    return exchange->request.deadline_us - (exchange->request.deadline_us - exchange->received_us) / TIME_LEFT_SHARE;
}

static bool refuse(struct exchange *exchange, enum status status, int64_t retry_after_us) {
    reply_retry_later(&exchange->request, status, jittered(retry_after_us));
    return false;
}

static bool reserve(struct exchange *exchange, enum executor executor) {
    int64_t retry_after_us;
    enum status status = pool_reserve(exchange->request.services->pools[executor], turn_deadline_us(exchange), &retry_after_us);
    return status == STATUS_OK || refuse(exchange, status, retry_after_us);
}

/* Asks the pools of later steps, too: a login that the hashers will not reach in time need not trouble the database. */
static bool foresee(struct exchange *exchange, enum executor first) {
    const struct request *request = &exchange->request;
    for (size_t i = exchange->next_step; i < ROUTE_STEPS_MAX && request->route->steps[i] != NULL; i++) {
        enum executor executor = request->route->steps[i]->executor;
        if (executor == ON_HTTP || executor == first)
            continue;
        int64_t retry_after_us;
        enum status status = pool_would_admit(request->services->pools[executor], turn_deadline_us(exchange), &retry_after_us);
        if (status != STATUS_OK)
            return refuse(exchange, status, retry_after_us);
    }
    return true;
}

bool pipeline_suspend(struct exchange *exchange) {
    struct http_counters *counters = &exchange->context->counters;
    /* counted first and looked at second: http_server_stop closes first and waits for the count second */
    atomic_fetch_add(&counters->suspended, 1);
    if (atomic_load(&counters->suspension_closed)) {
        atomic_fetch_sub(&counters->suspended, 1);
        return false;
    }
    exchange->state = EXCHANGE_AWAY;
    MHD_suspend_connection(exchange->library_connection);
    return true;
}

void pipeline_resume(struct exchange *exchange) {
    struct http_counters *counters = &exchange->context->counters;
    struct MHD_Connection *connection = exchange->library_connection;
    exchange->state = EXCHANGE_ANSWERED;
    MHD_resume_connection(connection);
    atomic_fetch_sub(&counters->suspended, 1);
}

static void run_job(struct pool_job *job, void *thread_state, bool late);

static struct exchange *exchange_of_job(struct pool_job *job) {
    return container_of(job, struct exchange, job);
}

/* Whoever hashes waits for that anyway; nobody else shall wait behind them, wherever they meet. */
static enum pool_lane lane_of(const struct route *route) {
    for (size_t i = 0; i < ROUTE_STEPS_MAX && route->steps[i] != NULL; i++)
        if (route->steps[i]->executor == ON_CRYPTO)
            return LANE_HEAVY;
    return LANE_LIGHT;
}

static void submit(struct exchange *exchange, enum executor executor) {
    exchange->job.lane = lane_of(exchange->request.route);
    exchange->job.deadline_us = turn_deadline_us(exchange);
    exchange->job.run = run_job;
    pool_submit(exchange->request.services->pools[executor], &exchange->job);
}

/* The request leaves the thread it is on: for the next step's pool, or, answered, for the HTTP thread. */
static void move_on(struct exchange *exchange, const struct step *next) {
    if (next != NULL && reserve(exchange, next->executor))
        submit(exchange, next->executor);
    else
        pipeline_resume(exchange);
}

static void run_dispatched(struct pool_job *job, void *thread_state, bool late) {
    struct exchange *exchange = exchange_of_job(job);
    (void)thread_state;
    assert(!late);
    move_on(exchange, reply_is_written(&exchange->reply) ? NULL : run_steps_at(exchange, ON_DISPATCH));
}

/* A thread of low priority that is descheduled while it holds a lock keeps everybody waiting who wants it, for as long as others
 * use the cores. So threads that hash neither resume connections (a lock of the library, which every HTTP thread takes in each
 * round) nor submit to the database's pool, but leave both to a thread of normal priority. Its queue refuses nobody: who is in it
 * has passed admission. */
static void dispatch(struct exchange *exchange) {
    struct pool *pool = exchange->request.services->pools[ON_DISPATCH];
    int64_t retry_after_us;
    enum status status = pool_reserve(pool, INT64_MAX, &retry_after_us);
    assert(status == STATUS_OK);
    exchange->job = (struct pool_job){ .lane = LANE_LIGHT, .deadline_us = INT64_MAX, .run = run_dispatched };
    pool_submit(pool, &exchange->job);
}

static void run_on_pool(struct exchange *exchange, enum executor here, void *thread_state) {
    struct request *request = &exchange->request;
    request->db = here == ON_DATABASE ? thread_state : NULL;
    request->hasher = here == ON_CRYPTO ? thread_state : NULL;
    const struct step *next = run_steps_at(exchange, here);
    if (here == ON_CRYPTO)
        dispatch(exchange);
    else
        move_on(exchange, next);
}

static bool hashes_up_to_now(const struct exchange *exchange) {
    for (size_t i = 0; i <= exchange->next_step; i++)
        if (exchange->request.route->steps[i]->executor == ON_CRYPTO)
            return true;
    return false;
}

/* A hash that nobody waits for is not worth its milliseconds, and what follows one would be a session or a user that nobody knows
 * of. Not before a hash: a client that has merely closed its sending side looks the same, and everything else is cheap enough to
 * be answered. */
static bool is_wasted(const struct exchange *exchange) {
    return hashes_up_to_now(exchange) && connection_is_gone(exchange->connection);
}

static void run_job(struct pool_job *job, void *thread_state, bool late) {
    struct exchange *exchange = exchange_of_job(job);
    enum executor here = current_step(exchange)->executor;
    if (!late && !is_wasted(exchange)) {
        run_on_pool(exchange, here, thread_state);
        return;
    }
    reply_problem(&exchange->request, STATUS_DEADLINE_EXCEEDED);
    if (here == ON_CRYPTO)
        dispatch(exchange);
    else
        pipeline_resume(exchange);
}

/* False when it stayed, answered with a refusal. */
static bool go_away(struct exchange *exchange, enum executor executor) {
    if (!foresee(exchange, executor) || !reserve(exchange, executor))
        return false;
    if (!pipeline_suspend(exchange)) {
        pool_cancel(exchange->request.services->pools[executor]);
        reply_problem(&exchange->request, STATUS_SHUTTING_DOWN);
        return false;
    }
    submit(exchange, executor);
    return true;
}

bool pipeline_run(struct exchange *exchange) {
    const struct step *elsewhere = run_steps_at(exchange, ON_HTTP);
    if (elsewhere != NULL && go_away(exchange, elsewhere->executor))
        return false;
    exchange->state = EXCHANGE_ANSWERED;
    return true;
}
