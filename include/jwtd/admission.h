/*
 * admission: whether a job is given a place in a queue: bounded in length, and in time by a prediction of the wait.
 *
 * A place is reserved first, which is refused at once when the queue is full or when the job's turn would, by the recent service
 * times, come after its deadline. A reservation is then either used for a job, which is queued, begun and ended, or cancelled.
 * The queue itself is its owner's (pool.h, db_executor.h), who reports each of these moments; here jobs are only counted.
 *
 * The predicted wait is that of the first server (a thread, a connection) to become free after all jobs ahead: (jobs reserved,
 * queued and running - servers + 1) x (recent mean service time) / servers. It must leave a quarter of itself to the deadline. It
 * is 0 while a server is free, so that an estimate that is too high after a stall is corrected by the next jobs, and until the
 * first job has been measured. A server may run several jobs at once: each then counts as running, and the time that the server
 * took for all of them, divided by their number, is the service time of each.
 *
 * When it begins to refuse jobs, or they begin to be late, and when that has stopped for two seconds, is logged, with counts; not
 * each job.
 */
#ifndef JWTD_ADMISSION_H
#define JWTD_ADMISSION_H

#include "jwtd/status.h"

#include <pthread.h>
#include <stdint.h>

struct admission;

struct admission_options {
    const char *name;     /* for the log; borrowed */
    unsigned servers;     /* at least 1: jobs that are served at once */
    unsigned queue_limit; /* jobs reserved or queued, not counting those that run */
};

struct admission_load {
    unsigned queued, running, servers;
    uint64_t completed, late, refused; /* since the start: ended and begun in time, ended and late, refused a place */
    int64_t service_us;                /* recent mean time of one job on its server; 0 until the first was measured */
    int64_t wait_us;                   /* predicted wait of a job reserved now */
};

/* NULL if out of memory. */
struct admission *admission_create(const struct admission_options *options);
void admission_destroy(struct admission *admission); /* NULL is ignored; no job may be queued or running */

/* ---- by who submits: any thread, without the lock. Deadlines are of a job's turn, of clock_monotonic_us ---- */

/* STATUS_OK: a place is reserved, *retry_after_us is 0. STATUS_OVERLOADED: *retry_after_us is the time until a retry; retries are
 * spread at the rate at which jobs are served, over up to ten seconds from the moment at which half of the backlog will have been
 * served. */
enum status admission_reserve(struct admission *admission, int64_t deadline_us, int64_t *retry_after_us) MUST_CHECK;

/* A place for a job that goes on with what one that was admitted has begun: never refused, not even beyond the limit. It counts
 * as any other. */
void admission_reserve_next(struct admission *admission);

/* Releases a reserved place that will not be used. */
void admission_cancel(struct admission *admission);

/* The same decision without reserving a place: for work that will need this queue after another one, so that it can be refused
 * before the other has done any of it. A refusal counts as one. STATUS_OK promises nothing, and takes no lock, since the threads
 * that serve may have a low priority. */
enum status admission_would_admit(struct admission *admission, int64_t deadline_us, int64_t *retry_after_us) MUST_CHECK;

void admission_read_load(struct admission *admission, struct admission_load *load);

/* ---- by the queue's owner, who holds the lock ---- */

/* It guards the owner's queue, too, so that a job is queued and counted in one critical section. One address for life. */
pthread_mutex_t *admission_lock(struct admission *admission);

void admission_queue(struct admission *admission);                 /* a reserved place is used: one job is queued */
void admission_begin(struct admission *admission, unsigned count); /* so many of those queued run now */

/* So many of those that ran have ended, each after this mean time of a server. The recent mean takes each as a sample. */
void admission_end(struct admission *admission, unsigned count, int64_t service_us);

/* One of those begun had missed its deadline and was not done: no sample. It is part of an episode of overload. */
void admission_end_late(struct admission *admission);

/* So many of those begun have ended without a time that says anything: they did not run, or not on what usually serves them. No
 * sample; they are neither completed nor late. */
void admission_end_unmeasured(struct admission *admission, unsigned count);

/* How many serve from now on, at least 1; jobs that run are not affected. */
void admission_set_servers(struct admission *admission, unsigned servers);

unsigned admission_queued(const struct admission *admission);
bool admission_is_empty(const struct admission *admission); /* no job is reserved, queued or running */

/* Logs that an episode of overload has begun with a late job, or is over; the lock is released while it does. Returns when to
 * call it again at the latest; INT64_MAX: not before the next refusal or late job. To be called after admission_end_late, and now
 * and then, since a refusal, which logs by itself that an episode begins, does not wake the owner. */
int64_t admission_report(struct admission *admission, int64_t now_us);

#endif
