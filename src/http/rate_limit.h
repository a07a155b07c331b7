/* rate_limit: takes a token of the route's class from the client's bucket. */
#ifndef JWTD_HTTP_RATE_LIMIT_H
#define JWTD_HTTP_RATE_LIMIT_H

#include <stdbool.h>

struct exchange;

/* True: there was one; what is left is added to the common headers. False: the request is refused, and the reply is written. */
bool rate_limit_take(struct exchange *exchange);

#endif
