/* single_headers: the headers of a route's row that have one value, Idempotency-Key and If-Match. Of two lines a proxy could act
 * on one and the service on the other, so both are refused, also when they agree. Pure. */
#ifndef JWTD_HTTP_SINGLE_HEADERS_H
#define JWTD_HTTP_SINGLE_HEADERS_H

struct exchange;

/* The name of one that the request has more than once; NULL: there is none. */
const char *single_headers_find_repeated(const struct exchange *exchange);

#endif
