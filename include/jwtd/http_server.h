/*
 * http_server: accepts connections, reads requests, runs the steps of their route, and sends the replies. libmicrohttpd is known
 * in src/http/ only.
 *
 * One epoll loop for each HTTP thread. The order of refusals is fixed, cheapest first: memory for the header (431), a Host that
 * DNS could lead elsewhere (operator's listener on loopback), framing and target, too many connections, repeated Authorization or
 * Content-Type, CORS preflight, route and method, size of the body as declared, rate limit, credentials of a service (checked
 * before the limit, which counts a service by its name, but refused after it), query, access token and its role, repeated or
 * malformed Idempotency-Key or If-Match; then, when the body is complete, its size as received, media type and schema; then the
 * steps; before the first that leaves the HTTP thread, the executors of all of them are asked for admission. Nothing blocks an
 * HTTP thread: a request whose next step has another executor is suspended, and resumed when that has done its part.
 */
#ifndef JWTD_HTTP_SERVER_H
#define JWTD_HTTP_SERVER_H

#include "jwtd/route.h"

#include <stdbool.h>
#include <stddef.h>

struct http_server;
struct services;

/*
 * A server of its own for each listener: LISTENER_PUBLIC, on server.listen or the socket that the service manager has opened,
 * with server.threads HTTP threads; LISTENER_OPERATIONS, on ops.listen, which must be set, with one. They share no thread, no
 * queue and no count of connections, so that requests of the operator do not wait behind those of clients. What the operator's
 * rows do must not wait for an executor.
 *
 * Borrows services and routes until http_server_stop. NULL: a row is incomplete or wrong, the address cannot be bound, or there
 * is no memory or thread; the reason is logged. Main thread.
 */
struct http_server *http_server_start(const struct services *services, const struct route *routes, size_t count,
                                      enum route_listener listener);

/* Whether every HTTP thread begins to reply to a request of its own within `limit_us`, the acceptor's thread has completed a
 * round within `limit_us` and a second, and the streams' thread one since the call before, unless that was less than `limit_us`
 * ago. Waits for up to `limit_us`. An HTTP thread to which no request can be sent, for lack of descriptors or memory, counts as
 * one that answers. Not on one of these threads, and on one thread at a time. */
bool http_server_is_alive(struct http_server *server, int64_t limit_us);

/* Ends all streams (streams.h), stops accepting, waits until every request in flight is answered or `grace_ms` have passed, waits
 * for the suspended ones however long that takes (each is resumed by its deadline), closes all connections and frees. The
 * executors must still run. Main thread. */
void http_server_stop(struct http_server *server, int64_t grace_ms);

#endif
