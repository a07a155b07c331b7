/*
 * task: periodic work of the service. Each task has a file of its own and a place in the table of background.c, which says on
 * which thread it runs. It knows neither the thread nor when its database connection is opened and closed.
 */
#ifndef JWTD_SERVER_TASK_H
#define JWTD_SERVER_TASK_H

#include "jwtd/db.h"
#include "jwtd/log.h"
#include "jwtd/services.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The arguments of a round, on the task's thread. */
struct task_round {
    const struct services *services;
    struct db *db; /* of the thread; NULL on a thread without a database */
    void *state;   /* used by this task only: state_size bytes, zeroed before the first round */
};

/* Of the line that says that a task could not do its work, and of that which says that it can again: an outage of the database
 * has two lines of its own (src/store/outage.h). */
static inline enum log_level task_level(enum status failure, enum log_level level) {
    return failure == STATUS_DATABASE_UNAVAILABLE ? LOG_DEBUG : level;
}

struct task {
    size_t state_size;                              /* 0: none */
    int64_t (*run)(const struct task_round *round); /* one round; returns when the next is due (clock_monotonic_us) */
    void (*finish)(const struct task_round *round); /* once, behind the last round; NULL: there is nothing to do */
};

extern const struct task readiness_task;   /* asks whether the database is ready */
extern const struct task revocation_task;  /* reads which sessions other instances have revoked */
extern const struct task role_task;        /* reads whose roles have changed */
extern const struct task revoked_key_task; /* reads which keys are revoked */
extern const struct task command_task;     /* logs what commands have noted in the audit */
extern const struct task key_task;         /* follows what `jwtd key` changes */
extern const struct task cleanup_task;     /* deletes rows that nothing needs any more */
extern const struct task partition_task;   /* makes and removes the partitions of the audit */
extern const struct task audit_task;       /* writes the events of the audit that requests have added */
extern const struct task memory_task;      /* returns to the kernel what the heap keeps after a load */

#endif
