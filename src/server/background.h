/*
 * background: does what no request asks for: the tasks of the table in background.c, each on a thread of its own and with a
 * database connection of its own. So none waits behind requests or behind another task, nor requests behind them: a database that
 * does not answer the clean-up must not keep the revocations from being read, and a readiness that is asked late would say that
 * the service is not ready.
 *
 * The revocations and the roles are read twice a second. Their first reading goes back for the life of an access token and may
 * take many pages; once it is through, the revoked sessions, or the roles, are ready. Readiness is asked as often. Rows that
 * nothing needs any more (cleanup.h) are deleted every database.cleanup_interval, and a second after a round that left some.
 *
 * A connection that would be idle for longer than CONNECTION_IDLE_US is closed after the round: on one that is kept for a minute
 * nobody would notice meanwhile that its host has turned read-only.
 */
#ifndef JWTD_SERVER_BACKGROUND_H
#define JWTD_SERVER_BACKGROUND_H

#include "jwtd/db.h"
#include "jwtd/services.h"

#include <stdbool.h>
#include <stdint.h>

struct background;

/* Borrows both for its life. NULL: out of memory, or no thread; the reason is logged. */
struct background *background_start(const struct services *services, const struct db_options *db_options);
void background_stop(struct background *background); /* waits for the statements in hand; NULL is none */

/* Whether each of its threads has begun the round that was due, and come to its end, within `limit_us`. Any thread. */
bool background_is_alive(const struct background *background, int64_t limit_us);

#endif
