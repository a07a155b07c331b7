/* bearer: checks the access token of a request (RFC 6750 section 2.1) as the access and the role of its route require. */
#ifndef JWTD_HTTP_BEARER_H
#define JWTD_HTTP_BEARER_H

#include "jwtd/status.h"

struct exchange;

/* STATUS_OK: the request may go on; has_claims, and claims with it, and session_has_ended are set as route.h says of each access.
 * Otherwise the request is refused with this status; STATUS_FORBIDDEN: the token is good and lacks the route's role. On the HTTP
 * thread; may read the keys directory (snapshot.h). */
enum status bearer_check(struct exchange *exchange) MUST_CHECK;

#endif
