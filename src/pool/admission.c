#include "jwtd/admission.h"

#include "shedding.h"

#include "jwtd/clock.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

/* One job moves the mean by an eighth: a single slow one has no effect after a dozen more, nor has an earlier load. */
#define MEAN_WEIGHT 8.0

/* A prediction may be too low by this part of itself: a request that is admitted should not fail after a long wait. */
#define ADMISSION_MARGIN 4

/* The retry time while nothing has been measured yet. */
#define RETRY_UNKNOWN_US CLOCK_US_PER_S

/* How far ahead retries are scheduled. More refused callers than are served in that time share it. */
#define RETRY_HORIZON_US (10 * CLOCK_US_PER_S)

struct admission {
    const char *name;
    unsigned queue_limit;

    pthread_mutex_t lock; /* guards all that follows */
    unsigned servers;
    unsigned reserved, queued, running;
    double service_us; /* exponentially weighted mean; 0 until completed > 0 */
    uint64_t completed, late, refused;
    int64_t last_retry_us;       /* the retry that was scheduled last */
    atomic_uint waiting_now;     /* reserved and queued; this and the next are written under the lock, and read without it too */
    _Atomic int64_t wait_now_us; /* what predicted_wait returns */
    struct shedding shedding;
};

struct admission *admission_create(const struct admission_options *options) {
    assert(options->servers > 0);
    struct admission *admission = calloc(1, sizeof *admission);

    if (admission == NULL)
        return NULL;
    admission->name = options->name;
    admission->queue_limit = options->queue_limit;
    admission->servers = options->servers;
    pthread_mutex_init(&admission->lock, NULL); /* with default attributes it cannot fail in glibc */
    return admission;
}

void admission_destroy(struct admission *admission) {
    if (admission == NULL)
        return;
    assert(admission->queued == 0 && admission->running == 0);
    pthread_mutex_destroy(&admission->lock);
    free(admission);
}

/* ---- prediction; the lock is held ---- */

static unsigned jobs_ahead(const struct admission *admission) {
    return admission->reserved + admission->queued + admission->running;
}

/* Time until `jobs` more jobs have been served. */
static int64_t time_for(const struct admission *admission, unsigned jobs) {
    return (int64_t)((double)jobs * admission->service_us / (double)admission->servers);
}

/* 0 when a server is free, and, as the mean, before anything was measured. */
static int64_t predicted_wait(const struct admission *admission) {
    unsigned ahead = jobs_ahead(admission);

    return ahead < admission->servers ? 0 : time_for(admission, ahead - admission->servers + 1);
}

/* After each change of what a prediction is made of: has_place_and_time reads the result without the lock. */
static void publish_load(struct admission *admission) {
    atomic_store_explicit(&admission->waiting_now, admission->reserved + admission->queued, memory_order_relaxed);
    atomic_store_explicit(&admission->wait_now_us, predicted_wait(admission), memory_order_relaxed);
}

/* Retries are scheduled at the rate of service, so that those of refused callers are spread evenly. They begin when half of the
 * backlog will have been served: the queue has free places then, and the servers are not idle yet. */
static int64_t schedule_retry(struct admission *admission, int64_t now_us) {
    if (admission->completed == 0)
        return now_us + RETRY_UNKNOWN_US;
    int64_t first_us = now_us + time_for(admission, jobs_ahead(admission)) / 2;
    bool starts_again = admission->last_retry_us < first_us || admission->last_retry_us > first_us + RETRY_HORIZON_US;
    admission->last_retry_us = (starts_again ? first_us : admission->last_retry_us) + time_for(admission, 1);
    return admission->last_retry_us;
}

static void record_service(struct admission *admission, int64_t service_us) {
    double sample = (double)service_us;

    if (admission->completed == 0)
        admission->service_us = sample;
    else
        admission->service_us += (sample - admission->service_us) / MEAN_WEIGHT;
    admission->completed++;
}

/* ---- by who submits ---- */

/* With the lock or without. */
static bool has_place_and_time(const struct admission *admission, int64_t deadline_us) {
    if (atomic_load_explicit(&admission->waiting_now, memory_order_relaxed) >= admission->queue_limit)
        return false;
    int64_t wait_us = atomic_load_explicit(&admission->wait_now_us, memory_order_relaxed);
    return wait_us == 0 || clock_monotonic_us() <= deadline_us - wait_us - wait_us / ADMISSION_MARGIN;
}

