#include "jwtd/pool.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/metrics.h"
#include "jwtd/thread.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct pool_thread {
    struct pool *pool;
    unsigned index;
    struct thread thread;
};

struct pool {
    struct pool_options options; /* read only once the threads run */
    struct admission *admission; /* its servers are the threads */
    unsigned label;              /* of METRIC_SET_EXECUTOR */

    pthread_mutex_t *lock;       /* of the admission; guards all that follows, except `threads` */
    pthread_cond_t work;         /* a job was queued, or stopping was set */
    pthread_cond_t thread_ready; /* started or failed has changed */
    struct lanes queue;
    unsigned started, failed; /* threads */
    bool stopping;

    unsigned spawned;             /* how many of `threads` are to be joined */
    struct pool_thread threads[]; /* options.threads of them; the creator's */
};

/* ---- the threads ---- */

/* Waits until there is a job or the pool stops; calls thread_idle once if that takes long. The lock is held on both sides. */
static void wait_for_work(struct pool *pool, void *state) {
    int64_t now_us = clock_monotonic_us();
    int64_t idle_at_us = pool->options.thread_idle == NULL ? INT64_MAX : now_us + pool->options.idle_us;

    while (pool->queue.count == 0 && !pool->stopping) {
        int64_t report_us = admission_report(pool->admission, now_us);
        if (pool->queue.count > 0 || pool->stopping)
            break;
        condition_wait_until(&pool->work, pool->lock, idle_at_us < report_us ? idle_at_us : report_us);
        now_us = clock_monotonic_us();
        if (now_us < idle_at_us || pool->queue.count > 0)
            continue;
        idle_at_us = INT64_MAX;
        pthread_mutex_unlock(pool->lock);
        pool->options.thread_idle(state);
        pthread_mutex_lock(pool->lock);
    }
}

/* NULL when the pool stops and nothing is left to do. The lock is held. */
static struct pool_job *next_job(struct pool *pool, void *state) {
    wait_for_work(pool, state);
    struct lane_job *job = lanes_take(&pool->queue);
    if (job == NULL)
        return NULL;
    admission_begin(pool->admission, 1);
    return container_of(job, struct pool_job, queue);
}

static void run_jobs(struct pool *pool, void *state) {
    struct pool_job *job;

    pthread_mutex_lock(pool->lock);
    while ((job = next_job(pool, state)) != NULL) {
        pthread_mutex_unlock(pool->lock);
        int64_t begin_us = clock_monotonic_us();
        bool late = begin_us > job->deadline_us;
        metric_observe(METRIC_QUEUE_WAIT, pool->label, (begin_us - job->queue.queued_us) * 1000);
        job->run(job, state, late); /* which may free the job */
        int64_t end_us = clock_monotonic_us();
        if (!late)
            metric_observe(METRIC_JOB_DURATION, pool->label, (end_us - begin_us) * 1000);
        pthread_mutex_lock(pool->lock);
        if (late)
            admission_end_late(pool->admission);
        else
            admission_end(pool->admission, 1, end_us - begin_us);
        admission_report(pool->admission, end_us);
    }
    pthread_mutex_unlock(pool->lock);
}

static void report_start(struct pool *pool, bool success) {
    pthread_mutex_lock(pool->lock);
    if (success)
        pool->started++;
    else
        pool->failed++;
    pthread_cond_signal(&pool->thread_ready);
    pthread_mutex_unlock(pool->lock);
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
    run_jobs(pool, state);
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
    pthread_mutex_lock(pool->lock);
    while (pool->started + pool->failed < pool->spawned)
        pthread_cond_wait(&pool->thread_ready, pool->lock);
    bool success = pool->failed == 0;
    pthread_mutex_unlock(pool->lock);
    return success;
}

static void conditions_init(struct pool *pool) {
    pthread_cond_init(&pool->thread_ready, NULL); /* with default attributes it cannot fail in glibc */
    condition_init_monotonic(&pool->work);
}

struct pool *pool_create(const struct pool_options *options) {
    assert(options->threads > 0);
    struct pool *pool = calloc(1, sizeof *pool + options->threads * sizeof pool->threads[0]);
    struct admission *admission = admission_create(
        &(struct admission_options){ .name = options->name, .servers = options->threads, .queue_limit = options->queue_limit });

    if (pool == NULL || admission == NULL) {
        log_failure(options, "out of memory");
        admission_destroy(admission);
        free(pool);
        return NULL;
    }
    pool->options = *options;
    pool->label = metric_index_of(METRIC_SET_EXECUTOR, options->name);
    pool->admission = admission;
    pool->lock = admission_lock(admission);
    conditions_init(pool);
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
    pthread_mutex_lock(pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(pool->lock);
    for (unsigned i = 0; i < pool->spawned; i++)
        thread_join(&pool->threads[i].thread);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->thread_ready);
    admission_destroy(pool->admission);
    free(pool);
}

/* ---- submitting ---- */

struct admission *pool_admission(struct pool *pool) {
    return pool->admission;
}

void pool_submit(struct pool *pool, struct pool_job *job) {
    job->queue.queued_us = clock_monotonic_us();
    pthread_mutex_lock(pool->lock);
    assert(!pool->stopping);
    admission_queue(pool->admission);
    lanes_push(&pool->queue, &job->queue);
    /* Under the lock: after it the job may have run, and the pool may have been destroyed. */
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(pool->lock);
}
