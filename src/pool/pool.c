#include "jwtd/pool.h"

#include "shedding.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/thread.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* One job moves the mean by an eighth: a single slow one has no effect after a dozen more, nor has an earlier load. */
#define MEAN_WEIGHT 8.0

/* A prediction may be too low by this part of itself: a request that is admitted should not fail after a long wait. */
#define ADMISSION_MARGIN 4

/* The retry time while nothing has been measured yet. */
#define RETRY_UNKNOWN_US CLOCK_US_PER_S

/* How far ahead retries are scheduled. More refused callers than the pool serves in that time share it. */
#define RETRY_HORIZON_US (10 * CLOCK_US_PER_S)

struct pool_thread {
    struct pool *pool;
    unsigned index;
    struct thread thread;
    bool is_unhealthy; /* by its last job; guarded by the pool's lock */
};

struct pool {
    struct pool_options options; /* read only once the threads run */

    pthread_mutex_t lock;        /* guards all that follows, except `threads` */
    pthread_cond_t work;         /* a job was queued, or stopping was set */
    pthread_cond_t thread_ready; /* started or failed has changed */
    pthread_cond_t none_healthy; /* the last healthy thread has become unhealthy, or stopping was set */
    struct lane {
        struct pool_job *first, *last;
    } lanes[POOL_LANES];
    unsigned next_lane; /* whose turn it is */
    unsigned reserved, queued, running;
    unsigned started, failed, unhealthy; /* threads */
    bool stopping;
    double service_us; /* exponentially weighted mean; meaningless until completed > 0 */
    uint64_t completed, late, refused;
    int64_t last_retry_us;       /* the retry that was scheduled last */
    atomic_uint waiting_now;     /* reserved and queued; this and the next are written under the lock, and read without it too */
    _Atomic int64_t wait_now_us; /* what predicted_wait returns */
    struct shedding shedding;

    unsigned spawned;             /* how many of `threads` are to be joined */
    struct pool_thread threads[]; /* options.threads of them; the creator's */
};

/* ---- prediction; the lock is held ---- */

static unsigned jobs_ahead(const struct pool *pool) {
    return pool->reserved + pool->queued + pool->running;
}

/* Unhealthy threads yield to healthy ones, and so do not count. */
static unsigned threads_at_work(const struct pool *pool) {
    return pool->unhealthy < pool->options.threads ? pool->options.threads - pool->unhealthy : pool->options.threads;
}

/* Time until `jobs` more jobs have left the pool. */
static int64_t time_for(const struct pool *pool, unsigned jobs) {
    return (int64_t)((double)jobs * pool->service_us / (double)threads_at_work(pool));
}

/* 0 when a thread is free, and before anything was measured. */
static int64_t predicted_wait(const struct pool *pool) {
    unsigned ahead = jobs_ahead(pool);
    unsigned threads = threads_at_work(pool);

    if (pool->completed == 0 || ahead < threads)
        return 0;
    return time_for(pool, ahead - threads + 1);
}

/* After each change of what a prediction is made of: pool_would_admit reads the result without the lock. */
static void publish_load(struct pool *pool) {
    assert(pool->running <= pool->options.threads && pool->unhealthy <= pool->options.threads);
    atomic_store_explicit(&pool->waiting_now, pool->reserved + pool->queued, memory_order_relaxed);
    atomic_store_explicit(&pool->wait_now_us, predicted_wait(pool), memory_order_relaxed);
}

/* Retries are scheduled at the rate at which the pool serves, so that those of refused callers are spread evenly. They begin when
 * half of the backlog will have been served: the queue has free places then, and the threads are not idle yet. */
static int64_t schedule_retry(struct pool *pool, int64_t now_us) {
    if (pool->completed == 0)
        return now_us + RETRY_UNKNOWN_US;
    int64_t first_us = now_us + time_for(pool, jobs_ahead(pool)) / 2;
    bool starts_again = pool->last_retry_us < first_us || pool->last_retry_us > first_us + RETRY_HORIZON_US;
    pool->last_retry_us = (starts_again ? first_us : pool->last_retry_us) + time_for(pool, 1);
    return pool->last_retry_us;
}

