#include "scenario.h"

#include "jwtd/macros.h"

#include <string.h>

#define SLO_FOR_HASHING "p99<=1s,err<=0.1%" /* a password hash alone takes 10 ms and more */
#define SLO_FOR_TOKENS "p99<=250ms,err<=0.1%"

const struct scenario scenarios[] = {
    { .name = "login",
      .summary = "accounts log in",
      .unit = "req/s",
      .slo = SLO_FOR_HASHING,
      .steps = { { ENDPOINT_LOGIN, ACTOR_ACCOUNT, 100 } },
      .steps_count = 1 },
    { .name = "register",
      .summary = "new users register; the database grows",
      .unit = "req/s",
      .slo = SLO_FOR_HASHING,
      .steps = { { ENDPOINT_REGISTER, ACTOR_NEW, 100 } },
      .steps_count = 1 },
    { .name = "refresh",
      .summary = "sessions refresh, each with one request in flight",
      .unit = "req/s",
      .slo = SLO_FOR_TOKENS,
      .steps = { { ENDPOINT_REFRESH, ACTOR_EXCLUSIVE, 100 } },
      .steps_count = 1,
      .sessions = 256 },
    { .name = "me",
      .summary = "sessions ask who they are",
      .unit = "req/s",
      .slo = SLO_FOR_TOKENS,
      .steps = { { ENDPOINT_ME, ACTOR_SHARED, 100 } },
      .steps_count = 1,
      .sessions = 16 },
    { .name = "verify",
      .summary = "tokens are verified",
      .unit = "req/s",
      .slo = SLO_FOR_TOKENS,
      .steps = { { ENDPOINT_VERIFY, ACTOR_SHARED, 100 } },
      .steps_count = 1,
      .sessions = 16 },
    { .name = "mixed",
      .summary = "90 % me, 8 % refresh, 2 % login",
      .unit = "req/s",
      .slo = SLO_FOR_HASHING,
      .steps = { { ENDPOINT_ME, ACTOR_SHARED, 90 },
                 { ENDPOINT_REFRESH, ACTOR_EXCLUSIVE, 8 },
                 { ENDPOINT_LOGIN, ACTOR_ACCOUNT, 2 } },
      .steps_count = 3,
      .sessions = 256 },
    { .name = "session",
      .summary = "login, me, refresh, me, logout, with think time between",
      .unit = "sessions/s",
      .slo = SLO_FOR_HASHING,
      .steps = { { ENDPOINT_LOGIN, ACTOR_ACCOUNT, 0 },
                 { ENDPOINT_ME, ACTOR_ACCOUNT, 0 },
                 { ENDPOINT_REFRESH, ACTOR_ACCOUNT, 0 },
                 { ENDPOINT_ME, ACTOR_ACCOUNT, 0 },
                 { ENDPOINT_LOGOUT, ACTOR_ACCOUNT, 0 } },
      .steps_count = 5,
      .is_flow = true },
};
const size_t scenarios_count = ARRAY_LEN(scenarios);

const struct scenario *scenario_find(const char *name) {
    for (size_t i = 0; i < scenarios_count; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}
