/* rate_limit: takes a token of the route's class from the client's bucket. */
#ifndef JWTD_HTTP_RATE_LIMIT_H
#define JWTD_HTTP_RATE_LIMIT_H

#include <stdbool.h>

struct exchange;

/* True: there was one, and what is left is added to the common headers; or the route has no limit. False: the request is refused,
 * and the reply is written. On the HTTP thread, once the route is known. */
bool rate_limit_take(struct exchange *exchange);

#endif
