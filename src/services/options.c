#include "jwtd/options.h"

#include <stddef.h>

struct hash_parameters hash_parameters_from_config(const struct config *config) {
    return (struct hash_parameters){ .memory = config->password.memory, .operations = config->password.operations };
}

struct password_policy password_policy_from_config(const struct config *config) {
    return (struct password_policy){ .min_length = config->password.min_length, .service_name = text_of(config->token.issuer) };
}

struct token_rules token_rules_from_config(const struct config *config) {
    return (struct token_rules){ .issuer = config->token.issuer,
                                 .claims = config->token.claims,
                                 .audience = config->token.audience,
                                 .access_ttl_s = config->token.access_ttl_ms / 1000 };
}

struct key_rules key_rules_from_config(const struct config *config) {
    return (struct key_rules){ .keys_dir = config->token.keys_dir,
                               .active_kid = config->token.active_kid,
                               .refresh_key_file = config->token.refresh_key_file,
                               .publish_before_use_s = config->token.publish_before_use_ms / 1000,
                               .refresh_keep_s = config->token.refresh_ttl_ms / 1000,
                               .keep_s = config->token.access_ttl_ms / 1000 + ACCESS_TOKEN_LEEWAY_S + KEY_LATE_S };
}

struct session_limits session_limits_from_config(const struct config *config) {
    return (struct session_limits){ .ttl_ms = config->token.refresh_ttl_ms,
                                    .idle_ms = config->token.refresh_idle_ms,
                                    .retry_window_ms = config->token.refresh_retry_window_ms };
}

#define AT(member) offsetof(struct config, limit.member)

static const struct {
    const char *name, *site_name;
    size_t offset; /* of the rate in struct config */
} buckets[LIMIT_CLASS_COUNT] = {
    [LIMIT_REGISTER] = { "register", "register_site", AT(register_) },
    [LIMIT_LOGIN] = { "login", "login_site", AT(login) },
    [LIMIT_REFRESH] = { "refresh", "refresh_site", AT(refresh) },
    [LIMIT_ACCOUNT] = { "account", "account_site", AT(account) },
    [LIMIT_SERVICE] = { "service", "service_site", AT(service) },
    [LIMIT_ADDRESS_FAILURES] = { "address_failures", "address_failures_site", AT(address_failures) },
    [LIMIT_LOGIN_FAILURES] = { "login_failures", "login_failures_site", AT(login_failures) },
    [LIMIT_ACCOUNT_FAILURES] = { "account_failures", "account_failures_site", AT(account_failures) },
};

static struct limit_rule rule_of(const struct config *config, enum limit_class bucket) {
    const struct limit_rate *rate = (const struct limit_rate *)(const void *)((const char *)config + buckets[bucket].offset);
    struct limit_rule rule = { .name = buckets[bucket].name,
                               .site_name = buckets[bucket].site_name,
                               .period_us = rate->period_ms * 1000,
                               .burst = rate->burst };
    rule.amount = config->limit.enabled ? rate->amount : 0;
    /* Only the lock that affects no other client grows: one of a whole account could be renewed by any client that guesses. */
    if (bucket == LIMIT_ADDRESS_FAILURES || bucket == LIMIT_ACCOUNT_FAILURES)
        rule.lock_us = LIMIT_LOCK_ONE_TOKEN;
    if (bucket == LIMIT_LOGIN_FAILURES) {
        rule.lock_us = config->limit.lock_ms * 1000;
        rule.lock_max_us = config->limit.lock_max_ms * 1000;
    }
    return rule;
}

void limit_rules_from_config(const struct config *config, struct limit_rule rules[LIMIT_CLASS_COUNT]) {
    for (enum limit_class bucket = LIMIT_UNSET; bucket < LIMIT_CLASS_COUNT; bucket++)
        rules[bucket] = buckets[bucket].name != NULL ? rule_of(config, bucket) : (struct limit_rule){ .amount = 0 };
}
