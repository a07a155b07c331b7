/* rate_limit: takes a token of the route's class from the client's bucket, and adds to the reply what is left of it. */
#ifndef JWTD_HTTP_RATE_LIMIT_H
#define JWTD_HTTP_RATE_LIMIT_H

#include "jwtd/status.h"

struct exchange;

/* STATUS_OK: the request may go on. STATUS_RATE_LIMITED. */
enum status rate_limit_take(struct exchange *exchange) MUST_CHECK;

#endif
