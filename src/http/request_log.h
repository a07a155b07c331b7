/*
 * request_log: the line of a request in the log, at info: event "request" with method, route (the path of the row, no part of
 * what the client has sent), status, code (of the problem), limit (the bucket of the limiter, or the executor, that has refused
 * it), user_id and service where they are known, us (from the request line to the end of the reply), and address, request_id and
 * trace_id of the context. A field that does not apply is missing. With debug, or for a request in detail, also the
 * first 512 bytes of the path, in front of the context. A request that was refused before its header was read (408, 414, 431,
 * 505, some 400, and 0 for a request line that the library drops) has no method and a new request_id. Status 0: the connection
 * ended before a reply; complete=no: in the reply.
 *
 * A request is in detail, logged with all its lines whatever the level, when its X-Log-Detail has the word of log.detail_digest.
 *
 * log.requests says which requests have one: all, or those with a status from 400 on and 0. With debug, or in detail, every
 * request has one; the 200s of the operator's listener (scrapes and probes), and of the watchdog's own requests (/health/live
 * without an address), only then. On the HTTP thread.
 */
#ifndef JWTD_HTTP_REQUEST_LOG_H
#define JWTD_HTTP_REQUEST_LOG_H

#include "jwtd/network.h"
#include "jwtd/status.h"

#include <stdbool.h>

struct exchange;

/* Fills the context of the log (log.h) from the header, once the ids of request and trace are known. */
void request_log_begin(struct exchange *exchange);

/* The one line, when the exchange ends. */
void request_log_end(struct exchange *exchange, bool is_complete);

/* That of a request that was refused before its request line was read whole, or (STATUS_OK) by the library's page of this HTTP
 * status, or without any reply (0), with a new request_id. */
void request_log_refusal(const struct address *peer, enum status status, unsigned page);

#endif
