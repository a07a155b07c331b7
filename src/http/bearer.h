/*
 * bearer: checks the access token of a request (RFC 6750 section 2.1) as the access and the role of its route require.
 *
 * The check needs memory only, so it goes on while the database is away. It fails closed, for every route that takes a token,
 * when the revocations of sessions or of keys were last read longer ago than token.max_stale (STATUS_REVOCATIONS_STALE): most of
 * these routes ask the database anyway and are answered 503 before that, but none of them may accept a session that ended too
 * long ago, should only the reading of revocations fail. A token that is bad for any other reason, or whose session is known to
 * have ended, stays STATUS_INVALID_TOKEN. Until then only /auth/verify says how old that knowledge is (X-Auth-Stale-For,
 * src/api/verify.c).
 */
#ifndef JWTD_HTTP_BEARER_H
#define JWTD_HTTP_BEARER_H

#include "jwtd/status.h"

struct exchange;

/* STATUS_OK: the request may go on; has_claims, and claims with it, and session_has_ended are set as route.h says of each access;
 * or the session has ended, and all that is done is to look for the reply of a repeated request (idempotency.h).
 * Otherwise the request is refused with this status; STATUS_INSUFFICIENT_SCOPE: the token is good and lacks the route's role. On
 * the HTTP thread; may read the keys directory (snapshot.h). */
enum status bearer_check(struct exchange *exchange) MUST_CHECK;

#endif
