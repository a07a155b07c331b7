#include "limit_rules.h"

#include <stddef.h>

#define AT(member) offsetof(struct config, limit.member)

static const struct {
    const char *name, *site_name;
    size_t offset; /* of the rate in struct config */
} classes[LIMIT_CLASS_COUNT] = {
    [LIMIT_REGISTER] = { "register", "register_site", AT(register_) },
    [LIMIT_LOGIN] = { "login", "login_site", AT(login) },
    [LIMIT_REFRESH] = { "refresh", "refresh_site", AT(refresh) },
    [LIMIT_ACCOUNT] = { "account", "account_site", AT(account) },
    [LIMIT_ADDRESS_FAILURES] = { "address_failures", "address_failures_site", AT(address_failures) },
    [LIMIT_LOGIN_FAILURES] = { "login_failures", "login_failures_site", AT(login_failures) },
    [LIMIT_ACCOUNT_FAILURES] = { "account_failures", "account_failures_site", AT(account_failures) },
};

static struct limit_rule rule_of(const struct config *config, enum limit_class class) {
    const struct limit_rate *rate = (const struct limit_rate *)(const void *)((const char *)config + classes[class].offset);
    struct limit_rule rule = { .name = classes[class].name,
                               .site_name = classes[class].site_name,
                               .period_us = rate->period_ms * 1000,
                               .burst = rate->burst };
    rule.amount = config->limit.enabled ? rate->amount : 0;
    /* Only the lock that shuts out nobody else may grow: a growing one of an account is kept shut by whoever has shut it. */
    if (class == LIMIT_ADDRESS_FAILURES || class == LIMIT_ACCOUNT_FAILURES)
        rule.lock_us = LIMIT_LOCK_ONE_TOKEN;
    if (class == LIMIT_LOGIN_FAILURES) {
        rule.lock_us = config->limit.lock_ms * 1000;
        rule.lock_max_us = config->limit.lock_max_ms * 1000;
    }
    return rule;
}

void limits_read(const struct config *config, struct limit_rule rules[LIMIT_CLASS_COUNT]) {
    for (enum limit_class class = LIMIT_UNSET; class < LIMIT_CLASS_COUNT; class ++)
        rules[class] = classes[class].name != NULL ? rule_of(config, class) : (struct limit_rule){ .amount = 0 };
}
