/* cors: cross-origin reads by the origins that the configuration lists (the Fetch standard, section 3.2). */
#ifndef JWTD_HTTP_CORS_H
#define JWTD_HTTP_CORS_H

#include <stdbool.h>

struct exchange;

/* Adds the headers of an allowed origin, and Vary when any origin is configured. */
void cors_add_headers(struct exchange *exchange);

/* True: the request was a preflight and is answered. After router_find. */
bool cors_answer_preflight(struct exchange *exchange);

#endif
