#include "reply_send.h"

#include "connection.h"
#include "context.h"
#include "cors.h"
#include "delayed_replies.h"
#include "exchange.h"
#include "http_metrics.h"
#include "library.h"
#include "reply_build.h"
#include "streams.h"

#include "jwtd/clock.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"

#include <string.h>
#include <sys/socket.h>

void reply_send_past_library(struct exchange *exchange, enum status status) {
    connection_send_problem(exchange->connection, exchange->method, status);
    exchange->sent_status = status_info(status)->http;
    exchange->is_sent = true;
    exchange->reply.problem = status;
    http_metrics_note_refusal(exchange);
}

enum MHD_Result reply_queue(struct exchange *exchange) {
    connection_set_state(exchange->connection, CONNECTION_ANSWER);
    cors_log_refusal(exchange);
    if (exchange->request.services->is_draining())
        exchange->must_close = true;
    struct MHD_Response *response = reply_build(exchange);
    if (response == NULL) {
        reply_send_past_library(exchange, STATUS_OUT_OF_MEMORY);
        return MHD_NO;
    }
    http_metrics_note_reply(exchange);
    exchange->sent_status = exchange->reply.http_status;
    enum MHD_Result queued = MHD_queue_response(exchange->library_connection, exchange->reply.http_status, response);
    reply_release(exchange, response);
    exchange_set_state(exchange, EXCHANGE_QUEUED);
    return queued;
}

/* The answer to HEAD: the library would send the end of a chunked body behind it, which the client takes for the beginning of the
 * next reply. The connection is closed. */
static enum MHD_Result send_stream_header(struct exchange *exchange) {
    exchange->must_close = true;
    struct text header = reply_write_stream_header(exchange);
    if (header.bytes == NULL) {
        reply_send_past_library(exchange, STATUS_OUT_OF_MEMORY);
        return MHD_NO;
    }
    exchange->sent_status = exchange->reply.http_status;
    ssize_t sent = send(library_fd(exchange->library_connection), header.bytes, header.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    exchange->is_sent = sent == (ssize_t)header.len;
    return MHD_NO;
}

/* False: the reply is to be queued: it is a refusal by now. */
static bool begin_stream(struct exchange *exchange) {
    exchange->sent_status = exchange->reply.http_status; /* before the exchange is the streams' */
    enum status status = streams_take(exchange->context->streams, exchange);
    if (status != STATUS_OK)
        reply_problem(&exchange->request, status);
    return status == STATUS_OK;
}

enum MHD_Result reply_send(struct exchange *exchange) {
    if (exchange->reply.retry_after_us > 0)
        refusal_history_sent(connection_refusal_history(exchange->connection), exchange->reply.retry_after_us,
                             clock_monotonic_us());
    return reply_queue(exchange);
}

enum MHD_Result reply_send_or_delay(struct exchange *exchange) {
    bool is_stream = exchange->reply.stream != NULL;
    if (is_stream && strcmp(exchange->method, "HEAD") == 0)
        return send_stream_header(exchange);
    if (is_stream && begin_stream(exchange))
        return MHD_YES;
    if (exchange->reply.retry_after_us == 0)
        return reply_queue(exchange);
    struct refusal_history *refusals = connection_refusal_history(exchange->connection);
    exchange->delayed_us = clock_monotonic_us();
    if (!refusal_history_count(refusals, exchange->started_us, exchange->delayed_us))
        return reply_send(exchange);
    int64_t due_us = delayed_replies_due_us(exchange, refusals->retry_at_us, exchange->delayed_us);
    if (due_us > 0 && delayed_replies_hold(exchange->context->delayed_replies, exchange, due_us))
        return MHD_YES;
    return reply_send(exchange);
}
