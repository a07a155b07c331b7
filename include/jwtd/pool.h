/*
 * pool: a fixed number of named threads that take jobs from a queue bounded in length and in time.
 *
 * Contract. A place is reserved first (pool_reserve), which refuses at once when the queue is full or when the job's turn would,
 * by the pool's own recent service times, come after its deadline; a reservation is then either committed (pool_submit) or
 * cancelled (pool_cancel). The queue owns a job from its submission until `run` is called, exactly once, on a pool thread. If the
 * deadline has passed by then, `late` is true: the job must be ended without work. Each job is queued in one of two lanes; within
 * a lane the order is first in, first out, and the lanes take turns, so that many jobs in one do not delay the other. A job
 * cannot fail: it carries its own outcome. The thread that submits is never blocked but for the pool's mutex. Not provided:
 * priorities, cancellation of a submitted job, results.
 *
 * The predicted wait is that of the first thread to become free after all jobs ahead: (jobs reserved, queued and running -
 * threads
 * + 1) x (recent mean service time) / threads, where only healthy threads count. It must leave a quarter of itself to the
 * deadline. It is 0 while a thread is free, so that an estimate that is too high after a stall is corrected by the next jobs, and
 * until the first job has been measured.
 *
 * When a pool begins to refuse jobs or to run them late, and when it has stopped, is logged, with counts; not each job.
 *
 * Each thread may have a state of its own (a database connection, an argon2 region) that thread_start makes and thread_stop ends,
 * both on that thread. A thread whose state is unhealthy (its connection is lost) yields to the healthy ones, and tries to
 * recover meanwhile; when none is healthy, all take jobs. One mutex guards the queue and the service times. Signals are blocked
 * on all threads of a pool.
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
    int64_t deadline_us; /* of clock_monotonic_us */
    void (*run)(struct pool_job *job, void *thread_state, bool late);
};

struct pool_options {
    const char *name;                                     /* at most 9 characters: threads are called name-0, name-1, ... */
    unsigned threads;                                     /* at least 1 */
    unsigned queue_limit;                                 /* jobs reserved or queued, not counting those that run */
    int nice;                                             /* 0 to 19, added to the process's own, for each thread */
    void *(*thread_start)(void *context, unsigned index); /* may be NULL; if it returns NULL, out of memory, pool_create fails */
    void (*thread_stop)(void *thread_state);              /* may be NULL */
    void (*thread_idle)(void *thread_state);              /* may be NULL; called once when a thread has had no job for idle_us */
    int64_t idle_us;
    /* May be NULL. Returns 0 for a healthy state, else the moment before which recovering is of no use. Called with the pool's
     * mutex held, so it must not wait. */
    int64_t (*thread_unhealthy)(const void *thread_state);
    void (*thread_recover)(void *thread_state); /* with thread_unhealthy: tries to recover, from that moment on */
    void *context;
};

struct pool_load {
    unsigned queued, running, threads;
    uint64_t completed, late, refused; /* since the start: begun in time, run late, refused a place */
    int64_t service_us;                /* recent mean time of one job on its thread */
    int64_t wait_us;                   /* predicted wait of a job reserved now */
};

/* NULL if out of memory, or if a thread cannot be started; the reason is logged. */
struct pool *pool_create(const struct pool_options *options);

/* Waits until every submitted job has run, then ends the threads. No other call may follow. NULL is ignored. */
void pool_destroy(struct pool *pool);

/* STATUS_OK: a place is reserved, *retry_after_us is 0. STATUS_OVERLOADED: *retry_after_us is the time until a retry; retries are
 * spread at the rate at which the pool serves, over up to ten seconds from the moment at which half of the backlog will have been
 * served. Any thread. */
enum status pool_reserve(struct pool *pool, int64_t deadline_us, int64_t *retry_after_us) MUST_CHECK;

/* Releases a reserved place for which nothing will be submitted. Any thread. */
void pool_cancel(struct pool *pool);

/* The same decision without reserving a place: for work that will need this pool after another one, so that it can be refused
 * before the other has done any of it. STATUS_OK promises nothing, and takes no lock, since the pool's own threads may have a low
 * priority. Any thread. */
enum status pool_would_admit(struct pool *pool, int64_t deadline_us, int64_t *retry_after_us) MUST_CHECK;

/* Queues a job for which a place was reserved. Takes the job until `run` is called. Any thread. */
void pool_submit(struct pool *pool, struct pool_job *job);

void pool_read_load(struct pool *pool, struct pool_load *load); /* any thread */

#endif
