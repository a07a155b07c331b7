#include "rate_limit.h"

#include "exchange.h"
#include "limit_headers.h"

#include "jwtd/clock.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"

/* A service calls from many addresses, and many services from one. */
static struct limit_key key_of(struct limiter *limiter, const struct request *request) {
    if (request->service != NULL)
        return limiter_key_of_account(limiter, text_of(request->service), ACCOUNT_ALONE, NULL);
    return limiter_key_of_client(limiter, &request->client, &request->peer);
}

bool rate_limit_take(struct exchange *exchange) {
    struct request *request = &exchange->request;
    enum limit_class limit_class = request->route->limit;
    if (limit_class == LIMIT_NONE)
        return true;
    struct limiter *limiter = request->services->limiter;
    struct limit_decision decision = limiter_take(limiter, limit_class, key_of(limiter, request), clock_monotonic_us());
    if (!decision.allowed) {
        reply_limited(request, STATUS_RATE_LIMITED, &decision);
        return false;
    }
    exchange->refill_us = decision.is_limited && decision.remaining == 0 ? decision.reset_us : 0;
    enum status status = limit_headers_add(&exchange->common_headers, request->arena, &decision);
    if (status != STATUS_OK)
        reply_problem(request, status);
    return status == STATUS_OK;
}
