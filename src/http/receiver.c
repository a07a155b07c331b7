#include "receiver.h"

#include "client.h"
#include "connection.h"
#include "context.h"
#include "cors.h"
#include "delayed_replies.h"
#include "exchange.h"
#include "framing.h"
#include "header_check.h"
#include "http_metrics.h"
#include "input.h"
#include "library.h"
#include "pipeline.h"
#include "query.h"
#include "reply_send.h"
#include "request_log.h"
#include "schema.h"
#include "spans.h"
#include "target.h"

#include "jwtd/activity.h"
#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"

#include <assert.h>
#include <string.h>

/* Beside the body: its parsed fields, and the largest reply, a page of a hundred users with as much metadata as fits: a mebibyte
 * of rows, and as much of JSON, which grows by doubling. */
#define ARENA_BESIDE_BODY ((size_t)4 * 1024 * 1024)

/* The library would store a record of each query parameter in the connection's memory, refuse a request with more of them than
 * fit, and send no reply at all to one with still more. So the query is copied (query.h) and cut off: the library has found its
 * beginning before this callback, and parses an empty one. */
static void hide_query(const char *target) {
    char *own = (char *)(uintptr_t)target; /* the library's buffer, const only for callbacks that log it */
    char *query = own != NULL ? strchr(own, '?') : NULL;
    if (query != NULL && query[1] != '\0')
        query[1] = '\0';
}

void *receiver_begin(void *callback_context, const char *target, struct MHD_Connection *library_connection) {
    struct http_context *context = callback_context;
    struct connection *connection = library_socket_context(library_connection); /* NULL: out of memory */
    struct exchange *exchange = NULL;
    input_note_line(library_fd(library_connection));
    if (connection != NULL)
        exchange = exchange_begin(http_thread_current(&context->threads),
                                  context->services->config->server.body_limit + ARENA_BESIDE_BODY);
    if (exchange == NULL) {
        hide_query(target);
        return NULL;
    }
    exchange->context = context;
    exchange->connection = connection;
    exchange->library_connection = library_connection;
    exchange->started_us = clock_monotonic_us();
    exchange->request.services = context->services;
    exchange->request.snapshot = snapshot_lease_acquire(context->services->snapshots, &exchange->thread->lease);
    exchange->request.arena = &exchange->arena;
    exchange->request.request_id = "";
    exchange->request.trace_id = "";
    exchange->request.peer = library_peer(library_connection);
    exchange->request.log.client = &exchange->request.peer;
    exchange->target_status = target_path(&exchange->arena, target, &exchange->path);
    if (exchange->target_status == STATUS_OK)
        exchange->target_status = query_keep(exchange, target);
    if (exchange->target_status != STATUS_OK)
        exchange->path = NULL;
    hide_query(target);
    connection_set_exchange(connection, exchange);
    connection_set_state(connection, CONNECTION_HEADER);
    return exchange;
}

/* The library has refused the request by itself, or dropped it: its header does not fit into the connection's memory, or makes no
 * sense. At most one line a second, since any client can cause them. The address is that of the connection, behind a proxy the
 * proxy's: no field of this header is known. */
static void log_unread(const struct exchange *exchange) {
    unsigned count;
    if (!log_gate_pass(&exchange->context->counters.unread_headers, clock_monotonic_us(), &count))
        return;
    log_event(LOG_WARN, "header_not_read", "since_start=%u", count);
}

/* Every exchange ends here. */
static void end_exchange(struct exchange *exchange, bool is_complete) {
    exchange_note_refusal(exchange, connection_take_refusal(exchange->connection));
    assert(exchange->state != EXCHANGE_SUSPENDED && exchange->state != EXCHANGE_DELAYED && exchange->state != EXCHANGE_STREAMING);
    http_metrics_note_end(exchange);
    request_log_end(exchange, is_complete);
    log_set_context(NULL);
    connection_set_exchange(exchange->connection, NULL);
    spans_end(exchange);
    exchange_release_snapshot(exchange);
    db_discard(exchange->db_query);
    exchange_end(exchange);
}

