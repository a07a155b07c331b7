#include "jwtd/db_executor.h"

#include "outage.h"
#include "worker.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct db_executor {
    struct admission *admission;
    unsigned healthy;        /* guarded by the admission's lock */
    unsigned next;           /* the worker of the next query; guarded by it, too */
    unsigned count;          /* of workers that are initialized */
    unsigned started;        /* of threads */
    struct worker workers[]; /* options.threads of them */
};

static void log_failure(const char *error) {
    log_event(LOG_ERROR, "pool_failed", "pool=%s error=%s", "database", error);
}

/* The connections are spread evenly. */
static bool init_workers(struct db_executor *executor, const struct db_executor_options *options, unsigned threads) {
    for (unsigned i = 0; i < threads; i++) {
        unsigned connections = options->connections / threads + (i < options->connections % threads ? 1 : 0);
        struct worker *worker = &executor->workers[executor->count++];
        if (!worker_init(worker, executor->admission, options->connection, connections, &executor->healthy))
            return false;
    }
    return true;
}

static bool start_threads(struct db_executor *executor) {
    while (executor->started < executor->count) {
        struct worker *worker = &executor->workers[executor->started];
        char name[THREAD_NAME_MAX_LEN + 1];
        snprintf(name, sizeof name, "database-%u", executor->started % 100000);
        if (thread_start(&worker->thread, name, worker_run, worker) != STATUS_OK)
            return false;
        executor->started++;
    }
    return true;
}

struct db_executor *db_executor_create(const struct db_executor_options *options) {
    assert(options->threads > 0 && options->connections > 0);
    unsigned most = options->connections < 2 ? 1 : options->connections / 2;
    unsigned threads = options->threads < most ? options->threads : most;
    struct db_executor *executor = calloc(1, sizeof *executor + threads * sizeof executor->workers[0]);
    if (executor == NULL) {
        log_failure("out of memory");
        return NULL;
    }
    executor->healthy = options->connections;
    executor->admission = admission_create(
        &(struct admission_options){ .name = "database", .servers = options->connections, .queue_limit = options->queue_limit });
    bool is_created = executor->admission != NULL && init_workers(executor, options, threads);
    if (!is_created)
        log_failure(strerrordesc_np(errno));
    else if (start_threads(executor))
        return executor;
    else
        log_failure("a thread could not be started");
    db_executor_destroy(executor);
    return NULL;
}

void db_executor_destroy(struct db_executor *executor) {
    if (executor == NULL)
        return;
    if (executor->started > 0)
        pthread_mutex_lock(admission_lock(executor->admission));
    for (unsigned i = 0; i < executor->started; i++)
        executor->workers[i].is_stopping = true;
    if (executor->started > 0)
        pthread_mutex_unlock(admission_lock(executor->admission));
    for (unsigned i = 0; i < executor->started; i++)
        worker_wake(&executor->workers[i]);
    for (unsigned i = 0; i < executor->started; i++)
        thread_join(&executor->workers[i].thread);
    for (unsigned i = 0; i < executor->count; i++)
        worker_fini(&executor->workers[i]);
    admission_destroy(executor->admission);
    free(executor);
}

void db_executor_note_refusal(void) {
    outage_note_refusal();
}

struct admission *db_executor_admission(struct db_executor *executor) {
    return executor->admission;
}

/* In turn, but none that can have no connection while another can. The lock is held. */
static struct worker *choose_worker(struct db_executor *executor, enum kind kind) {
    struct worker *first = &executor->workers[executor->next++ % executor->count], *worker = first;
    for (unsigned tries = 1; worker->is_cut_off[kind] && tries < executor->count; tries++)
        worker = &executor->workers[executor->next++ % executor->count];
    return worker->is_cut_off[kind] ? first : worker;
}

void db_executor_submit(struct db_executor *executor, struct db_query *query) {
    db_begin_run(query);
    assert(query->done != NULL);
    query->job.queued_us = clock_monotonic_us();
    pthread_mutex_lock(admission_lock(executor->admission));
    struct worker *worker = choose_worker(executor, query->statement->only_reads ? READS : WRITES);
    bool is_asleep = put_in_queue(worker, query);
    pthread_mutex_unlock(admission_lock(executor->admission));
    if (is_asleep)
        worker_wake(worker);
}
