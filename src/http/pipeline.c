#include "pipeline.h"

#include "connection.h"
#include "context.h"
#include "exchange.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"

#include <assert.h>
#include <sodium.h>
#include <stddef.h>

/*
 * DESIGN. How an exchange changes its owner, with its state (exchange.h):
 *
 *     HTTP thread          a pool's thread                  the dispatch thread
 *     RUNNING
 *        | reserve, suspend, submit
 *        +--------------> SUSPENDED (database) --+
 *                            ^  |                | reserve and submit: the next step's pool
 *                            |  +----------------+
 *                            |  v
 *                            | SUSPENDED (crypto) ---------> SUSPENDED
 *                            +---------------------------------+ | reserve and submit
 *     ANSWERED <-------------+ resume                            |
 *     ANSWERED <-------------------------------------------------+ resume
 *
 * The order matters in each of these: a place in the queue is reserved before the connection is suspended, so that a refusal
 * costs no suspension; the job is submitted last, since from then on the exchange belongs to the pool, which may have answered
 * and resumed it before pool_submit returns. There is one exit: exchange_resume, or the return of pipeline_run with true.
 *
 * No lock is held here; a pool holds its own for a few instructions.
 */

/* The job's turn must come while one part in so many of the request's time is left for the work and the reply. */
#define TURN_RESERVE_DIVISOR 10

static const struct step *current_step(const struct exchange *exchange) {
    return exchange->next_step < ROUTE_STEPS_MAX ? exchange->request.route->steps[exchange->next_step] : NULL;
}

/* A step ON_HTTP runs on the thread that owns the request, except at the low priority of the threads that hash. */
static bool runs_on(const struct step *step, enum executor executor) {
    return step->executor == executor || (step->executor == ON_HTTP && executor != ON_CRYPTO);
}

static void assert_is_on(const struct request *request, enum executor executor) {
    assert((request->db != NULL) == (executor == ON_DATABASE));
    assert((request->hasher != NULL) == (executor == ON_CRYPTO));
}

/* Runs steps until a reply is written (NULL) or one must run on another executor (that step). */
static const struct step *run_steps(struct exchange *exchange, enum executor executor) {
    const struct step *step;
    bool is_done = false;
    assert_is_on(&exchange->request, executor);
    while (!is_done && (step = current_step(exchange)) != NULL) {
        if (!runs_on(step, executor))
            return step;
        exchange->next_step++;
        is_done = step->run(&exchange->request) == STEP_DONE;
        assert(is_done || !reply_is_written(&exchange->reply));
    }
    if (!reply_is_written(&exchange->reply)) {
        log_event(LOG_ERROR, "route_without_reply", "path=%s", exchange->request.route->path);
        reply_problem(&exchange->request, STATUS_INTERNAL);
    }
    return NULL;
}

/* From 80 to 120 percent, so that clients that were refused together do not retry together. */
static int64_t jittered(int64_t us) {
    return us * (80 + (int64_t)randombytes_uniform(41)) / 100;
}

static int64_t turn_deadline_us(const struct exchange *exchange) {
    return exchange_deadline_us(exchange, TURN_RESERVE_DIVISOR);
}

static bool refuse(struct exchange *exchange, enum status status, int64_t retry_after_us) {
    reply_retry_later(&exchange->request, status, jittered(retry_after_us));
    return false;
}

static struct pool *pool_of(const struct exchange *exchange, enum executor executor) {
    assert(executor != ON_HTTP && executor < EXECUTOR_COUNT);
    return exchange->request.services->pools[executor];
}

static bool reserve(struct exchange *exchange, enum executor executor) {
    int64_t retry_after_us;
    enum status status = pool_reserve(pool_of(exchange, executor), turn_deadline_us(exchange), &retry_after_us);
    return status == STATUS_OK || refuse(exchange, status, retry_after_us);
}

/* So a login that the crypto pool would refuse costs the database nothing. */
static bool later_pools_admit(struct exchange *exchange, enum executor first) {
    const struct route *route = exchange->request.route;
    for (size_t i = exchange->next_step; i < ROUTE_STEPS_MAX && route->steps[i] != NULL; i++) {
        enum executor executor = route->steps[i]->executor;
        if (executor == ON_HTTP || executor == first)
            continue;
        int64_t retry_after_us;
        enum status status = pool_would_admit(pool_of(exchange, executor), turn_deadline_us(exchange), &retry_after_us);
        if (status != STATUS_OK)
            return refuse(exchange, status, retry_after_us);
    }
    return true;
}

/* A request that hashes waits for that anyway; in no pool shall another wait behind it. */
static enum pool_lane lane_of(const struct route *route) {
    for (size_t i = 0; i < ROUTE_STEPS_MAX && route->steps[i] != NULL; i++)
        if (route->steps[i]->executor == ON_CRYPTO)
            return LANE_HEAVY;
    return LANE_LIGHT;
}

