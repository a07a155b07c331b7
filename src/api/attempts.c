#include "attempts.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/reply.h"

bool attempt_begin(struct request *request, struct limit_key key) {
    struct limit_decision decision = limiter_take(request->services->limiter, LIMIT_LOGIN_FAILURES, key, clock_monotonic_us());
    if (decision.allowed)
        return true;
    reply_problem(request, reply_limit(request, &decision));
    return false;
}

void attempt_take_back(struct request *request, struct limit_key key) {
    limiter_give_back(request->services->limiter, LIMIT_LOGIN_FAILURES, key, clock_monotonic_us());
}

void attempt_fail(struct request *request, struct limit_key key, const struct uuid *user_id) {
    int64_t locked_us = limiter_fail(request->services->limiter, LIMIT_LOGIN_FAILURES, key, clock_monotonic_us());
    if (locked_us == 0)
        return;
    char user[UUID_TEXT_SIZE] = "", ip[ADDRESS_TEXT_SIZE];
    if (user_id != NULL)
        uuid_text(user_id, user);
    log_event(LOG_WARN, "account_locked", "user_id=%s ip=%s request_id=%s seconds=%lld", user, address_text(&request->client, ip),
              request->request_id, (long long)(locked_us / CLOCK_US_PER_S));
}
