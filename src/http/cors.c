#include "cors.h"

#include "exchange.h"

#include "jwtd/reply.h"
#include "jwtd/snapshot.h"

#include <string.h>

static bool origin_is_allowed(const struct exchange *exchange, struct text origin) {
    const struct string_list *allowed = &exchange->request.snapshot->config.cors.allowed_origins;
    for (size_t i = 0; i < allowed->count; i++)
        if (text_equal(origin, text_of(allowed->items[i])))
            return true;
    return false;
}

void cors_add_headers(struct exchange *exchange) {
    struct request *request = &exchange->request;
    if (request->snapshot->config.cors.allowed_origins.count == 0)
        return;
    reply_header(request, "Vary", "Origin");
    struct text origin = request_header(request, "Origin");
    if (origin.bytes == NULL || !origin_is_allowed(exchange, origin))
        return;
    reply_header(request, "Access-Control-Allow-Origin", origin.bytes);
    reply_header(request, "Access-Control-Expose-Headers",
                 "Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, X-Request-Id, Location");
}

/* A wildcard path is what a proxy asks about on behalf of others: their preflight must be judged like any request of theirs. */
static bool takes_preflight(const struct exchange *exchange) {
    const char *path = exchange->allowed_path != NULL ? exchange->allowed_path->path : NULL;
    return path != NULL && strchr(path, '*') == NULL;
}

bool cors_answer_preflight(struct exchange *exchange) {
    struct request *request = &exchange->request;
    bool is_preflight = strcmp(exchange->method, "OPTIONS") == 0 && request_header(request, "Origin").bytes != NULL &&
                        request_header(request, "Access-Control-Request-Method").bytes != NULL;
    if (!is_preflight || !takes_preflight(exchange))
        return false;
    if (origin_is_allowed(exchange, request_header(request, "Origin"))) {
        reply_header(request, "Access-Control-Allow-Methods", "GET, HEAD, POST, PATCH, DELETE");
        reply_header(request, "Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, X-Request-Id");
        reply_header(request, "Access-Control-Max-Age", "600");
    }
    reply_empty(request, 204);
    return true;
}
