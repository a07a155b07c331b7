/* change: the change context (change_context.h) of a request. HTTP thread. */
#ifndef JWTD_HTTP_CHANGE_H
#define JWTD_HTTP_CHANGE_H

#include "jwtd/request.h"

/* That of a request to a route with POST, PATCH or DELETE, made by the first call; it lives as long as the request. NULL for
 * other routes, and, with *is_out_of_memory, if there was none. */
const char *request_change(struct request *request, bool *is_out_of_memory);

#endif