void receiver_end(void *callback_context, struct MHD_Connection *library_connection, void **request_context,
                  enum MHD_RequestTerminationCode code) {
    struct exchange *exchange = *request_context;
    (void)callback_context;
    if (exchange == NULL)
        return;
    log_set_context(&exchange->request.log);
    if (exchange->state == EXCHANGE_NEW) {
        if (code == MHD_REQUEST_TERMINATED_WITH_ERROR || input_is_refused(exchange->connection->fd))
            log_unread(exchange);
    }
    exchange_note_refusal(exchange, connection_take_refusal(exchange->connection));
    if (exchange->sent_status == 0)
        exchange_note_page(exchange, library_status(library_connection));
    connection_set_state(exchange->connection, CONNECTION_IDLE);
    end_exchange(exchange, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    *request_context = NULL;
}

void receiver_abandon(struct connection *connection) {
    struct exchange *exchange = connection_exchange(connection);
    if (exchange == NULL)
        return;
    log_set_context(&exchange->request.log);
    exchange_note_refusal(exchange, connection_take_refusal(connection));
    if (exchange->state == EXCHANGE_NEW) {
        log_unread(exchange);
        if (exchange->sent_status == 0)
            reply_send_past_library(exchange, STATUS_HEADER_TOO_LARGE);
    }
    end_exchange(exchange, false);
}

static bool allocate_scratch(struct exchange *exchange) {
    const struct body_schema *schema = exchange->request.route->body;
    if (schema == NULL)
        return true;
    exchange->request.scratch = arena_alloc(exchange->request.arena, schema->scratch_size);
    return exchange->request.scratch != NULL;
}

/* For the whole body at once, so that no copy of a password is left by a buffer that grows. */
static bool allocate_body(struct exchange *exchange, const struct header_summary *summary) {
    if (!summary->has_body || header_ignores_body(exchange))
        return true;
    size_t limit = exchange->request.services->config->server.body_limit;
    bool may_be_larger = summary->transfer_encodings > 0 || summary->content_length > limit;
    size_t size = may_be_larger ? limit : (size_t)summary->content_length;
    exchange->body.bytes = arena_alloc(exchange->request.arena, size);
    exchange->body.size = exchange->body.bytes != NULL ? size : 0; /* without memory the body is still read, and dropped */
    return exchange->body.bytes != NULL;
}

/* False: out of memory; the reply is written. */
static bool allocate_buffers(struct exchange *exchange, const struct header_summary *summary) {
    if (allocate_scratch(exchange) && allocate_body(exchange, summary))
        return true;
    reply_problem(&exchange->request, STATUS_OUT_OF_MEMORY);
    return false;
}

/* The request is complete, and its deadline begins. Only requests with a body may wait in the kernel for so long before they are
 * read that it matters. */
static void begin_work(struct exchange *exchange) {
    exchange->received_us = clock_monotonic_us();
    if (exchange->body.len > 0)
        exchange->received_us -= connection_lag_us(exchange->connection);
    exchange->request.deadline_us = exchange->received_us + exchange->request.services->config->server.request_timeout_ms * 1000;
}

/* Without reading the body: what is received next on this connection may be the rest of this request. */
static enum MHD_Result close_with_reply(struct exchange *exchange) {
    exchange->must_close = true;
    exchange_set_state(exchange, EXCHANGE_ANSWERED);
    return reply_queue(exchange);
}

static enum MHD_Result close_with(struct exchange *exchange, enum status status) {
    reply_problem(&exchange->request, status);
    return close_with_reply(exchange);
}

/* Whether a body may come that is not read, or only in part: it must not be taken for the next request, so the connection is
 * closed behind the reply. */
static bool leaves_body(const struct exchange *exchange, const struct header_summary *summary) {
    bool may_come = summary->has_body || summary->expectations > 0; /* the library asks for one that is expected */
    return !header_body_is_within_limit(exchange, summary) || (may_come && header_ignores_body(exchange));
}

static enum MHD_Result run_without_body(struct exchange *exchange) {
    exchange->must_close = true;
    begin_work(exchange);
    exchange_set_state(exchange, EXCHANGE_RUNNING);
    return pipeline_run(exchange) ? reply_queue(exchange) : MHD_YES;
}

static enum status permit_pages(struct exchange *exchange) {
    return header_is_public(exchange) ? cors_add_headers(exchange) : cors_check_host(exchange);
}

static void read_ids(struct exchange *exchange) {
    client_read_request_id(exchange);
    spans_begin(exchange);
    request_log_begin(exchange);
}

static enum MHD_Result receive_header(struct exchange *exchange, const char *method, const char *version) {
    struct header_summary summary;
    exchange->method = method;
    exchange->accepts_chunks = strcmp(version, "HTTP/1.1") == 0;
    enum status found = STATUS_OK, status = library_headers(exchange->library_connection, &exchange->arena, &exchange->headers);
    if (status == STATUS_OK && !library_has_memory_for_reply(exchange->library_connection, &exchange->headers))
        status = STATUS_HEADER_TOO_LARGE;
    if (status != STATUS_OK) {
        reply_send_past_library(exchange, status);
        return MHD_NO;
    }
    bool is_well_formed = input_take_request(library_fd(exchange->library_connection));
    status = framing_check(&exchange->headers, version, &summary);
    enum status cors_status = permit_pages(exchange); /* first, so that each reply has them */
    read_ids(exchange);
    if (cors_status != STATUS_OK)
        status = cors_status;
    else if (!is_well_formed)
        status = STATUS_BAD_REQUEST;
    if (status == STATUS_OK)
        status = exchange->target_status;
    if (status == STATUS_OK && connection_is_too_many(exchange->connection))
        status = STATUS_OVERLOADED;
    if (status == STATUS_OK)
        status = header_find_route(exchange, &summary, &found);
    if (status != STATUS_OK)
        return close_with(exchange, status);

    /* The library accepts malformed chunks and trailers that others refuse, and does not report them; so no request after them is
     * run. */
    if (summary.transfer_encodings > 0)
        exchange->must_close = true;
    bool may_go_on = header_check(exchange, &summary, found) && allocate_buffers(exchange, &summary);
    if (leaves_body(exchange, &summary))
        return may_go_on ? run_without_body(exchange) : close_with_reply(exchange);
    exchange_set_state(exchange, may_go_on ? EXCHANGE_RECEIVING : EXCHANGE_DISCARDING);
    if (summary.has_body)
        connection_set_state(exchange->connection, CONNECTION_BODY);
    return MHD_YES;
}

static enum MHD_Result receive_body(struct exchange *exchange, const char *bytes, size_t *len) {
    struct body_buffer *body = &exchange->body;
    assert(body->len <= body->size && (body->bytes != NULL || body->size == 0));
    size_t space = body->size - body->len;
    size_t taken = *len < space ? *len : space;
    if (taken > 0)
        memcpy(body->bytes + body->len, bytes, taken);
    body->len += taken;
    body->dropped += *len - taken;
    *len = 0;
    size_t limit = exchange->request.services->config->server.body_limit;
    return body->len + body->dropped <= limit + BODY_EXCESS_MAX ? MHD_YES : MHD_NO;
}

static enum MHD_Result run(struct exchange *exchange) {
    begin_work(exchange);
    exchange_set_state(exchange, EXCHANGE_RUNNING);
    if (!header_ignores_body(exchange) && !schema_read_body(exchange))
        exchange_set_state(exchange, EXCHANGE_ANSWERED);
    else if (!pipeline_run(exchange))
        return MHD_YES;
    return reply_send_or_delay(exchange);
}

static enum MHD_Result refuse_after_body(struct exchange *exchange) {
    begin_work(exchange);
    exchange_set_state(exchange, EXCHANGE_ANSWERED);
    return reply_send_or_delay(exchange);
}

/* There is no exchange: receiver_begin had no memory for one. */
static enum MHD_Result answer_without_memory(const struct http_context *context, struct MHD_Connection *library_connection,
                                             const char *method) {
    const struct connection *connection = library_socket_context(library_connection);
    http_metrics_note_direct_reply(context->listener, STATUS_OUT_OF_MEMORY);
    if (connection != NULL)
        connection_send_problem(connection, method, STATUS_OUT_OF_MEMORY);
    return MHD_NO;
}

static enum MHD_Result go_on(struct exchange *exchange, const char *method, const char *version, const char *upload,
                             size_t *upload_len) {
    switch (exchange->state) {
    case EXCHANGE_NEW:
        return receive_header(exchange, method, version);
    case EXCHANGE_RECEIVING:
        return *upload_len > 0 ? receive_body(exchange, upload, upload_len) : run(exchange);
    case EXCHANGE_DISCARDING:
        return *upload_len > 0 ? receive_body(exchange, upload, upload_len) : refuse_after_body(exchange);
    case EXCHANGE_RETURNED:
        return pipeline_continue(exchange) ? reply_send_or_delay(exchange) : MHD_YES;
    case EXCHANGE_ANSWERED:
        return reply_send_or_delay(exchange);
    case EXCHANGE_DUE:
        delayed_replies_lower_times(exchange, clock_monotonic_us() - exchange->delayed_us);
        return reply_send(exchange);
    case EXCHANGE_STREAMED:
        return MHD_NO; /* closes */
    case EXCHANGE_RUNNING:
    case EXCHANGE_SUSPENDED:
    case EXCHANGE_DELAYED:
    case EXCHANGE_STREAMING:
    case EXCHANGE_QUEUED:
    case EXCHANGE_STATES:
        break;
    }
    return MHD_YES;
}

enum MHD_Result receiver_handle(void *callback_context, struct MHD_Connection *library_connection, const char *url,
                                const char *method, const char *version, const char *upload, size_t *upload_len,
                                void **request_context) {
    struct exchange *exchange = *request_context;
    (void)url;
    if (exchange == NULL)
        return answer_without_memory(callback_context, library_connection, method);
    assert(exchange->library_connection == library_connection);
    activity_set(exchange->request.route != NULL ? exchange->request.route->path : "reads a header");
    log_set_context(&exchange->request.log);
    enum MHD_Result result = go_on(exchange, method, version, upload, upload_len);
    log_set_context(NULL);
    activity_set(ACTIVITY_WAITS);
    return result;
}
