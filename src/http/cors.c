#include "cors.h"

#include "context.h"
#include "exchange.h"
#include "host.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/reply.h"
#include "jwtd/snapshot.h"

#include <assert.h>
#include <string.h>

static const char allow_origin[] = "Access-Control-Allow-Origin";
static const char exposed_headers[] =
    "Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, X-Request-Id, Location, ETag, Link";

static const struct header_field preflight_headers[] = {
    { "Access-Control-Allow-Methods", "GET, HEAD, POST, PATCH, DELETE" },
    { "Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-Match, X-Request-Id" },
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
    struct text origin = request_header(&exchange->request, "Origin");
    bool is_allowed = origin.bytes != NULL && origin_is_allowed(exchange, origin);
    exchange->refused_origin = is_allowed ? NULL : origin.bytes;
    if (exchange->request.snapshot->config.cors.allowed_origins.count == 0)
        return STATUS_OK;
    enum status status = header_list_add(headers, "Vary", "Origin");
    if (status != STATUS_OK || !is_allowed)
        return status;
    status = header_list_add(headers, allow_origin, origin.bytes);
    return status == STATUS_OK ? header_list_add(headers, "Access-Control-Expose-Headers", exposed_headers) : status;
}

enum status cors_check_host(const struct exchange *exchange) {
    bool is_refused = exchange->context->refuses_names && !host_cannot_be_rebound(request_header(&exchange->request, "Host"));
    return is_refused ? STATUS_MISDIRECTED_REQUEST : STATUS_OK;
}

static bool has_header(const struct header_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->fields[i].name, name) == 0)
            return true;
    return false;
}

/* A page that calls its own origin sends Origin too. Browsers say so; for those that do not, the authorities are compared. */
static bool is_same_origin(const struct exchange *exchange) {
    const char *authority = strstr(exchange->refused_origin, "://");
    return text_equal(request_header(&exchange->request, "Sec-Fetch-Site"), text_of("same-origin")) ||
           (authority != NULL && text_equal_ignoring_case(text_of(authority + 3), request_header(&exchange->request, "Host")));
}

void cors_log_refusal(const struct exchange *exchange) {
    unsigned count;
    if (exchange->refused_origin == NULL || has_header(&exchange->reply.headers, allow_origin) || is_same_origin(exchange) ||
        !log_gate_pass(&exchange->context->counters.refused_origins, clock_monotonic_us(), &count))
        return;
    const struct route *route = exchange->request.route != NULL ? exchange->request.route : exchange->allowed_path;
    log_event(LOG_WARN, "origin_refused", "route=%s origin=%s since_start=%u", route != NULL ? route->path : NULL,
              log_has_level(LOG_DEBUG) ? exchange->refused_origin : NULL, count);
}

/* Two headers would be none: the one of an origin of the list has been added already. */
enum status reply_allow_any_origin(struct request *request) {
    bool is_allowed = has_header(&exchange_of(request)->common_headers, allow_origin);
    return is_allowed ? STATUS_OK : reply_header(request, allow_origin, "*");
}

/* What a proxy asks may be a preflight of its client, with the client's method: it must pass the checks of any other request. */
static bool takes_preflight(const struct exchange *exchange) {
    const struct route *route = exchange->allowed_path;
    return route != NULL && !route->is_for_proxies;
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