static void record_service(struct pool *pool, int64_t service_us) {
    double sample = (double)service_us;

    pool->service_us = pool->completed == 0 ? sample : pool->service_us + (sample - pool->service_us) / MEAN_WEIGHT;
    pool->completed++;
}

/* ---- the threads ---- */

/* The lock is held on both sides, and released to log. */
static void log_shedding(struct pool *pool, const struct shedding_report *report) {
    if (!report->has_begun && !report->has_ended)
        return;
    pthread_mutex_unlock(&pool->lock);
    shedding_log(pool->options.name, report);
    pthread_mutex_lock(&pool->lock);
}

/* Waits until there is a job or the pool stops; calls thread_idle once if that takes long. The lock is held on both sides. */
static void wait_for_work(struct pool *pool, void *state) {
    int64_t now_us = clock_monotonic_us();
    int64_t idle_at_us = pool->options.thread_idle == NULL ? INT64_MAX : now_us + pool->options.idle_us;

    while (pool->queued == 0 && !pool->stopping) {
        struct shedding_report report = { .has_begun = false };
        int64_t check_us = shedding_check(&pool->shedding, now_us, &report);
        log_shedding(pool, &report);
        if (pool->queued > 0 || pool->stopping)
            break;
        condition_wait_until(&pool->work, &pool->lock, idle_at_us < check_us ? idle_at_us : check_us);
        now_us = clock_monotonic_us();
        if (now_us < idle_at_us || pool->queued > 0)
            continue;
        idle_at_us = INT64_MAX;
        pthread_mutex_unlock(&pool->lock);
        pool->options.thread_idle(state);
        pthread_mutex_lock(&pool->lock);
    }
}

/* The lanes take turns; an empty one is passed over. The lock is held, and there is a job. */
static struct pool_job *take_from_lanes(struct pool *pool) {
    assert(pool->queued > 0);
    struct lane *lane = &pool->lanes[pool->next_lane];
    while (lane->first == NULL) {
        pool->next_lane = (pool->next_lane + 1) % POOL_LANES;
        lane = &pool->lanes[pool->next_lane];
    }
    pool->next_lane = (pool->next_lane + 1) % POOL_LANES;
    struct pool_job *job = lane->first;
    lane->first = job->next;
    if (lane->first == NULL)
        lane->last = NULL;
    return job;
}

/* Returns until when the thread is unhealthy; 0: it is healthy. The lock is held. */
static int64_t check_health(struct pool_thread *thread, const void *state) {
    struct pool *pool = thread->pool;
    int64_t until_us = pool->options.thread_unhealthy == NULL ? 0 : pool->options.thread_unhealthy(state);

    if (until_us != 0 && !thread->is_unhealthy)
        pool->unhealthy++;
    if (until_us == 0 && thread->is_unhealthy)
        pool->unhealthy--;
    thread->is_unhealthy = until_us != 0;
    publish_load(pool);
    if (pool->unhealthy == pool->options.threads)
        pthread_cond_broadcast(&pool->none_healthy);
    return until_us;
}

/* The lock is held. */
static bool should_yield(struct pool_thread *thread, const void *state, int64_t *until_us) {
    *until_us = check_health(thread, state);
    return *until_us != 0 && thread->pool->unhealthy < thread->pool->options.threads && !thread->pool->stopping;
}

/* Until the thread is healthy again, or none is. Without this the one thread that fails each job at once would take more jobs
 * than those that do the work. The lock is held on both sides. */
