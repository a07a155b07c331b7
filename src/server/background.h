/*
 * background: the periodic tasks, on the threads of the table in background.c. A thread has a database connection of its own if
 * its tasks need one, and runs one task at a time, the one that has been due for the longest time. So no task waits for requests
 * or for a task of another thread, nor a request for a task: a statement of the clean-up that is not answered must not delay the
 * reading of revocations, and a readiness that is asked late would be reported as a failure.
 *
 * The revocations and the roles are read twice a second (revocations forty times while there are followers, and at once after one
 * of this instance), on one thread, since each connection costs PostgreSQL a process and
 * milliseconds of a start. Where a statement of one is not answered, the other waits for it, for two seconds at most. Their first
 * reading goes back for the life of an access token and some seconds more, and may take many pages, between which the other has
 * its turn; after it the revoked sessions, or the roles, are ready. Readiness is asked about as often, through the executor of
 * the requests. What commands have noted in the audit is read every two seconds, for the log, on the thread of the revocations,
 * and waits for no lock. The heap returns to the kernel every five seconds what a load has left; whether keys.conf
 * has changed is asked four times a second on the same thread, so that a revoked key does not wait for the database. Rows that
 * nothing needs any more (cleanup.h) are deleted a second after the start, every database.cleanup_interval, and a second after a
 * round that left some; on the same thread the audit's partitions are made and removed once an hour. The audit's events (audit.h)
 * are written on a thread of their own, a tenth of a second after they have come.
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
/* Waits for the rounds that have begun, and has the tasks finish what they must (audit.h); NULL is allowed. */
void background_stop(struct background *background);

/* Has the revocations read now. Any thread. */
void background_read_revocations(struct background *background);

/* Has the audit's round run now. Any thread. */
void background_write_audit(struct background *background);

/* False: one of its threads has been in one round, or is late for the next one, for longer than `limit_us`. Any thread. */
bool background_is_alive(const struct background *background, int64_t limit_us);

#endif
