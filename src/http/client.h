/* client: what the header fields of a request say about its client: the address, the User-Agent, and the client's id for the
 * request. On its HTTP thread. */
#ifndef JWTD_HTTP_CLIENT_H
#define JWTD_HTTP_CLIENT_H

#include "jwtd/status.h"

struct exchange;

/* Sets request.request_id: X-Request-Id of 1 to 64 characters of A-Z a-z 0-9 . _ -, or else a new UUID. */
void client_read_request_id(struct exchange *exchange);

/* Sets request.client, from X-Forwarded-For behind a trusted proxy (network.h); request.peer must be set. And request.user_agent:
 * the first 256 bytes, with "?" for what is not visible ASCII or a blank; {NULL, 0} if the field is absent or empty.
 * STATUS_OUT_OF_MEMORY: one of them is not set, and the request must be refused, since its client would be taken for the proxy.
 */
enum status client_read(struct exchange *exchange) MUST_CHECK;

#endif