/* The lock is held, and is released to log. */
static enum status refuse_and_unlock(struct admission *admission, int64_t *retry_after_us) {
    int64_t now_us = clock_monotonic_us();
    struct shedding_report report;

    admission->refused++;
    *retry_after_us = schedule_retry(admission, now_us) - now_us;
    shedding_refuse(&admission->shedding, now_us);
    bool has_news = shedding_check(&admission->shedding, now_us, &report);
    pthread_mutex_unlock(&admission->lock);
    if (has_news)
        shedding_log(admission->name, &report);
    return STATUS_OVERLOADED;
}

enum status admission_reserve(struct admission *admission, int64_t deadline_us, int64_t *retry_after_us) {
    *retry_after_us = 0;
    pthread_mutex_lock(&admission->lock);
    if (!has_place_and_time(admission, deadline_us))
        return refuse_and_unlock(admission, retry_after_us);
    admission->reserved++;
    publish_load(admission);
    pthread_mutex_unlock(&admission->lock);
    return STATUS_OK;
}

void admission_reserve_next(struct admission *admission) {
    pthread_mutex_lock(&admission->lock);
    admission->reserved++;
    publish_load(admission);
    pthread_mutex_unlock(&admission->lock);
}

void admission_cancel(struct admission *admission) {
    pthread_mutex_lock(&admission->lock);
    assert(admission->reserved > 0);
    admission->reserved--;
    publish_load(admission);
    pthread_mutex_unlock(&admission->lock);
}

enum status admission_would_admit(struct admission *admission, int64_t deadline_us, int64_t *retry_after_us) {
    *retry_after_us = 0;
    if (has_place_and_time(admission, deadline_us))
        return STATUS_OK;
    pthread_mutex_lock(&admission->lock);
    return refuse_and_unlock(admission, retry_after_us);
}

void admission_read_load(struct admission *admission, struct admission_load *load) {
    pthread_mutex_lock(&admission->lock);
    *load = (struct admission_load){
        .queued = admission->queued,
        .running = admission->running,
        .servers = admission->servers,
        .completed = admission->completed,
        .late = admission->late,
        .refused = admission->refused,
        .service_us = (int64_t)admission->service_us,
        .wait_us = predicted_wait(admission),
    };
    pthread_mutex_unlock(&admission->lock);
}

/* ---- by the queue's owner, who holds the lock ---- */

pthread_mutex_t *admission_lock(struct admission *admission) {
    return &admission->lock;
}

void admission_queue(struct admission *admission) {
    assert(admission->reserved > 0);
    admission->reserved--;
    admission->queued++;
    publish_load(admission);
}

void admission_begin(struct admission *admission, unsigned count) {
    assert(count <= admission->queued);
    admission->queued -= count;
    admission->running += count;
    publish_load(admission);
}

void admission_end(struct admission *admission, unsigned count, int64_t service_us) {
    assert(count <= admission->running && service_us >= 0);
    admission->running -= count;
    for (unsigned i = 0; i < count; i++)
        record_service(admission, service_us);
    publish_load(admission);
}

void admission_end_late(struct admission *admission) {
    assert(admission->running > 0);
    admission->running--;
    admission->late++;
    shedding_drop(&admission->shedding, clock_monotonic_us());
    publish_load(admission);
}

void admission_end_unmeasured(struct admission *admission, unsigned count) {
    assert(count <= admission->running);
    admission->running -= count;
    publish_load(admission);
}

void admission_set_servers(struct admission *admission, unsigned servers) {
    assert(servers > 0);
    if (servers == admission->servers)
        return;
    admission->servers = servers;
    publish_load(admission);
}

unsigned admission_queued(const struct admission *admission) {
    return admission->queued;
}

bool admission_is_empty(const struct admission *admission) {
    return admission->reserved + admission->queued + admission->running == 0;
}

int64_t admission_report(struct admission *admission, int64_t now_us) {
    struct shedding_report report;

    if (shedding_check(&admission->shedding, now_us, &report)) {
        pthread_mutex_unlock(&admission->lock);
        shedding_log(admission->name, &report);
        pthread_mutex_lock(&admission->lock);
    }
    return overload_episode_ends_us(&admission->shedding.episode);
}
