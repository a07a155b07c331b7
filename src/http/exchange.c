#include "exchange.h"

#include "connection.h"
#include "context.h"
#include "http_metrics.h"
#include "http_thread.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/services.h"

#include <assert.h>
#include <microhttpd.h>
#include <sodium.h>
#include <stdlib.h>

struct exchange *exchange_begin(struct http_thread *thread, size_t limit) {
    struct exchange *exchange = thread->spare_count > 0 ? thread->spares[--thread->spare_count] : calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    exchange->arena.limit = limit;
    exchange->thread = thread;
    atomic_store_explicit(&thread->in_flight, thread->in_flight + 1, memory_order_relaxed);
    return exchange;
}

void exchange_end(struct exchange *exchange) {
    struct http_thread *thread = exchange->thread;
    assert(thread->in_flight > 0);
    arena_clear(&exchange->arena);
    struct arena arena = exchange->arena;
    struct kept_reply kept_reply = exchange->kept_reply;
    sodium_memzero(exchange, sizeof *exchange);
    exchange->arena = arena;
    exchange->kept_reply = kept_reply;
    if (thread->spare_count < HTTP_THREAD_SPARES_MAX)
        thread->spares[thread->spare_count++] = exchange;
    else
        exchange_free(exchange);
    atomic_store_explicit(&thread->in_flight, thread->in_flight - 1, memory_order_relaxed);
}

void exchange_free(struct exchange *spare) {
    arena_fini(&spare->arena);
    kept_reply_fini(&spare->kept_reply);
    free(spare);
}

struct exchange *exchange_of(struct request *request) {
    return container_of(request, struct exchange, request);
}

static const bool is_allowed[EXCHANGE_STATES][EXCHANGE_STATES] = {
    [EXCHANGE_NEW] = { [EXCHANGE_RECEIVING] = true,
                       [EXCHANGE_DISCARDING] = true,
                       [EXCHANGE_RUNNING] = true,
                       [EXCHANGE_ANSWERED] = true },
    [EXCHANGE_RECEIVING] = { [EXCHANGE_RUNNING] = true },
    [EXCHANGE_DISCARDING] = { [EXCHANGE_ANSWERED] = true },
    [EXCHANGE_RUNNING] = { [EXCHANGE_SUSPENDED] = true, [EXCHANGE_ANSWERED] = true },
    [EXCHANGE_SUSPENDED] = { [EXCHANGE_RETURNED] = true },
    [EXCHANGE_RETURNED] = { [EXCHANGE_RUNNING] = true },
    [EXCHANGE_ANSWERED] = { [EXCHANGE_DELAYED] = true, [EXCHANGE_QUEUED] = true, [EXCHANGE_STREAMING] = true },
    [EXCHANGE_DELAYED] = { [EXCHANGE_DUE] = true },
    [EXCHANGE_DUE] = { [EXCHANGE_QUEUED] = true },
    [EXCHANGE_STREAMING] = { [EXCHANGE_STREAMED] = true },
};

void exchange_set_state(struct exchange *exchange, enum exchange_state next) {
    assert(next < EXCHANGE_STATES && is_allowed[exchange->state][next]);
    assert(next != EXCHANGE_ANSWERED || reply_is_written(&exchange->reply));
    exchange->state = next;
}

void exchange_release_snapshot(struct exchange *exchange) {
    struct request *request = &exchange->request;
    if (request->snapshot != NULL)
        snapshot_lease_release(request->services->snapshots, &exchange->thread->lease, request->snapshot);
    request->snapshot = NULL;
}

bool exchange_suspend(struct exchange *exchange, enum exchange_state next) {
    struct http_counters *counters = &exchange->context->counters;
    assert(next == EXCHANGE_SUSPENDED || next == EXCHANGE_DELAYED || next == EXCHANGE_STREAMING);
    /* counted first and checked second: http_server_stop closes first and waits for the count second */
    atomic_fetch_add(&counters->suspended, 1);
    if (atomic_load(&counters->suspension_closed)) {
        atomic_fetch_sub(&counters->suspended, 1);
        return false;
    }
    if (!exchange->is_busy)
        connection_set_state(exchange->connection, CONNECTION_BUSY);
    exchange->is_busy = true;
    log_set_context(NULL); /* it belongs to the exchange */
    exchange_set_state(exchange, next);
    MHD_suspend_connection(exchange->library_connection);
    return true;
}

void exchange_resume(struct exchange *exchange, enum exchange_state next) {
    struct http_counters *counters = &exchange->context->counters;
    struct MHD_Connection *connection = exchange->library_connection;
    assert(next == EXCHANGE_RETURNED || next == EXCHANGE_DUE || next == EXCHANGE_STREAMED);
    exchange_set_state(exchange, next);
    MHD_resume_connection(connection);
    unsigned before = atomic_fetch_sub(&counters->suspended, 1);
    assert(before > 0);
}

int64_t exchange_deadline_us(const struct exchange *exchange, int64_t divisor) {
    int64_t deadline_us = exchange->request.deadline_us;
    return deadline_us - (deadline_us - exchange->received_us) / divisor;
}

void exchange_note_refusal(struct exchange *exchange, enum status refusal) {
    if (refusal == STATUS_OK || exchange->sent_status != 0)
        return;
    exchange->sent_status = status_info(refusal)->http;
    exchange->is_sent = true;
    exchange->reply.problem = refusal;
    http_metrics_note_refusal(exchange);
}

void exchange_note_page(struct exchange *exchange, unsigned http_status) {
    assert(exchange->sent_status == 0);
    exchange->sent_status = http_status;
    exchange->is_sent = http_status != 0;
    exchange->reply.problem = http_status == 400 ? STATUS_BAD_REQUEST : STATUS_OK;
}
