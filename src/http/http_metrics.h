/*
 * http_metrics: what http records of each exchange (metrics.h): requests by route and status, their time, and what was shed. On
 * the HTTP thread of the exchange.
 */
#ifndef JWTD_HTTP_HTTP_METRICS_H
#define JWTD_HTTP_HTTP_METRICS_H

#include "jwtd/route.h"

#include <stdbool.h>
#include <stddef.h>

struct exchange;

/* Names the values of the label "route": "POST /auth/login"; "/auth/verify" of a row with any method. Before the first request.
 */
void http_metrics_name_routes(const struct route *routes, size_t count);

/* The index of the exchange's route; metric_value has its name. */
unsigned http_metrics_route(const struct exchange *exchange);

/* Its reply has been written and is sent next. */
void http_metrics_note_reply(const struct exchange *exchange);

/* Its client was sent the exchange's problem past the library. */
void http_metrics_note_refusal(const struct exchange *exchange);

/* The exchange ends. One whose request never was complete, and was not answered, is no request: its client has gone, or was
 * answered by http_metrics_note_direct_reply. */
void http_metrics_note_end(const struct exchange *exchange);

/* A connection of this listener was closed without a reply; because its address has too many, while the service had room? Any
 * thread. */
void http_metrics_note_closed(enum route_listener listener, bool is_of_address);

/* The client of a request without an exchange, or of one that is to be closed before it was complete, was sent this. Any thread.
 */
void http_metrics_note_direct_reply(enum route_listener listener, enum status status);

/* The client of a request without an exchange was sent a page of the library's. */
void http_metrics_note_page(enum route_listener listener, unsigned http_status);

#endif
