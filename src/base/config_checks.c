/* Checks that involve more than one setting. */
#include "settings.h"

#include "jwtd/macros.h"

#include <string.h>

#define KIB ((size_t)1024)
#define AUDIT_KEEP_MIN_MS (INT64_C(30) * 24 * 60 * 60 * 1000)

/* A duration that must not exceed another (`strictly`: nor equal it), and what goes wrong if it does. */
static const struct {
    const char *shorter, *longer;
    bool strictly;
    const char *error;
} orders[] = {
    { "token.access_ttl", "token.refresh_ttl", false,
      "must not be longer than token.refresh_ttl: access tokens would outlive their session" },
    { "token.refresh_idle", "token.refresh_ttl", false, "must not be longer than token.refresh_ttl: it would never take effect" },
    { "token.refresh_retry_window", "token.refresh_idle", false, "must not be longer than token.refresh_idle" },
    { "token.refresh_retry_window", "token.access_ttl", true,
      "must be shorter than token.access_ttl: a client that refreshes when its token expires would find the window still open" },
    { "limit.lock", "limit.lock_max", false, "must not be longer than limit.lock_max" },
};

/* OWASP Password Storage Cheat Sheet: five argon2id minimums of equal strength. */
static const struct {
    size_t memory;
    unsigned operations;
} argon2_minimums[] = {
    { 47104 * KIB, 1 }, { 19456 * KIB, 2 }, { 12288 * KIB, 3 }, { 9216 * KIB, 4 }, { 7168 * KIB, 5 },
};

static void check_orders(const struct config *config, const struct config_check_visitor *visitor) {
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        const struct setting *shorter = setting_find(orders[i].shorter);
        const struct setting *longer = setting_find(orders[i].longer);
        if (!visitor->is_valid(visitor->context, shorter) || !visitor->is_valid(visitor->context, longer))
            continue;
        int64_t excess = *(const int64_t *)setting_value(shorter, config) - *(const int64_t *)setting_value(longer, config);
        if (excess > 0 || (orders[i].strictly && excess == 0))
            visitor->report(visitor->context, shorter, orders[i].error);
    }
}

static bool is_strong(size_t memory, unsigned operations) {
    for (size_t i = 0; i < ARRAY_LEN(argon2_minimums); i++)
        if (memory >= argon2_minimums[i].memory && operations >= argon2_minimums[i].operations)
            return true;
    return false;
}

static void check_argon2(const struct config *config, const struct config_check_visitor *visitor) {
    const struct setting *memory = setting_find("password.memory");
    const struct setting *operations = setting_find("password.operations");
    if (config->password.allow_weak || is_strong(config->password.memory, config->password.operations))
        return;
    if (visitor->is_valid(visitor->context, memory) && visitor->is_valid(visitor->context, operations)) {
        visitor->report(
            visitor->context, memory,
            "is too weak with these password.operations: OWASP's minimum is 19MiB with 2, 46MiB with 1, 12MiB with 3, "
            "9MiB with 4 or 7MiB with 5; password.allow_weak = true accepts it");
    }
}

/* What the database refuses (migrations/0017_auth_events.sql). */
static void check_audit(const struct config *config, const struct config_check_visitor *visitor) {
    const struct setting *keep = setting_find("audit.keep");
    if (visitor->is_valid(visitor->context, keep) && config->audit.keep_ms > 0 && config->audit.keep_ms < AUDIT_KEEP_MIN_MS)
        visitor->report(visitor->context, keep, "must be 30d at least, or 0, which is for ever");
}

void config_check(const struct config *config, const struct config_check_visitor *visitor) {
    check_orders(config, visitor);
    check_argon2(config, visitor);
    check_audit(config, visitor);
}
