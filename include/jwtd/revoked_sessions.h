/*
 * revoked_sessions: the sessions whose access tokens are void although they have not expired.
 *
 * A set in memory of session ids, each removed when the last access token of the session must have expired, so that the
 * set is bounded by the access token's life. The instance that revokes adds at once; others learn it from the database within
 * a second (store/revocations). Until the first reading of the database succeeded the set is not ready, and requests that
 * need it are answered 503: who has been logged out must not get in because the service was restarted.
 *
 * Safe from every thread: the table is cut into shards, each with its own lock.
 */
#ifndef JWTD_REVOKED_SESSIONS_H
#define JWTD_REVOKED_SESSIONS_H

#include "jwtd/status.h"
#include "jwtd/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How much longer than a token lives a session is kept. Two leeways of five seconds, for the clocks of the instance that
 * signs and of the one that checks, and half a minute for tokens that are signed by requests which were under way when the
 * session was revoked. */
#define REVOKED_SESSIONS_MARGIN_S 40

struct revoked_sessions;

struct revoked_sessions *revoked_sessions_create(int64_t access_ttl_s); /* NULL if out of memory */
void revoked_sessions_destroy(struct revoked_sessions *set);

/* Keeps a session for the life of an access token from now on; again is the same as once. */
enum status revoked_sessions_add(struct revoked_sessions *set, const struct uuid *session_id, int64_t now_s) MUST_CHECK;
bool revoked_sessions_contain(struct revoked_sessions *set, const struct uuid *session_id);

void revoked_sessions_set_ready(struct revoked_sessions *set);
bool revoked_sessions_are_ready(struct revoked_sessions *set);

/* Those that are kept, and some that have expired. */
size_t revoked_sessions_count(struct revoked_sessions *set);

#endif
