/*
 * revoked_sessions: the sessions whose access tokens are invalid although they have not expired.
 *
 * A set in memory of session ids, each removed some time after the last access token of the session must have expired, so that
 * the set is bounded by the access token's life. The instance that revokes a session adds it at once; others read it from the
 * database within a second (revocations.h). Until the first pass over the database is complete the set is not ready, and the
 * status of a request that needs it is 503: a session that has ended must not be accepted because the service was restarted.
 * While the database is away the set grows old. Its age says for how long a revocation of another instance may have been missed;
 * beyond token.max_stale no token is accepted (src/http/bearer.h).
 *
 * Safe from every thread: the table is divided into shards, each with its own lock. A search for a session that is not in the set
 * seldom takes one: a filter in front, which it only reads, says so.
 */
#ifndef JWTD_REVOKED_SESSIONS_H
#define JWTD_REVOKED_SESSIONS_H

#include "jwtd/status.h"
#include "jwtd/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For how long a session is kept beyond the life of a token: two leeways of five seconds, for the clocks of the instance that
 * signs and of the one that checks, and half a minute for tokens that are signed by requests which were under way when the
 * session was revoked. */
#define REVOKED_SESSIONS_MARGIN_S 40

struct revoked_sessions;

struct revoked_sessions *revoked_sessions_create(int64_t access_ttl_s); /* NULL if out of memory */
void revoked_sessions_destroy(struct revoked_sessions *set);

/* Keeps a session for the life of an access token from now on, by the retention clock (clock.h); one that is in the set is kept
 * for longer, if that is later. STATUS_OUT_OF_MEMORY: it was not added. */
enum status revoked_sessions_add(struct revoked_sessions *set, const struct uuid *session_id, int64_t now_s) MUST_CHECK;

/* The same until a time that the caller knows, by a clock of the caller's; one in the past adds nothing. */
enum status revoked_sessions_add_until(struct revoked_sessions *set, const struct uuid *session_id, int64_t until_s,
                                       int64_t now_s) MUST_CHECK;

bool revoked_sessions_contain(struct revoked_sessions *set, const struct uuid *session_id);

/* From now on the set is ready, and has all that other instances had revoked by `at_us` (clock_monotonic_us). One thread at a
 * time, with times that do not decrease. */
void revoked_sessions_set_read(struct revoked_sessions *set, int64_t at_us);
bool revoked_sessions_are_ready(const struct revoked_sessions *set);

/* How long before `now_us` that was; at least 0. The set must be ready. */
int64_t revoked_sessions_age_us(const struct revoked_sessions *set, int64_t now_us);

/* The sessions that are kept, and those that have expired and not been removed yet. */
size_t revoked_sessions_count(struct revoked_sessions *set);

#endif
