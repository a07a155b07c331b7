/*
 * background: the periodic tasks of the table in background.c, each on a thread of its own, and with a database connection of its
 * own if it needs one. So no task waits for requests or for another task, nor a request for a task: a statement of the clean-up
 * that is not answered must not delay the reading of revocations, and a readiness that is asked late would be reported as a
 * failure.
 *
 * The revocations and the roles are read twice a second. Their first reading goes back for the life of an access token and some
 * seconds more, and may take many pages; after it the revoked sessions, or the roles, are ready. Readiness is asked about as
 * often, through the executor of the requests. The heap returns to the kernel every five seconds what a load has left. Rows that
 * nothing needs any more (cleanup.h) are deleted every database.cleanup_interval, and a second after a round that left some.
 *
 * A connection that would be idle for longer than two seconds is closed after the round: while it is not used it would go
 * unnoticed that its host has become read-only.
 */
#ifndef JWTD_SERVER_BACKGROUND_H
#define JWTD_SERVER_BACKGROUND_H

#include "jwtd/db.h"
#include "jwtd/services.h"

#include <stdbool.h>
#include <stdint.h>

struct background;

/* Borrows both until background_stop. NULL: out of memory, or no thread; the reason is logged. */
struct background *background_start(const struct services *services, const struct db_options *db_options);
void background_stop(struct background *background); /* waits for the rounds that have begun; NULL is allowed */

/* False: one of its threads has been in one round, or is late for the next one, for longer than `limit_us`. Any thread. */
bool background_is_alive(const struct background *background, int64_t limit_us);

#endif
