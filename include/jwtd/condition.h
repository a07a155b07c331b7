/*
 * condition: what the service needs to do what it is there for, check by check. GET /health/ready names the checks, and the gauge
 * jwtd_ready is whether all of them are good. All is read from memory; any thread.
 */
#ifndef JWTD_CONDITION_H
#define JWTD_CONDITION_H

#include "jwtd/services.h"
#include "jwtd/snapshot.h"

#include <stdbool.h>

/* What is not "ok" makes the service unhealthy unless it is tolerated. */
struct verdict {
    const char *text;
    bool is_tolerated;
};

struct condition_check {
    const char *name;
    struct verdict (*check)(const struct services *services, const struct snapshot *snapshot);
};

#define CONDITION_CHECKS 6
extern const struct condition_check condition_checks[CONDITION_CHECKS];

/* Whether each check is good or tolerated. */
bool condition_is_healthy(const struct services *services, const struct snapshot *snapshot);

#endif
