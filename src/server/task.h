/*
 * task: what is done again and again without a request that asks for it. Each task is one row of the table in background.c and
 * one thread; a task of its own file knows neither threads nor when its connection is made.
 */
#ifndef JWTD_SERVER_TASK_H
#define JWTD_SERVER_TASK_H

#include "jwtd/db.h"
#include "jwtd/services.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a round is given. */
struct task_round {
    const struct services *services;
    struct db *db; /* this task's alone; NULL for a task without a database */
    void *state;   /* this task's alone, state_size bytes, zeroes before the first round */
};

struct task {
    const char *name; /* of its thread; at most 15 characters */
    bool has_database;
    size_t state_size;                              /* 0: none */
    int64_t (*run)(const struct task_round *round); /* one round; returns when the next is due (clock_monotonic_us) */
};

extern const struct task readiness_task;  /* has the readiness of the service asked anew */
extern const struct task revocation_task; /* reads which sessions other instances have revoked */
extern const struct task role_task;       /* reads whose roles have changed */
extern const struct task cleanup_task;    /* deletes rows that nothing needs any more */

#endif
