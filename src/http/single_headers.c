#include "single_headers.h"

#include "exchange.h"

#include "jwtd/macros.h"

#include <string.h>

static bool has_one_value(const char *name) {
    static const char *const names[] = { "Idempotency-Key", "If-Match" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

const char *single_headers_find_repeated(const struct exchange *exchange) {
    const struct route *route = exchange->request.route;
    for (size_t i = 0; i < ROUTE_HEADERS_MAX && route->headers[i] != NULL; i++)
        if (has_one_value(route->headers[i]) && header_view_count(&exchange->headers, text_of(route->headers[i])) > 1)
            return route->headers[i];
    return NULL;
}
