/* schema: reads a JSON or form body into the typed scratch of its route, as the body schema of the row says. */
#ifndef JWTD_HTTP_SCHEMA_H
#define JWTD_HTTP_SCHEMA_H

#include <stdbool.h>

struct exchange;

/* False: the body is refused, and the reply is written. Texts are copied into the request's arena. Once for each request, when
 * its body is complete, on the HTTP thread. */
bool schema_read_body(struct exchange *exchange);

#endif
