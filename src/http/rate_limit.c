#include "rate_limit.h"

#include "exchange.h"

#include "jwtd/clock.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"

enum status rate_limit_take(struct exchange *exchange) {
    struct request *request = &exchange->request;
    enum limit_class limit_class = request->route->limit;
    if (limit_class == LIMIT_NONE)
        return STATUS_OK;
    struct limiter *limiter = request->services->limiter;
    struct limit_key key = limiter_key_of_client(limiter, &request->client, &request->peer);
    struct limit_decision decision = limiter_take(limiter, limit_class, key, clock_monotonic_us());
    return reply_limit(request, &decision);
}
