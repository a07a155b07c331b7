/*
 * pool: a fixed number of named threads that take jobs from a queue bounded in length and in time.
 *
 * Contract. A place is reserved first (pool_reserve), which refuses at once when the queue is full or when the job's turn
 * would, by the pool's own recent service times, come after its deadline; a reservation is then either committed (pool_submit)
 * or cancelled (pool_cancel). From submission to hand-over the queue owns the job; a submitted job is handed over exactly once,
 * `run` is called on a pool thread, with late = true when its deadline had passed when its turn came: it is then to be ended
 * without work. Each job goes into one of two lanes; within a lane the order is first in, first out, and the lanes take turns, so
 * that many jobs in one do not hold up the other. A job cannot fail: it carries its own outcome. Nothing here blocks the
 * thread that submits. What is not provided: priorities, cancellation of a submitted job, results.
 *
 * The prediction is (jobs reserved, queued and running) x (recent mean service time) / threads, and must leave a quarter of
 * itself to the deadline; a job that finds a thread free is never refused, so an estimate that a stall has driven up is corrected
 * by the jobs that come next.
 *
 * The log says when a pool begins to refuse jobs, and when it has stopped, with counts; not for each job.
 *
 * Each thread may carry a state of its own (a database connection, an argon2 region) that thread_start makes and thread_stop
 * ends, both on that thread. A thread whose state is unhealthy for now (its connection is lost) yields to the healthy ones, and
 * tries to recover meanwhile; when none is healthy, all take jobs. One mutex guards the
 * queue and the service times. Signals are blocked on all threads of a pool.
 */
#ifndef JWTD_POOL_H
#define JWTD_POOL_H

#include "jwtd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;

enum pool_lane {
    LANE_LIGHT, /* work that a client expects to be quick */
    LANE_HEAVY, /* part of work that is slow anyway, and comes in bursts */
    POOL_LANES
};

struct pool_job {
    struct pool_job *next; /* the queue's */
    enum pool_lane lane;
    int64_t deadline_us; /* clock_monotonic_us */
    void (*run)(struct pool_job *job, void *thread_state, bool late);
};

struct pool_options {
    const char *name;                                     /* at most 9 characters: threads are called name-0, name-1, ... */
    unsigned threads;                                     /* at least 1 */
    unsigned queue_limit;                                 /* jobs reserved or queued, not counting those that run */
    int nice;                                             /* 0 to 19, added to the process's own, for each thread */
    void *(*thread_start)(void *context, unsigned index); /* may be NULL; NULL from it: memory, fails pool_create */
    void (*thread_stop)(void *thread_state);              /* may be NULL */
    void (*thread_idle)(void *thread_state);              /* may be NULL: on a thread that had no job for idle_us, once */
    int64_t idle_us;
    int64_t (*thread_unhealthy)(const void *thread_state); /* may be NULL: until when recovering is of no use; 0: healthy */
    void (*thread_recover)(void *thread_state);            /* with thread_unhealthy: tries, when that moment has come */
    void *context;
};

struct pool_load {
    unsigned queued, running, threads;
    uint64_t completed, late, refused; /* since the start: done in time, handed over late, not reserved */
    int64_t service_us;                /* recent mean time of one job on its thread */
    int64_t wait_us;                   /* predicted wait of a job submitted now */
};

/* NULL if a thread cannot be started; the reason is logged. */
struct pool *pool_create(const struct pool_options *options);

/* Waits until every submitted job has been handed over and has run, then ends the threads. Nobody may submit any more. */
void pool_destroy(struct pool *pool);

/* STATUS_OK: a place is held, *retry_after_us is 0. STATUS_OVERLOADED: it says when to try again; retries are spread over
 * up to ten seconds behind the backlog, at the rate at which the pool serves. Any thread. */
enum status pool_reserve(struct pool *pool, int64_t deadline_us, int64_t *retry_after_us) MUST_CHECK;
void pool_cancel(struct pool *pool);

/* The same judgement without holding a place: for work that will need this pool after another one, so that it can be refused
 * before the other has spent anything on it. STATUS_OK promises nothing, and takes no lock: the pool's own threads may have a low
 * priority. Any thread. */
enum status pool_would_admit(struct pool *pool, int64_t deadline_us, int64_t *retry_after_us) MUST_CHECK;

/* Queues a job for which a place was reserved. Any thread. */
void pool_submit(struct pool *pool, struct pool_job *job); /* takes the job until run is called */

void pool_read_load(struct pool *pool, struct pool_load *load); /* any thread */

#endif
