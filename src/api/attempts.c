#include "attempts.h"

#include "common.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/metrics.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"

#include <stdio.h>

static void add(struct attempt *attempt, enum limit_class limit_class, struct limit_key key, const char *event) {
    attempt->buckets[attempt->count++] = (struct attempt_bucket){ limit_class, key, event };
}

struct attempt attempt_at_login(const struct request *request, struct text canonical, bool knows_address) {
    struct attempt attempt = { .count = 0 };
    const struct limiter *limiter = request->services->failure_limiter;
    const struct address *client = &request->client;
    add(&attempt, LIMIT_ADDRESS_FAILURES, limiter_key_of_client(limiter, client, &request->peer), "address_locked");
    add(&attempt, LIMIT_LOGIN_FAILURES,
        limiter_key_of_account(limiter, canonical, knows_address ? ACCOUNT_AT_NETWORK : ACCOUNT_AT_SITE, client),
        "account_locked_for_address");
    if (!knows_address)
        add(&attempt, LIMIT_ACCOUNT_FAILURES, limiter_key_of_account(limiter, canonical, ACCOUNT_ALONE, NULL), "account_locked");
    return attempt;
}

struct attempt attempt_with_token(const struct request *request) {
    struct attempt attempt = { .count = 0 };
    char id[UUID_TEXT_SIZE];
    struct text name = text_of(uuid_text(&request->claims.session_id, id));
    add(&attempt, LIMIT_LOGIN_FAILURES, limiter_key_of_account(request->services->failure_limiter, name, ACCOUNT_ALONE, NULL),
        "session_locked");
    return attempt;
}

static void refund(const struct request *request, const struct attempt *attempt, size_t count) {
    for (size_t i = 0; i < count; i++)
        limiter_refund(request->services->failure_limiter, attempt->buckets[i].limit_class, attempt->buckets[i].key,
                       clock_monotonic_us());
}

/* Whether the account exists does not matter: one that does not is locked alike. */
static enum status status_of(enum limit_class limit_class) {
    return limit_class == LIMIT_ADDRESS_FAILURES ? STATUS_RATE_LIMITED : STATUS_ACCOUNT_LOCKED;
}

bool attempt_begin(struct request *request, const struct attempt *attempt) {
    for (size_t i = 0; i < attempt->count; i++) {
        struct limit_decision decision = limiter_take(request->services->failure_limiter, attempt->buckets[i].limit_class,
                                                      attempt->buckets[i].key, clock_monotonic_us());
        if (decision.allowed)
            continue;
        refund(request, attempt, i);
        reply_limited(request, status_of(attempt->buckets[i].limit_class), &decision);
        return false;
    }
    return true;
}

void attempt_refund(const struct request *request, const struct attempt *attempt) {
    refund(request, attempt, attempt->count);
}

/* The reason says which bucket is used up. */
static void audit_lock(const struct request *request, const char *reason, const struct uuid *user_id, int64_t locked_us) {
    struct audit_event event = audit_event_of(request, "account_locked", user_id, NULL);
    char detail[48];
    (void)snprintf(detail, sizeof detail, "{\"seconds\":%lld}", (long long)(locked_us / CLOCK_US_PER_S));
    event.is_of_user = false;
    event.reason = reason;
    event.detail = detail;
    audit_add(request->services->audit, &event);
}

static void log_lock(const char *event, const struct uuid *user_id, int64_t locked_us) {
    char user[UUID_TEXT_SIZE];
    log_event(LOG_WARN, event, "user_id=%s seconds=%lld", user_id != NULL ? uuid_text(user_id, user) : NULL,
              (long long)(locked_us / CLOCK_US_PER_S));
}

void attempt_fail(const struct request *request, const struct attempt *attempt, const struct uuid *user_id) {
    for (size_t i = 0; i < attempt->count; i++) {
        int64_t locked_us = limiter_fail(request->services->failure_limiter, attempt->buckets[i].limit_class,
                                         attempt->buckets[i].key, clock_monotonic_us());
        if (locked_us <= 0)
            continue;
        metric_add(METRIC_LOCKOUTS, 0, 1);
        log_lock(attempt->buckets[i].event, user_id, locked_us);
        audit_lock(request, attempt->buckets[i].event, user_id, locked_us);
    }
}
