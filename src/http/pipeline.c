#include "pipeline.h"

#include "change.h"
#include "connection.h"
#include "context.h"
#include "exchange.h"
#include "idempotency.h"
#include "spans.h"

#include "jwtd/activity.h"
#include "jwtd/clock.h"
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
 *     HTTP thread                     a thread of the executor            the dispatch thread
 *     RUNNING
 *        | reserve, suspend, submit
 *        +--------------------------> SUSPENDED (database, or crypto) --> SUSPENDED (behind crypto)
 *                                       | resume                            | resume
 *     RETURNED <------------------------+-----------------------------------+
 *        |
 *     RUNNING ... ANSWERED
 *
 * The order matters: a place in the queue is reserved before the connection is suspended, so that a refusal costs no suspension;
 * the job is submitted last, since from then on the exchange belongs to the executor, which may have resumed it before the
 * submission returns. No lock is held here; an executor holds its own for a few instructions.
 */

/* The job's turn must come while one part in so many of the request's time is left for the work and the reply. */
#define TURN_RESERVE_DIVISOR 10

static const struct step *current_step(const struct exchange *exchange) {
    return exchange->steps[exchange->next_step];
}

static bool applies(const struct exchange *exchange, const struct step *step) {
    return step->applies == NULL || step->applies(&exchange->request);
}

static int64_t turn_deadline_us(const struct exchange *exchange) {
    return exchange_deadline_us(exchange, TURN_RESERVE_DIVISOR);
}

/* For a request in detail. */
static void log_step(const struct exchange *exchange, const char *event, const struct step *step) {
    if (log_has_level(LOG_DEBUG))
        log_event(LOG_DEBUG, event, "step=%s executor=%s us=%lld", step->name, executor_name(step->executor),
                  (long long)(clock_monotonic_us() - exchange->started_us));
}

/* ---- admission ---- */

/* From 80 to 120 percent, so that clients that were refused together do not retry together. */
static int64_t jittered(int64_t us) {
    return us * (80 + (int64_t)randombytes_uniform(41)) / 100;
}

static bool refuse(struct exchange *exchange, enum executor executor, enum status status, int64_t retry_after_us) {
    reply_retry_later(&exchange->request, status, jittered(retry_after_us));
    exchange->reply.limit = executor_name(executor);
    if (executor == ON_DATABASE)
        db_executor_note_refusal();
    return false;
}

static struct admission *admission_to(const struct exchange *exchange, enum executor executor) {
    assert(executor != ON_HTTP && executor < EXECUTOR_COUNT);
    return exchange->request.services->admissions[executor];
}

static bool reserve(struct exchange *exchange, enum executor executor) {
    int64_t retry_after_us;
    enum status status = admission_reserve(admission_to(exchange, executor), turn_deadline_us(exchange), &retry_after_us);
    return status == STATUS_OK || refuse(exchange, executor, status, retry_after_us);
}

/* So a login that the crypto pool would refuse costs the database nothing. */
static bool later_executors_admit(struct exchange *exchange, enum executor first) {
    const struct route *route = exchange->request.route;
    for (size_t i = 0; route->steps[i] != NULL; i++) {
        enum executor executor = route->steps[i]->executor;
        if (executor == ON_HTTP || executor == first || !applies(exchange, route->steps[i]))
            continue;
        struct admission *admission = admission_to(exchange, executor);
        int64_t retry_after_us;
        enum status status = admission_would_admit(admission, turn_deadline_us(exchange), &retry_after_us);
        if (status != STATUS_OK)
            return refuse(exchange, executor, status, retry_after_us);
    }
    return true;
}

/* A request that hashes waits for that anyway; in no queue shall another wait behind it. */
static enum pool_lane lane_of(const struct exchange *exchange) {
    const struct route *route = exchange->request.route;
    for (size_t i = 0; route->steps[i] != NULL; i++)
        if (route->steps[i]->executor == ON_CRYPTO && applies(exchange, route->steps[i]))
            return LANE_HEAVY;
    return LANE_LIGHT;
}

static bool hashes_up_to_now(const struct exchange *exchange) {
    for (size_t i = 0; i <= exchange->next_step; i++)
        if (exchange->steps[i]->executor == ON_CRYPTO && applies(exchange, exchange->steps[i]))
            return true;
    return false;
}

