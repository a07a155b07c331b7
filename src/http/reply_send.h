/*
 * reply_send: sends the written reply of an exchange: by the library, at once or later, as the header of a stream, or past the
 * library, which cannot send it. On the HTTP thread of the connection.
 */
#ifndef JWTD_HTTP_REPLY_SEND_H
#define JWTD_HTTP_REPLY_SEND_H

#include "jwtd/status.h"

#include <microhttpd.h>

struct exchange;

/* Every reply of the library's is queued here, in EXCHANGE_ANSWERED or EXCHANGE_DUE. Returns what the library's callback is to
 * return, as the two below. */
enum MHD_Result reply_queue(struct exchange *exchange);

/* The same, and notes a refusal that tells its client when to come again. */
enum MHD_Result reply_send(struct exchange *exchange);

/* The same, or begins the stream that the reply is, or delays a refusal when the client has come back at once several times
 * instead of waiting for Retry-After. */
enum MHD_Result reply_send_or_delay(struct exchange *exchange);

/* A problem as bytes, in the place of a reply that there is no memory for, or that the library would not send. The connection
 * must be closed after it. */
void reply_send_past_library(struct exchange *exchange, enum status status);

#endif
