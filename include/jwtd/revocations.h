/*
 * revocations: how a revocation travels from the instance that made it to all others: an append-only table, written by the
 * same statement that revokes, read by every instance twice a second. Reading again what was read before is harmless, so each
 * reading overlaps the last one by more than a statement can last; that closes the gap between the moment of a
 * statement and its commit. Polling rather than NOTIFY, since it also works behind PgBouncer in transaction mode.
 */
#ifndef JWTD_REVOCATIONS_H
#define JWTD_REVOCATIONS_H

#include "jwtd/db.h"
#include "jwtd/revoked_sessions.h"

/* Adds to `set` all sessions revoked since `window_s` seconds ago. */
enum status revocations_read(struct db *db, int64_t deadline_us, int64_t window_s, struct revoked_sessions *set) MUST_CHECK;

#endif
