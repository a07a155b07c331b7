#include "background.h"

#include "periodic.h"
#include "task.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <stdlib.h>

#define CONNECTION_IDLE_US (2 * CLOCK_US_PER_S)
#define RETRY_US (CLOCK_US_PER_S / 2)

static const struct task *const tasks[] = { &readiness_task, &revocation_task, &role_task, &cleanup_task, &memory_task };

struct worker {
    const struct task *task;
    const struct db_options *db_options;
    struct task_round round; /* belongs to the thread while it runs */
    struct periodic *thread;
};

struct background {
    struct worker workers[ARRAY_LEN(tasks)];
};

static bool open_connection(struct worker *worker) {
    if (worker->task->has_database && worker->round.db == NULL)
        worker->round.db = db_create(worker->db_options);
    return !worker->task->has_database || worker->round.db != NULL;
}

static void close_connection(struct worker *worker) {
    if (worker->round.db != NULL)
        db_destroy(worker->round.db);
    worker->round.db = NULL;
}

static int64_t run_round(void *context) {
    struct worker *worker = context;
    if (!open_connection(worker)) {
        log_event(LOG_WARN, "task_failed", "task=%s error=%s", worker->task->name, "out of memory");
        return clock_monotonic_us() + RETRY_US;
    }
    int64_t due_us = worker->task->run(&worker->round);
    if (due_us - clock_monotonic_us() > CONNECTION_IDLE_US)
        close_connection(worker);
    return due_us;
}

static bool start(struct worker *worker, const struct task *task, const struct services *services,
                  const struct db_options *db_options) {
    *worker = (struct worker){ .task = task, .db_options = db_options, .round.services = services };
    if (task->state_size > 0)
        worker->round.state = calloc(1, task->state_size);
    if ((task->state_size > 0 && worker->round.state == NULL) || !open_connection(worker)) {
        log_event(LOG_ERROR, "background_start_failed", "error=%s", "out of memory");
        return false;
    }
    worker->thread = periodic_start(task->name, run_round, worker);
    return worker->thread != NULL;
}

struct background *background_start(const struct services *services, const struct db_options *db_options) {
    struct background *background = calloc(1, sizeof *background);
    if (background == NULL) {
        log_event(LOG_ERROR, "background_start_failed", "error=%s", "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        if (!start(&background->workers[i], tasks[i], services, db_options)) {
            background_stop(background);
            return NULL;
        }
    }
    return background;
}

void background_stop(struct background *background) {
    for (size_t i = 0; background != NULL && i < ARRAY_LEN(tasks); i++) {
        struct worker *worker = &background->workers[i];
        periodic_stop(worker->thread);
        close_connection(worker);
        free(worker->round.state);
    }
    free(background);
}

bool background_is_alive(const struct background *background, int64_t limit_us) {
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
        if (periodic_is_late(background->workers[i].thread, limit_us))
            return false;
    return true;
}
