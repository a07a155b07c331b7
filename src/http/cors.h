/* cors: cross-origin reads by the origins that the configuration lists (the Fetch standard, section 3.2), and what no page may
 * read by a name of its own. */
#ifndef JWTD_HTTP_CORS_H
#define JWTD_HTTP_CORS_H

#include "jwtd/status.h"

#include <stdbool.h>

struct exchange;

/* Adds to the common headers those that let an allowed origin read the reply, and Vary when any origin is configured. They borrow
 * the request's Origin. STATUS_INTERNAL: the list is full, and the reply must not be sent without them. */
enum status cors_add_headers(struct exchange *exchange) MUST_CHECK;

/* On the operator's listener, in place of those headers. STATUS_MISDIRECTED_REQUEST: it is on loopback, and Host is what a page
 * could be called whose name DNS has led there (host.h). */
enum status cors_check_host(const struct exchange *exchange) MUST_CHECK;

/* Logs that the page which asked cannot read the reply, since its origin is not in cors.allowed_origins: at most once a second,
 * with how many there were. When the reply is written. */
void cors_log_refusal(const struct exchange *exchange);

/* True: the request was a preflight for a path that takes one, and the reply is written. After router_find. */
bool cors_answer_preflight(struct exchange *exchange);

#endif
