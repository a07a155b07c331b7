/*
 * readiness: whether the database answers, and has this program's schema, as GET /health/ready reports it.
 *
 * The database is asked through the queue of its executor, as requests reach it, by one thread (background.h), twice a second
 * and with one question at a time. Readers get the last answer from memory, which costs the database nothing. It is "no" before
 * the first answer, as soon as a question has failed, and when the last good answer is a second and a half old.
 */
#ifndef JWTD_READINESS_H
#define JWTD_READINESS_H

#include "jwtd/db_executor.h"
#include "jwtd/migrations.h"

#include <stdbool.h>
#include <stdint.h>

struct readiness;

struct readiness_answer {
    bool database;            /* a connection of the executor answers */
    enum schema_state schema; /* if it does */
};

/* Borrows the executor. NULL if out of memory. */
struct readiness *readiness_create(struct db_executor *database);
void readiness_destroy(struct readiness *readiness); /* when the executor has been destroyed */

/* Asks, unless a question is under way or the executor does not admit it. Does not wait for the answer. Returns when to call it
 * again (clock_monotonic_us): in half a second, or sooner if it has not asked. One thread. */
int64_t readiness_ask(struct readiness *readiness);

struct readiness_answer readiness_read(const struct readiness *readiness); /* any thread */

#endif
