#include "header_check.h"

#include "bearer.h"
#include "client.h"
#include "context.h"
#include "cors.h"
#include "exchange.h"
#include "idempotency.h"
#include "query.h"
#include "rate_limit.h"
#include "router.h"
#include "service_access.h"
#include "single_headers.h"

#include "jwtd/activity.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"

#include <string.h>

bool header_body_is_within_limit(const struct exchange *exchange, const struct header_summary *summary) {
    const struct route *route = exchange->request.route;
    size_t excess = route != NULL && route->body_format == BODY_JSON ? BODY_EXCESS_MAX : 0;
    return summary->content_length <= exchange->request.services->config->server.body_limit + excess;
}

bool header_ignores_body(const struct exchange *exchange) {
    return exchange->request.route != NULL && exchange->request.route->body_format == BODY_IGNORED;
}

bool header_is_public(const struct exchange *exchange) {
    return exchange->context->listener == LISTENER_PUBLIC;
}

enum status header_find_route(struct exchange *exchange, const struct header_summary *summary, enum status *found) {
    const struct http_context *context = exchange->context;
    *found = router_find(context->routes, context->route_count, context->listener, exchange);
    const struct route *route = exchange->request.route;
    if (route != NULL)
        activity_set(route->path);
    if (route == NULL || !route->is_for_proxies)
        return framing_check_fields(summary);
    return summary->authorizations > 1 ? STATUS_INVALID_TOKEN : STATUS_OK;
}

static bool refuse(struct exchange *exchange, enum status status) {
    reply_problem(&exchange->request, status);
    return false;
}

/* OPTIONS asks for the methods of a path; any other method that the path does not have is an error. */
static void answer_other_method(struct exchange *exchange) {
    struct request *request = &exchange->request;
    const struct http_context *context = exchange->context;
    const char *allowed = router_allowed_methods(context->routes, context->route_count, context->listener, exchange);
    if (strcmp(exchange->method, "OPTIONS") == 0)
        reply_empty(request, 204);
    else
        reply_problem(request, STATUS_METHOD_NOT_ALLOWED);
    enum status status = allowed != NULL ? reply_header(request, "Allow", allowed) : STATUS_OUT_OF_MEMORY;
    if (status != STATUS_OK)
        reply_problem(request, status);
}

/* STATUS_INVALID_HEADER: *wrong names it. */
static enum status check_values(const struct exchange *exchange, const char **wrong) {
    *wrong = single_headers_find_repeated(exchange);
    if (*wrong != NULL)
        return STATUS_INVALID_HEADER;
    *wrong = "Idempotency-Key";
    return idempotency_check(exchange);
}

bool header_check(struct exchange *exchange, const struct header_summary *summary, enum status found) {
    enum status status = client_read(exchange);
    if (status != STATUS_OK)
        return refuse(exchange, status);
    if (header_is_public(exchange) && cors_answer_preflight(exchange))
        return false;
    if (found == STATUS_METHOD_NOT_ALLOWED) {
        answer_other_method(exchange);
        return false;
    }
    if (found != STATUS_OK)
        return refuse(exchange, found);
    if (!header_ignores_body(exchange) && !header_body_is_within_limit(exchange, summary))
        return refuse(exchange, STATUS_BODY_TOO_LARGE);
    enum status service_status = service_access_check(exchange); /* first, since a service is limited by its name */
    if (!rate_limit_take(exchange))
        return false;
    const char *wrong = NULL;
    status = service_status != STATUS_OK ? service_status : query_read(exchange, &wrong);
    if (status == STATUS_OK)
        status = bearer_check(exchange);
    if (status == STATUS_OK)
        status = check_values(exchange, &wrong);
    if (status != STATUS_OK)
        reply_problem_about(&exchange->request, status, wrong);
    return status == STATUS_OK;
}
