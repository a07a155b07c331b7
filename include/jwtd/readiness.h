/*
 * readiness: whether the database answers, and has this program's schema, as GET /health/ready tells it.
 *
 * The question goes through the queue of the database pool, since that is how requests get there; it is asked by one thread of
 * `serve` (the background), at most twice a second and one at a time. Whoever wants to know reads the last answer, which costs
 * the database nothing. So an answer is at most half a second old while the database answers; once it has been silent for a
 * second and a half, however many questions are under way by then, "no" is the answer. Before the first answer it is "no", too.
 */
#ifndef JWTD_READINESS_H
#define JWTD_READINESS_H

#include "jwtd/pool.h"

#include <stdbool.h>

struct readiness;

struct readiness_answer {
    bool database; /* a connection of the pool answers */
    bool schema;   /* all migrations of this program are applied */
};

/* Borrows the pool, whose threads' states are `struct db`. NULL: memory. */
struct readiness *readiness_create(struct pool *database);
void readiness_destroy(struct readiness *readiness); /* when the pool has been destroyed */

/* Asks, unless a question is under way or half a second has not passed. Does not wait. One thread. */
void readiness_ask(struct readiness *readiness);

struct readiness_answer readiness_read(const struct readiness *readiness); /* any thread */

#endif
