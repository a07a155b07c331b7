#include "exchange.h"

#include "context.h"

#include "jwtd/macros.h"

#include <assert.h>
#include <microhttpd.h>

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
    [EXCHANGE_ANSWERED] = { [EXCHANGE_DELAYED] = true, [EXCHANGE_QUEUED] = true },
    [EXCHANGE_DELAYED] = { [EXCHANGE_DUE] = true },
    [EXCHANGE_DUE] = { [EXCHANGE_QUEUED] = true },
};

void exchange_set_state(struct exchange *exchange, enum exchange_state next) {
    assert(next < EXCHANGE_STATES && is_allowed[exchange->state][next]);
    assert(next != EXCHANGE_ANSWERED || reply_is_written(&exchange->reply));
    exchange->state = next;
}

bool exchange_suspend(struct exchange *exchange, enum exchange_state next) {
    struct http_counters *counters = &exchange->context->counters;
    assert(next == EXCHANGE_SUSPENDED || next == EXCHANGE_DELAYED);
    /* counted first and checked second: http_server_stop closes first and waits for the count second */
    atomic_fetch_add(&counters->suspended, 1);
    if (atomic_load(&counters->suspension_closed)) {
        atomic_fetch_sub(&counters->suspended, 1);
        return false;
    }
    exchange_set_state(exchange, next);
    MHD_suspend_connection(exchange->library_connection);
    return true;
}

void exchange_resume(struct exchange *exchange, enum exchange_state next) {
    struct http_counters *counters = &exchange->context->counters;
    struct MHD_Connection *connection = exchange->library_connection;
    assert(next == EXCHANGE_RETURNED || next == EXCHANGE_DUE);
    exchange_set_state(exchange, next);
    MHD_resume_connection(connection);
    unsigned before = atomic_fetch_sub(&counters->suspended, 1);
    assert(before > 0);
}

int64_t exchange_deadline_us(const struct exchange *exchange, int64_t divisor) {
    int64_t deadline_us = exchange->request.deadline_us;
    return deadline_us - (deadline_us - exchange->received_us) / divisor;
}