/* A hash for a client that has disconnected is wasted, and what follows one would be a session or a user that no client knows of.
 * Checked only from the first hash on: a client that has closed its sending side alone looks the same, and everything else is
 * cheap enough to be answered. */
static bool is_wasted(const struct exchange *exchange) {
    return hashes_up_to_now(exchange) && connection_is_gone(exchange->connection);
}

/* ---- handing over ---- */

static void return_query(struct db_query *query) {
    spans_end_query(query->context);
    exchange_resume(query->context, EXCHANGE_RETURNED);
}

static void submit_query(struct exchange *exchange) {
    struct db_query *query = exchange->db_query;
    query->job.lane = lane_of(exchange);
    query->turn_deadline_us = turn_deadline_us(exchange);
    query->deadline_us = exchange->request.deadline_us;
    query->done = return_query;
    query->context = exchange;
    query->log = &exchange->request.log;
    spans_begin_query(exchange);
    db_executor_submit(exchange->request.services->database, query);
}

static void return_dispatched(struct pool_job *job, void *thread_state, bool late) {
    struct exchange *exchange = container_of(job, struct exchange, job);
    (void)thread_state;
    assert(!late && exchange->state == EXCHANGE_SUSPENDED);
    exchange_resume(exchange, EXCHANGE_RETURNED);
}

/* A thread of low priority that is descheduled while it holds a lock blocks every thread that takes it, for as long as others use
 * the cores (priority inversion). So threads that hash do not resume connections (a lock of the library, which every HTTP thread
 * takes in each round of its loop), but leave that to a thread of normal priority. Its queue refuses none: a request in it has
 * passed admission. */
static void dispatch(struct exchange *exchange) {
    admission_reserve_next(admission_to(exchange, ON_DISPATCH));
    exchange->job = (struct pool_job){ .deadline_us = INT64_MAX, .run = return_dispatched };
    pool_submit(exchange->request.services->dispatch, &exchange->job);
}

static void run_here(struct exchange *exchange, const struct step *step) {
    spans_begin_step(exchange, step);
    log_step(exchange, "step_runs", step);
    bool is_done = step->run(&exchange->request) == STEP_DONE;
    spans_end_step(exchange);
    exchange->next_step++;
    assert(is_done == reply_is_written(&exchange->reply));
}

/* All steps in a row that hash, with the thread's hasher, which the request borrows for them. */
static void run_hashing_steps(struct exchange *exchange, struct hasher *hasher) {
    const struct step *step;
    exchange->request.hasher = hasher;
    while (!reply_is_written(&exchange->reply) && (step = current_step(exchange)) != NULL && step->executor == ON_CRYPTO) {
        activity_set(step->name);
        if (applies(exchange, step))
            run_here(exchange, step);
        else
            exchange->next_step++;
    }
    exchange->request.hasher = NULL;
}

static void run_crypto_job(struct pool_job *job, void *thread_state, bool late) {
    struct exchange *exchange = container_of(job, struct exchange, job);
    assert(exchange->state == EXCHANGE_SUSPENDED);
    spans_end_wait(exchange);
    log_set_context(&exchange->request.log);
    if (late || is_wasted(exchange))
        reply_problem(&exchange->request, STATUS_DEADLINE_EXCEEDED);
    else
        run_hashing_steps(exchange, thread_state);
    log_set_context(NULL);
    dispatch(exchange);
}

static void submit_crypto_job(struct exchange *exchange) {
    exchange->job =
        (struct pool_job){ .queue.lane = lane_of(exchange), .deadline_us = turn_deadline_us(exchange), .run = run_crypto_job };
    spans_begin_wait(exchange);
    pool_submit(exchange->request.services->crypto, &exchange->job);
}

/* With a place reserved. The exchange belongs to the executor when it returns true. False: a refusal is written. */
static bool suspend_and_submit(struct exchange *exchange, enum executor executor) {
    if (!exchange_suspend(exchange, EXCHANGE_SUSPENDED)) {
        admission_cancel(admission_to(exchange, executor));
        reply_problem(&exchange->request, STATUS_SHUTTING_DOWN);
        return false;
    }
    if (executor == ON_DATABASE)
        submit_query(exchange);
    else
        submit_crypto_job(exchange);
    return true;
}

