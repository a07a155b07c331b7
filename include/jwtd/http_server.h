/*
 * http_server: listens, reads requests, walks them through the steps of their route, and answers. libmicrohttpd is known in
 * src/http/ only.
 *
 * One epoll loop per HTTP thread. The order of refusals is fixed, cheapest first: framing, size, route, access, body, schema;
 * then the steps. Nothing blocks an HTTP thread: a step with a place of its own suspends the connection, runs in that pool, and
 * resumes it.
 */
#ifndef JWTD_HTTP_SERVER_H
#define JWTD_HTTP_SERVER_H

#include "jwtd/route.h"

#include <stdbool.h>
#include <stddef.h>

struct http_server;
struct services;

/* Borrows services and routes. NULL: the reason is logged (a row without access, an address that cannot be bound). */
struct http_server *http_server_start(const struct services *services, const struct route *routes, size_t count);

/* Whether every HTTP thread answers a request, and the thread that accepts connections goes round, within `limit_us` (and a
 * second for the latter, which may have nothing to do). Waits as long. One thread other than these. */
bool http_server_is_alive(struct http_server *server, int64_t limit_us);

/* Stops accepting, waits until everything in flight is answered or `grace_ms` have passed, and frees. The pools must still run.
 */
void http_server_stop(struct http_server *server, int64_t grace_ms);

#endif
