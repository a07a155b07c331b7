#include "cors.h"

#include "exchange.h"

#include "jwtd/macros.h"
#include "jwtd/reply.h"
#include "jwtd/snapshot.h"

#include <assert.h>
#include <string.h>

static const char allow_origin[] = "Access-Control-Allow-Origin";
static const char exposed_headers[] = "Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, X-Request-Id, Location";

static const struct header_field preflight_headers[] = {
    { "Access-Control-Allow-Methods", "GET, HEAD, POST, PATCH, DELETE" },
    { "Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, X-Request-Id" },
    { "Access-Control-Max-Age", "600" },
};

static bool origin_is_allowed(const struct exchange *exchange, struct text origin) {
    const struct string_list *allowed = &exchange->request.snapshot->config.cors.allowed_origins;
    for (size_t i = 0; i < allowed->count; i++)
        if (text_equal(origin, text_of(allowed->items[i])))
            return true;
    return false;
}

enum status cors_add_headers(struct exchange *exchange) {
    struct header_list *headers = &exchange->common_headers;
    if (exchange->request.snapshot->config.cors.allowed_origins.count == 0)
        return STATUS_OK;
    enum status status = header_list_add(headers, "Vary", "Origin");
    struct text origin = request_header(&exchange->request, "Origin");
    if (status != STATUS_OK || origin.bytes == NULL || !origin_is_allowed(exchange, origin))
        return status;
    status = header_list_add(headers, allow_origin, origin.bytes);
    return status == STATUS_OK ? header_list_add(headers, "Access-Control-Expose-Headers", exposed_headers) : status;
}

/* Two headers would be none: the one of an origin of the list has been added already. */
enum status reply_allow_any_origin(struct request *request) {
    const struct header_list *common = &exchange_of(request)->common_headers;
    for (size_t i = 0; i < common->count; i++)
        if (strcmp(common->fields[i].name, allow_origin) == 0)
            return STATUS_OK;
    return reply_header(request, allow_origin, "*");
}

/* A wildcard path is requested by a proxy for the requests of its clients: a preflight among these must pass the checks of any
 * other request. */
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
    reply_empty(request, 204);
    if (!origin_is_allowed(exchange, request_header(request, "Origin")))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(preflight_headers); i++) {
        enum status status = header_list_add(&exchange->reply.headers, preflight_headers[i].name, preflight_headers[i].value);
        assert(status == STATUS_OK);
    }
    return true;
}
