/*
 * idempotency: what becomes of a request that has an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07), on a route
 * that takes one.
 *
 * The statement that makes the change remembers the key with it (idempotency_keys.h). A request that comes again is answered
 * anew from what was remembered, by route->replay: no reply is stored, no token and no password, not even a digest of one.
 *
 * Whose key it is. A key belongs to an owner, and is looked for as the digest of both: the same key of another owner is another
 * key. So a caller that knows a key, and is not its owner, learns nothing by it.
 *
 *   access        owner                     who may get the reply again
 *   bearer        user of the token         any session of the user; one that has ended if the reply has no body
 *   public        what the steps say, by    who passes the same check of the password as the first time
 *                 request_bind_key
 *
 * The order:
 *
 *   1. The header is checked: 400 invalid_header.
 *   2. Where the owner is known from the start (bearer), the key is looked up in front of the route's steps: a round trip that a
 *      request without a key does not make. Carried out before: the reply again; but 422 idempotency_key_reused if it was another
 *      request. Being carried out for a second longer: 409 idempotency_in_progress.
 *   3. The route's steps. If another request with the key is quicker, the statement that makes the change fails and changes
 *      nothing.
 *   4. A request that its steps refuse, for whatever reason, is looked up before that is sent: what has made the row stale, the
 *      address taken, the token void, may be the same request, a moment ago or on another instance.
 *
 * A request is the same if it has the same method, path, If-Match and fields of the body. Of a password only whether it is there
 * counts, since a digest of one could be guessed at; where the request sets one, the steps of route->replay compare it with what
 * is stored now, and refuse another one with 422 idempotency_key_reused. On the HTTP thread.
 */
#ifndef JWTD_HTTP_IDEMPOTENCY_H
#define JWTD_HTTP_IDEMPOTENCY_H

#include "jwtd/status.h"

#include <stdbool.h>

struct exchange;

/* Behind the check of the token: STATUS_OK, or STATUS_INVALID_HEADER for a key that is none: only 1 to 255 visible ASCII
 * characters are one. */
enum status idempotency_check(const struct exchange *exchange) MUST_CHECK;

/* Whether a genuine token whose session has ended may ask for a reply again, since that may be what the request has done: it has
 * a key, and the reply no body. Nothing else is done for it: if it was not carried out before, it is refused with invalid_token.
 */
bool idempotency_admits_ended_session(const struct exchange *exchange);

/* For the pipeline. Sets the first steps, or writes a reply (out of memory). */
void idempotency_begin(struct exchange *exchange);

/* Behind the last step without a reply: sets those that follow. False: there are none. */
bool idempotency_go_on(struct exchange *exchange);

/* With a reply that is written: true: it is a refusal and set aside, and the key is looked up next. False: it is to be sent. */
bool idempotency_set_aside(struct exchange *exchange);

#endif
