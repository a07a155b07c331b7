/*
 * pool: a fixed number of named threads that take jobs from a queue.
 *
 * Contract. A place is reserved first, with admission_reserve on the pool's admission (admission.h), which bounds the queue in
 * length and in time; it is then either used by pool_submit or released by admission_cancel. The queue owns a job from its
 * submission until `run` is called, exactly once, on a pool thread. If the deadline has passed by then, `late` is true: the job
 * must be ended without work. Jobs are queued in two lanes that take turns (lanes.h). A job cannot fail: it carries its own
 * outcome. The thread that submits is never blocked but for the mutex of the admission, which guards the queue. Not provided:
 * priorities, cancellation of a submitted job, results.
 *
 * Each thread may have a state of its own (an argon2 region) that thread_start makes and thread_stop ends, both on that thread.
 * Signals are blocked on all threads of a pool.
 */
#ifndef JWTD_POOL_H
#define JWTD_POOL_H

#include "jwtd/admission.h"
#include "jwtd/lanes.h"

#include <stdbool.h>
#include <stdint.h>

struct pool;

struct pool_job {
    struct lane_job queue; /* its lane; the rest is the pool's */
    int64_t deadline_us;   /* of clock_monotonic_us */
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
    void *context;
};

/* NULL if out of memory, or if a thread cannot be started; the reason is logged. */
struct pool *pool_create(const struct pool_options *options);

/* Waits until every submitted job has run, then ends the threads. No other call may follow. NULL is ignored. */
void pool_destroy(struct pool *pool);

/* The pool's, which lives as long. Any thread. Its owner's functions are called by the pool only. */
struct admission *pool_admission(struct pool *pool);

/* Queues a job for which a place was reserved. Takes the job until `run` is called. Any thread. */
void pool_submit(struct pool *pool, struct pool_job *job);

#endif
