/*
 * http_server: accepts connections, reads requests, runs the steps of their route, and answers. libmicrohttpd is known in
 * src/http/ only.
 *
 * One epoll loop for each HTTP thread. The order of refusals is fixed, cheapest first: framing and target, too many connections,
 * route, CORS preflight, method, size of the body, rate limit, query, access; then, when the body is there, its size as it came,
 * media type and schema; then admission to the pools, and the steps. Nothing blocks an HTTP thread: a request whose next step has
 * another executor is suspended, runs in that executor's pool, and is resumed.
 */
#ifndef JWTD_HTTP_SERVER_H
#define JWTD_HTTP_SERVER_H

#include "jwtd/route.h"

#include <stdbool.h>
#include <stddef.h>

struct http_server;
struct services;

/* Borrows services and routes until http_server_stop. NULL: a row is incomplete, the address cannot be bound, or there is no
 * memory or thread, which is logged. Main thread. */
struct http_server *http_server_start(const struct services *services, const struct route *routes, size_t count);

/* Whether every HTTP thread begins to answer a request of its own, and the thread that accepts connections goes round, within
 * `limit_us` (and a second for the latter, which may have nothing to do). Waits as long. A thread that cannot be asked, for lack
 * of descriptors or memory, counts as one that answers. One thread other than these. */
bool http_server_is_alive(struct http_server *server, int64_t limit_us);

/* Stops accepting, waits until everything in flight is answered or `grace_ms` have passed, waits for what is suspended however
 * long that takes (each comes back by its deadline), and frees. The pools must still run. Main thread. */
void http_server_stop(struct http_server *server, int64_t grace_ms);

#endif
