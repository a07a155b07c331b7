/*
 * header_check: what a request is refused for before its body, from the header alone, in the order that http_server.h promises.
 * On the HTTP thread of the connection.
 */
#ifndef JWTD_HTTP_HEADER_CHECK_H
#define JWTD_HTTP_HEADER_CHECK_H

#include "framing.h"

#include "jwtd/status.h"

#include <stdbool.h>

struct exchange;

/* What a client may send of a chunked body, or of a JSON one, beyond the limit and still receive its reply; after more the
 * connection is closed. */
#define BODY_EXCESS_MAX ((size_t)256 * 1024)

/* No page of a front end has to do with the operator's listener. */
bool header_is_public(const struct exchange *exchange);

/* The route, and what must hold of the header for it. What router_find returns is in *found, for header_check. */
enum status header_find_route(struct exchange *exchange, const struct header_summary *summary, enum status *found) MUST_CHECK;

/* All else, of a request whose route was sought. True: the body may be received. False: the reply is written. */
bool header_check(struct exchange *exchange, const struct header_summary *summary, enum status found) MUST_CHECK;

/* Whether the body is received: one of JSON also when it is somewhat too large, since the reply can say which member is to
 * blame. */
bool header_body_is_within_limit(const struct exchange *exchange, const struct header_summary *summary);

/* The route answers without it. */
bool header_ignores_body(const struct exchange *exchange);

#endif
