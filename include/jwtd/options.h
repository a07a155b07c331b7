/*
 * options: the parameters of other modules, taken from the configuration; one function each, so that the service and the command
 * line use the same. Texts in the results are borrowed from the configuration. Pure functions: safe from every thread.
 */
#ifndef JWTD_OPTIONS_H
#define JWTD_OPTIONS_H

#include "jwtd/access_token.h"
#include "jwtd/config.h"
#include "jwtd/hasher.h"
#include "jwtd/limiter.h"
#include "jwtd/password_policy.h"
#include "jwtd/sessions.h"

struct hash_parameters hash_parameters_from_config(const struct config *config);
struct password_policy password_policy_from_config(const struct config *config);
struct token_rules token_rules_from_config(const struct config *config);
struct key_rules key_rules_from_config(const struct config *config);
struct session_limits session_limits_from_config(const struct config *config);
void limit_rules_from_config(const struct config *config, struct limit_rule rules[LIMIT_CLASS_COUNT]);

#endif
