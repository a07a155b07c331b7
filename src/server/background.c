#include "background.h"

#include "periodic.h"
#include "task.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CONNECTION_IDLE_US (2 * CLOCK_US_PER_S)
#define RETRY_US (CLOCK_US_PER_S / 2)

#define TASKS_MAX 4

enum { READINESS, CHANGES, CLEANUP, UPKEEP, AUDIT };

/* The tasks of each thread. */
static const struct plan {
    const char *name; /* of the thread */
    bool has_database;
    const struct task *tasks[TASKS_MAX]; /* those behind the last are NULL */
} plans[] = {
    [READINESS] = { "readiness", false, { &readiness_task } },
    [CHANGES] = { "changes", true, { &revocation_task, &role_task, &revoked_key_task, &command_task } },
    [CLEANUP] = { "cleanup", true, { &cleanup_task, &partition_task } },
    [UPKEEP] = { "upkeep", false, { &memory_task, &key_task } },
    [AUDIT] = { "audit", true, { &audit_task } },
};

struct worker {
    const struct plan *plan;
    const struct db_options *db_options;
    atomic_bool is_woken; /* its first task is due now, behind those that have been due for longer; any thread sets it */
    /* these belong to the thread while it runs */
    struct task_round rounds[TASKS_MAX];
    int64_t due_us[TASKS_MAX];
    struct db *db;
    struct periodic *thread;
};

struct background {
    struct worker workers[ARRAY_LEN(plans)];
};

static size_t task_count(const struct worker *worker) {
    size_t count = 0;
    while (count < TASKS_MAX && worker->plan->tasks[count] != NULL)
        count++;
    return count;
}

static bool open_connection(struct worker *worker) {
    if (worker->plan->has_database && worker->db == NULL)
        worker->db = db_create(worker->db_options);
    return !worker->plan->has_database || worker->db != NULL;
}

static void close_connection(struct worker *worker) {
    if (worker->db != NULL)
        db_destroy(worker->db);
    worker->db = NULL;
}

/* The one that has been due for the longest time, so that none holds up another for longer than one round. */
static size_t next_task(const struct worker *worker) {
    size_t next = 0;
    for (size_t i = 1; i < task_count(worker); i++)
        if (worker->due_us[i] < worker->due_us[next])
            next = i;
    return next;
}

static int64_t run_round(void *context) {
    struct worker *worker = context;
    if (!open_connection(worker)) {
        log_event(LOG_WARN, "task_failed", "task=%s error=%s", worker->plan->name, "out of memory");
        return clock_monotonic_us() + RETRY_US;
    }
    int64_t now_us = clock_monotonic_us();
    if (atomic_exchange(&worker->is_woken, false) && worker->due_us[0] > now_us)
        worker->due_us[0] = now_us;
    size_t task = next_task(worker);
    worker->rounds[task].db = worker->db;
    worker->due_us[task] = worker->plan->tasks[task]->run(&worker->rounds[task]);
    int64_t due_us = worker->due_us[next_task(worker)];
    if (due_us - clock_monotonic_us() > CONNECTION_IDLE_US)
        close_connection(worker);
    return due_us;
}

static bool create_states(struct worker *worker, const struct services *services) {
    for (size_t i = 0; i < task_count(worker); i++) {
        size_t size = worker->plan->tasks[i]->state_size;
        worker->rounds[i] = (struct task_round){ .services = services, .state = size > 0 ? calloc(1, size) : NULL };
        if (size > 0 && worker->rounds[i].state == NULL)
            return false;
    }
    return true;
}

static bool start(struct worker *worker, const struct plan *plan, const struct services *services,
                  const struct db_options *db_options) {
    worker->plan = plan;
    worker->db_options = db_options;
    if (!create_states(worker, services) || !open_connection(worker)) {
        log_event(LOG_ERROR, "background_start_failed", "error=%s", "out of memory");
        return false;
    }
    worker->thread = periodic_start(plan->name, run_round, worker);
    return worker->thread != NULL;
}

struct background *background_start(const struct services *services, const struct db_options *db_options) {
    struct background *background = calloc(1, sizeof *background);
    if (background == NULL) {
        log_event(LOG_ERROR, "background_start_failed", "error=%s", "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
        if (!start(&background->workers[i], &plans[i], services, db_options)) {
            background_stop(background);
            return NULL;
        }
    }
    return background;
}

/* On the caller's thread, when that of the tasks has ended. */
static void finish_tasks(struct worker *worker) {
    for (size_t i = 0; worker->thread != NULL && i < task_count(worker); i++) {
        if (worker->plan->tasks[i]->finish == NULL || !open_connection(worker))
            continue;
        worker->rounds[i].db = worker->db;
        worker->plan->tasks[i]->finish(&worker->rounds[i]);
    }
}

void background_stop(struct background *background) {
    for (size_t i = 0; background != NULL && i < ARRAY_LEN(plans); i++) {
        struct worker *worker = &background->workers[i];
        periodic_stop(worker->thread);
        finish_tasks(worker);
        close_connection(worker);
        for (size_t task = 0; task < TASKS_MAX; task++)
            free(worker->rounds[task].state);
    }
    free(background);
}

static void wake(struct worker *worker) {
    atomic_store(&worker->is_woken, true);
    periodic_wake(worker->thread);
}

void background_read_revocations(struct background *background) {
    wake(&background->workers[CHANGES]);
}

void background_write_audit(struct background *background) {
    wake(&background->workers[AUDIT]);
}

bool background_is_alive(const struct background *background, int64_t limit_us) {
    for (size_t i = 0; i < ARRAY_LEN(plans); i++)
        if (periodic_is_late(background->workers[i].thread, limit_us))
            return false;
    return true;
}
