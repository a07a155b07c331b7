/* router: finds the row of the route table for a request. Paths are compared with the raw target, byte by byte. Pure. */
#ifndef JWTD_HTTP_ROUTER_H
#define JWTD_HTTP_ROUTER_H

#include "jwtd/route.h"
#include "jwtd/status.h"

struct exchange;

/* By exchange->path and method, among the rows of this listener that are enabled. STATUS_OK: request.route and path_ids are set.
 * STATUS_METHOD_NOT_ALLOWED: no row with this path has the method. STATUS_NOT_FOUND: no row has the path. allowed_path is a row
 * with this path, unless there is none. HEAD matches a row for GET. */
enum status router_find(const struct route *routes, size_t count, enum route_listener listener,
                        struct exchange *exchange) MUST_CHECK;

/* OPTIONS and the methods of all rows with this path, for Allow, in the arena; NULL if out of memory. */
const char *router_allowed_methods(const struct route *routes, size_t count, enum route_listener listener,
                                   const struct exchange *exchange);

#endif