static bool hand_over(struct exchange *exchange, enum executor executor) {
    if (executor == ON_DATABASE && is_wasted(exchange)) {
        reply_problem(&exchange->request, STATUS_DEADLINE_EXCEEDED);
        return false;
    }
    if (!exchange->is_admitted && !later_executors_admit(exchange, executor))
        return false;
    exchange->is_admitted = true;
    return reserve(exchange, executor) && suspend_and_submit(exchange, executor);
}

/* ---- the HTTP thread ---- */

static bool prepare_query(struct exchange *exchange) {
    if (exchange->db_query == NULL)
        exchange->db_query = arena_alloc(&exchange->arena, sizeof *exchange->db_query);
    else
        *exchange->db_query = (struct db_query){ .statement = NULL };
    bool is_out_of_memory = exchange->db_query == NULL;
    if (!is_out_of_memory)
        exchange->db_query->change = request_change(&exchange->request, &is_out_of_memory);
    if (is_out_of_memory)
        reply_problem(&exchange->request, STATUS_OUT_OF_MEMORY);
    return !is_out_of_memory;
}

/* True: the step is under way on the database. */
static bool ask(struct exchange *exchange, const struct step *step) {
    if (!prepare_query(exchange) || step->ask(&exchange->request, exchange->db_query) == STEP_DONE)
        return false;
    if (!db_is_asked(exchange->db_query)) {
        exchange->next_step++;
        return false;
    }
    return hand_over(exchange, ON_DATABASE);
}

/* True: it was handed over. */
static bool run_step(struct exchange *exchange, const struct step *step) {
    if (!applies(exchange, step)) {
        exchange->next_step++;
        return false;
    }
    spans_begin_step(exchange, step);
    if (step->executor != ON_HTTP)
        log_step(exchange, "step_waits", step);
    if (step->executor == ON_DATABASE)
        return ask(exchange, step);
    if (step->executor == ON_CRYPTO)
        return hand_over(exchange, ON_CRYPTO);
    run_here(exchange, step);
    return false;
}

/* Behind the last of its steps. */
static void go_on(struct exchange *exchange) {
    if (idempotency_go_on(exchange))
        return;
    log_event(LOG_ERROR, "route_without_reply", "path=%s", exchange->request.route->path);
    reply_problem(&exchange->request, STATUS_INTERNAL);
}

bool pipeline_run(struct exchange *exchange) {
    assert(exchange->state == EXCHANGE_RUNNING);
    if (exchange->steps == NULL)
        idempotency_begin(exchange);
    while (!reply_is_written(&exchange->reply) || idempotency_set_aside(exchange)) {
        const struct step *step = current_step(exchange);
        if (step == NULL)
            go_on(exchange);
        else if (run_step(exchange, step))
            return false;
    }
    spans_end_step(exchange);
    exchange_set_state(exchange, EXCHANGE_ANSWERED);
    return true;
}

/* The second half of a step ON_DATABASE. True: it has asked again. */
static bool take(struct exchange *exchange, const struct step *step) {
    struct request *request = &exchange->request;
    request->query_status = db_take(exchange->db_query, &exchange->arena);
    if (db_is_asked(exchange->db_query)) {
        admission_reserve_next(admission_to(exchange, ON_DATABASE));
        return suspend_and_submit(exchange, ON_DATABASE);
    }
    if (request->query_status != STATUS_OK && !step->may_fail)
        reply_problem(request, request->query_status);
    else if (step->run != NULL)
        run_here(exchange, step);
    else
        exchange->next_step++;
    return false;
}

bool pipeline_continue(struct exchange *exchange) {
    assert(exchange->state == EXCHANGE_RETURNED);
    exchange_set_state(exchange, EXCHANGE_RUNNING);
    const struct step *step = current_step(exchange);
    bool is_query = !reply_is_written(&exchange->reply) && exchange->db_query != NULL && db_is_asked(exchange->db_query);
    if (is_query && take(exchange, step))
        return false;
    return pipeline_run(exchange);
}
