/* client: what a request says of its client: the address, the User-Agent, and the id that the client has for the request. */
#ifndef JWTD_HTTP_CLIENT_H
#define JWTD_HTTP_CLIENT_H

struct exchange;

/* Sets request.request_id: X-Request-Id of 1 to 64 characters of A-Z a-z 0-9 . _ -, or else a new UUID. */
void client_read_request_id(struct exchange *exchange);

/* Sets request.client, from X-Forwarded-For behind a trusted proxy; request.peer must be set. And request.user_agent: as much as
 * a person reads, in visible ASCII. */
void client_read(struct exchange *exchange);

#endif