static void yield_to_healthy(struct pool_thread *thread, void *state) {
    struct pool *pool = thread->pool;
    int64_t until_us;

    while (should_yield(thread, state, &until_us)) {
        if (clock_monotonic_us() < until_us) {
            condition_wait_until(&pool->none_healthy, &pool->lock, until_us);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        pool->options.thread_recover(state);
        pthread_mutex_lock(&pool->lock);
    }
}

/* Waits for a job that this thread may take. The lock is held on both sides. */
static void wait_for_turn(struct pool_thread *thread, void *state) {
    int64_t until_us;

    for (;;) {
        yield_to_healthy(thread, state);
        wait_for_work(thread->pool, state);
        if (!should_yield(thread, state, &until_us))
            return;
        pthread_cond_signal(&thread->pool->work); /* another has become healthy while this one waited */
    }
}

/* NULL when the pool stops and nothing is left to do. The lock is held. */
static struct pool_job *next_job(struct pool_thread *thread, void *state) {
    struct pool *pool = thread->pool;

    wait_for_turn(thread, state);
    if (pool->queued == 0)
        return NULL;
    struct pool_job *job = take_from_lanes(pool);
    pool->queued--;
    pool->running++;
    publish_load(pool);
    return job;
}

/* The lock is held. */
static void end_job(struct pool *pool, int64_t begin_us, int64_t service_us, bool late, struct shedding_report *report) {
    if (late) { /* no work was done: not a sample of the service time */
        pool->late++;
        shedding_drop(&pool->shedding, begin_us, report);
        return;
    }
    record_service(pool, service_us);
    shedding_check(&pool->shedding, begin_us + service_us, report);
}

static void run_jobs(struct pool_thread *thread, void *state) {
    struct pool *pool = thread->pool;
    struct pool_job *job;

    pthread_mutex_lock(&pool->lock);
    while ((job = next_job(thread, state)) != NULL) {
        pthread_mutex_unlock(&pool->lock);
        int64_t begin_us = clock_monotonic_us();
        bool late = begin_us > job->deadline_us;
        job->run(job, state, late); /* which may free the job */
        int64_t service_us = clock_monotonic_us() - begin_us;
        pthread_mutex_lock(&pool->lock);
        assert(pool->running > 0);
        pool->running--;
        struct shedding_report report = { .has_begun = false };
        end_job(pool, begin_us, service_us, late, &report);
        publish_load(pool);
        log_shedding(pool, &report);
    }
    pthread_mutex_unlock(&pool->lock);
}

static void report_start(struct pool *pool, bool success) {
    pthread_mutex_lock(&pool->lock);
    if (success)
        pool->started++;
    else
        pool->failed++;
    pthread_cond_signal(&pool->thread_ready);
    pthread_mutex_unlock(&pool->lock);
}

/* On Linux nice belongs to a thread. It is added to the process's, since lowering it again would need a privilege. */
static void set_nice(const struct pool_thread *thread) {
    int nice = thread->pool->options.nice;

    if (nice == 0)
        return;
    id_t id = (id_t)gettid();
    if (setpriority(PRIO_PROCESS, id, getpriority(PRIO_PROCESS, id) + nice) != 0)
        log_event(LOG_WARN, "pool_nice_failed", "thread=%s error=%s", thread->thread.name, strerrordesc_np(errno));
}

static void thread_main(void *context) {
    struct pool_thread *thread = context;
    struct pool *pool = thread->pool;
    const struct pool_options *options = &pool->options;
    void *state = NULL;

    set_nice(thread);
    if (options->thread_start != NULL) {
        state = options->thread_start(options->context, thread->index);
        if (state == NULL) {
            report_start(pool, false);
            return;
        }
    }
    report_start(pool, true);
    run_jobs(thread, state);
    if (options->thread_stop != NULL)
        options->thread_stop(state);
}

/* ---- making and ending ---- */

static void log_failure(const struct pool_options *options, const char *error) {
    log_event(LOG_ERROR, "pool_failed", "pool=%s error=%s", options->name, error);
}

static enum status spawn_threads(struct pool *pool) {
    enum status status = STATUS_OK;

    while (status == STATUS_OK && pool->spawned < pool->options.threads) {
        struct pool_thread *thread = &pool->threads[pool->spawned];
        char name[THREAD_NAME_MAX_LEN + 1];
        *thread = (struct pool_thread){ .pool = pool, .index = pool->spawned };
        (void)snprintf(name, sizeof name, "%.9s-%u", pool->options.name, thread->index % 100000);
        status = thread_start(&thread->thread, name, thread_main, thread);
        if (status == STATUS_OK)
            pool->spawned++;
    }
    return status;
}

static bool wait_for_threads(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    while (pool->started + pool->failed < pool->spawned)
        pthread_cond_wait(&pool->thread_ready, &pool->lock);
    bool success = pool->failed == 0;
    pthread_mutex_unlock(&pool->lock);
    return success;
}

static void locks_init(struct pool *pool) {
    /* With default attributes neither can fail in glibc. */
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->thread_ready, NULL);
    condition_init_monotonic(&pool->work);
    condition_init_monotonic(&pool->none_healthy);
}

