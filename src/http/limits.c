#include "exchange.h"

#include "jwtd/clock.h"

enum status limits_take(struct exchange *exchange) {
    struct request *request = &exchange->request;
    enum limit_class class = request->route->limit;
    if (class == LIMIT_NONE)
        return STATUS_OK;
    struct limiter *limiter = request->services->limiter;
    struct limit_key key = limiter_key_of_client(limiter, &request->client, &request->peer);
    struct limit_decision decision = limiter_take(limiter, class, key, clock_monotonic_us());
    return reply_limit(request, &decision);
}
