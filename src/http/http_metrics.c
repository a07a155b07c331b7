#include "http_metrics.h"

#include "connection.h"
#include "context.h"
#include "exchange.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/metrics.h"

#include <assert.h>
#include <stdio.h>

#define NAME_SIZE 128

static void write_name(const struct route *route, char name[NAME_SIZE]) {
    static const char *const methods[] = {
        [METHOD_GET] = "GET ", [METHOD_POST] = "POST ", [METHOD_PATCH] = "PATCH ", [METHOD_DELETE] = "DELETE ", [METHOD_ANY] = ""
    };
    assert(route->method < ARRAY_LEN(methods) && methods[route->method] != NULL);
    int len = snprintf(name, NAME_SIZE, "%s%s", methods[route->method], route->path);
    assert(len > 0 && len < NAME_SIZE);
}

void http_metrics_name_routes(const struct route *routes, size_t count) {
    char names[METRIC_ROUTES_MAX][NAME_SIZE];
    const char *values[METRIC_ROUTES_MAX];
    assert(count <= METRIC_ROUTES_MAX - METRIC_ROUTE_FIRST);
    for (size_t i = 0; i < count; i++) {
        write_name(&routes[i], names[i]);
        values[i] = names[i];
    }
    metric_give_routes(values, (unsigned)count);
}

static unsigned no_route(enum route_listener listener) {
    return listener == LISTENER_OPERATIONS ? METRIC_ROUTE_OPERATIONS : METRIC_ROUTE_NONE;
}

/* It was refused for its address, while the service had room. */
static bool is_of_address(const struct exchange *exchange) {
    const struct connection *connection = exchange->connection;
    return exchange->reply.problem == STATUS_OVERLOADED && connection->is_too_many && connection->is_of_address;
}

unsigned http_metrics_route(const struct exchange *exchange) {
    const struct route *route = exchange->request.route;
    if (route == NULL)
        return is_of_address(exchange) ? METRIC_ROUTE_ADDRESS_LIMIT : no_route(exchange->context->listener);
    return (unsigned)(route - exchange->context->routes) + METRIC_ROUTE_FIRST;
}

static void note_shed(enum route_listener listener, const char *reason) {
    unsigned index = metric_pair(METRIC_REQUESTS_SHED, listener, metric_index_of(METRIC_SET_SHED_REASON, reason));
    metric_add(METRIC_REQUESTS_SHED, index, 1);
}

/* What a client is told to try again because of its own other request is not for want of anything. */
static void note_if_shed(const struct exchange *exchange) {
    enum status problem = exchange->reply.problem;
    if (status_info(problem)->http != 503 || problem == STATUS_OK || problem == STATUS_REFRESH_TOO_SOON)
        return;
    bool is_too_many = problem == STATUS_OVERLOADED && exchange->connection->is_too_many;
    const char *of_connection = is_of_address(exchange) ? "address_limit" : "too_many_connections";
    note_shed(exchange->context->listener, is_too_many ? of_connection : status_info(problem)->name);
}

/* The time is the service's: without that of a client that sends its body slowly, or was made to wait for coming back too early.
 */
void http_metrics_note_reply(const struct exchange *exchange) {
    int64_t begin_us = exchange->received_us != 0 ? exchange->received_us : exchange->started_us;
    int64_t end_us = exchange->delayed_us != 0 ? exchange->delayed_us : clock_monotonic_us();
    metric_observe(METRIC_HTTP_REQUEST_DURATION, http_metrics_route(exchange), (end_us - begin_us) * 1000);
    note_if_shed(exchange);
}

void http_metrics_note_refusal(const struct exchange *exchange) {
    note_if_shed(exchange);
}

static bool is_incomplete(const struct exchange *exchange) {
    return exchange->state == EXCHANGE_NEW || exchange->state == EXCHANGE_RECEIVING || exchange->state == EXCHANGE_DISCARDING;
}

void http_metrics_note_end(const struct exchange *exchange) {
    if (exchange->sent_status == 0 && is_incomplete(exchange))
        return;
    unsigned index =
        metric_pair(METRIC_HTTP_REQUESTS, http_metrics_route(exchange), metric_index_of_status(exchange->sent_status));
    metric_add(METRIC_HTTP_REQUESTS, index, 1);
}

void http_metrics_note_closed(enum route_listener listener, bool is_of_address) {
    note_shed(listener, is_of_address ? "address_limit" : "connection_closed");
}

/* Overloaded means here that the connection had to make room, or was one too many. */
void http_metrics_note_direct_reply(enum route_listener listener, enum status status) {
    unsigned http_status = status_info(status)->http;
    unsigned index = metric_pair(METRIC_HTTP_REQUESTS, no_route(listener), metric_index_of_status(http_status));
    metric_add(METRIC_HTTP_REQUESTS, index, 1);
    if (http_status == 503)
        note_shed(listener, status == STATUS_OVERLOADED ? "too_many_connections" : status_info(status)->name);
}

void http_metrics_note_page(enum route_listener listener, unsigned http_status) {
    unsigned index = metric_pair(METRIC_HTTP_REQUESTS, no_route(listener), metric_index_of_status(http_status));
    metric_add(METRIC_HTTP_REQUESTS, index, 1);
}