static void run_job(struct pool_job *job, void *thread_state, bool late);

/* The exchange belongs to the pool when it returns. */
static void submit(struct exchange *exchange, enum executor executor) {
    assert(exchange->state == EXCHANGE_SUSPENDED);
    exchange->executor = executor;
    exchange->job =
        (struct pool_job){ .lane = lane_of(exchange->request.route), .deadline_us = turn_deadline_us(exchange), .run = run_job };
    pool_submit(pool_of(exchange, executor), &exchange->job);
}

/* Hands the exchange to the next step's pool, or, answered, to the HTTP thread. */
static void move_on(struct exchange *exchange, const struct step *next) {
    if (next != NULL && reserve(exchange, next->executor))
        submit(exchange, next->executor);
    else
        exchange_resume(exchange, EXCHANGE_ANSWERED);
}

static void run_dispatched(struct pool_job *job, void *thread_state, bool late) {
    struct exchange *exchange = container_of(job, struct exchange, job);
    (void)thread_state;
    assert(!late && exchange->state == EXCHANGE_SUSPENDED && exchange->executor == ON_DISPATCH);
    move_on(exchange, reply_is_written(&exchange->reply) ? NULL : run_steps(exchange, ON_DISPATCH));
}

/* A thread of low priority that is descheduled while it holds a lock blocks every thread that takes it, for as long as others use
 * the cores (priority inversion). So threads that hash neither resume connections (a lock of the library, which every HTTP thread
 * takes in each round of its loop) nor submit to the database's pool, but leave both to a thread of normal priority. Its queue
 * refuses none: a request in it has passed admission. */
static void dispatch(struct exchange *exchange) {
    struct pool *pool = pool_of(exchange, ON_DISPATCH);
    int64_t retry_after_us;
    enum status status = pool_reserve(pool, INT64_MAX, &retry_after_us);
    assert(status == STATUS_OK);
    exchange->executor = ON_DISPATCH;
    exchange->job = (struct pool_job){ .lane = LANE_LIGHT, .deadline_us = INT64_MAX, .run = run_dispatched };
    pool_submit(pool, &exchange->job);
}

static bool hashes_up_to_now(const struct exchange *exchange) {
    for (size_t i = 0; i <= exchange->next_step; i++)
        if (exchange->request.route->steps[i]->executor == ON_CRYPTO)
            return true;
    return false;
}

/* A hash for a client that has disconnected is wasted, and what follows one would be a session or a user that no client knows of.
 * Checked only from the first hash on: a client that has closed its sending side alone looks the same, and everything else is
 * cheap enough to be answered. */
static bool is_wasted(const struct exchange *exchange) {
    return hashes_up_to_now(exchange) && connection_is_gone(exchange->connection);
}

/* With the thread's database connection or hasher, which the request borrows for its steps. */
static const struct step *run_on_pool(struct exchange *exchange, enum executor executor, void *thread_state) {
    struct request *request = &exchange->request;
    request->db = executor == ON_DATABASE ? thread_state : NULL;
    request->hasher = executor == ON_CRYPTO ? thread_state : NULL;
    const struct step *next = run_steps(exchange, executor);
    request->db = NULL;
    request->hasher = NULL;
    return next;
}

static void run_job(struct pool_job *job, void *thread_state, bool late) {
    struct exchange *exchange = container_of(job, struct exchange, job);
    enum executor executor = exchange->executor;
    const struct step *next = NULL;
    assert(exchange->state == EXCHANGE_SUSPENDED && current_step(exchange)->executor == executor);
    if (late || is_wasted(exchange))
        reply_problem(&exchange->request, STATUS_DEADLINE_EXCEEDED);
    else
        next = run_on_pool(exchange, executor, thread_state);
    if (executor == ON_CRYPTO)
        dispatch(exchange);
    else
        move_on(exchange, next);
}

/* False: the exchange was not handed off, and a refusal is written. */
static bool hand_off(struct exchange *exchange, enum executor executor) {
    if (!later_pools_admit(exchange, executor) || !reserve(exchange, executor))
        return false;
    if (!exchange_suspend(exchange, EXCHANGE_SUSPENDED)) {
        pool_cancel(pool_of(exchange, executor));
        reply_problem(&exchange->request, STATUS_SHUTTING_DOWN);
        return false;
    }
    submit(exchange, executor);
    return true;
}

bool pipeline_run(struct exchange *exchange) {
    assert(exchange->state == EXCHANGE_RUNNING);
    const struct step *next = run_steps(exchange, ON_HTTP);
    if (next != NULL && hand_off(exchange, next->executor))
        return false;
    exchange_set_state(exchange, EXCHANGE_ANSWERED);
    return true;
}
