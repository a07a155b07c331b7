/* limits: the rules of the limiter as the configuration has them. For serve and for its reload. */
#ifndef JWTD_SERVER_LIMITS_H
#define JWTD_SERVER_LIMITS_H

#include "jwtd/config.h"
#include "jwtd/limiter.h"

void limits_read(const struct config *config, struct limit_rule rules[LIMIT_CLASS_COUNT]);

#endif