struct pool *pool_create(const struct pool_options *options) {
    assert(options->threads > 0 && (options->thread_unhealthy == NULL || options->thread_recover != NULL));
    struct pool *pool = calloc(1, sizeof *pool + options->threads * sizeof pool->threads[0]);

    if (pool == NULL) {
        log_failure(options, "out of memory");
        return NULL;
    }
    pool->options = *options;
    locks_init(pool);
    enum status status = spawn_threads(pool);
    bool started = wait_for_threads(pool);
    if (status == STATUS_OK && started)
        return pool;
    log_failure(options,
                status != STATUS_OK ? "a thread could not be started" : "a thread could not make its state: out of memory");
    pool_destroy(pool);
    return NULL;
}

void pool_destroy(struct pool *pool) {
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_cond_broadcast(&pool->none_healthy);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->spawned; i++)
        thread_join(&pool->threads[i].thread);
    assert(pool->queued == 0 && pool->running == 0);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->none_healthy);
    pthread_cond_destroy(&pool->thread_ready);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* ---- submitting ---- */

/* Whether there is a place for a job, and its turn would come in time. Any thread, with the lock or without. */
static bool has_place_and_time(const struct pool *pool, int64_t deadline_us) {
    if (atomic_load_explicit(&pool->waiting_now, memory_order_relaxed) >= pool->options.queue_limit)
        return false;
    int64_t wait_us = atomic_load_explicit(&pool->wait_now_us, memory_order_relaxed);
    return wait_us == 0 || clock_monotonic_us() <= deadline_us - wait_us - wait_us / ADMISSION_MARGIN;
}

/* The lock is held. */
static enum status refuse(struct pool *pool, int64_t *retry_after_us, struct shedding_report *report) {
    int64_t now_us = clock_monotonic_us();

    pool->refused++;
    shedding_refuse(&pool->shedding, now_us, report);
    *retry_after_us = schedule_retry(pool, now_us) - now_us;
    return STATUS_OVERLOADED;
}

enum status pool_would_admit(struct pool *pool, int64_t deadline_us, int64_t *retry_after_us) {
    *retry_after_us = 0;
    if (has_place_and_time(pool, deadline_us))
        return STATUS_OK;
    struct shedding_report report = { .has_begun = false };
    pthread_mutex_lock(&pool->lock);
    enum status status = refuse(pool, retry_after_us, &report);
    pthread_mutex_unlock(&pool->lock);
    shedding_log(pool->options.name, &report);
    return status;
}

enum status pool_reserve(struct pool *pool, int64_t deadline_us, int64_t *retry_after_us) {
    enum status status = STATUS_OK;
    struct shedding_report report = { .has_begun = false };

    *retry_after_us = 0;
    pthread_mutex_lock(&pool->lock);
    if (has_place_and_time(pool, deadline_us)) {
        pool->reserved++;
        publish_load(pool);
    } else {
        status = refuse(pool, retry_after_us, &report);
    }
    pthread_mutex_unlock(&pool->lock);
    shedding_log(pool->options.name, &report);
    return status;
}

void pool_cancel(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    assert(pool->reserved > 0);
    pool->reserved--;
    publish_load(pool);
    pthread_mutex_unlock(&pool->lock);
}

void pool_submit(struct pool *pool, struct pool_job *job) {
    assert(job->lane < POOL_LANES);
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    assert(pool->reserved > 0 && !pool->stopping);
    struct lane *lane = &pool->lanes[job->lane];
    if (lane->last == NULL)
        lane->first = job;
    else
        lane->last->next = job;
    lane->last = job;
    pool->reserved--;
    pool->queued++;
    publish_load(pool);
    /* Under the lock: after it the job may have run, and the pool may have been destroyed. */
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

void pool_read_load(struct pool *pool, struct pool_load *load) {
    pthread_mutex_lock(&pool->lock);
    *load = (struct pool_load){
        .queued = pool->queued,
        .running = pool->running,
        .threads = pool->options.threads,
        .completed = pool->completed,
        .late = pool->late,
        .refused = pool->refused,
        .service_us = (int64_t)pool->service_us,
        .wait_us = predicted_wait(pool),
    };
    pthread_mutex_unlock(&pool->lock);
}
