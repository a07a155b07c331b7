/*
 * services: the parts of the server that requests use. The server owns them; it fills the struct before the first request, and it
 * is read only after that. The header of each part says from which threads it may be used.
 */
#ifndef JWTD_SERVICES_H
#define JWTD_SERVICES_H

#include "jwtd/access_token.h"
#include "jwtd/config.h"
#include "jwtd/current_roles.h"
#include "jwtd/db_executor.h"
#include "jwtd/executor.h"
#include "jwtd/limiter.h"
#include "jwtd/password_policy.h"
#include "jwtd/pool.h"
#include "jwtd/revocation_feed.h"
#include "jwtd/revoked_keys.h"
#include "jwtd/revoked_sessions.h"
#include "jwtd/sessions.h"
#include "jwtd/snapshot.h"

struct audit;
struct openapi;
struct readiness;
struct tracer;

struct services {
    const struct config *config; /* as of the start; a setting that a reload changes is read from request->snapshot */
    struct token_rules token_rules;
    struct snapshot_holder *snapshots;
    struct revoked_sessions *revoked;
    struct revocation_feed *feed; /* adds to `revoked`, too */
    struct readiness *readiness;
    struct audit *audit;
    struct tracer *tracer;           /* NULL: trace.otlp_endpoint is empty */
    struct limiter *limiter;         /* of requests; used on HTTP threads */
    struct limiter *failure_limiter; /* of wrong passwords: a table of its own, since threads of low priority take its locks */
    struct current_roles *roles;
    struct revoked_keys *revoked_keys;
    struct password_policy password_policy;
    struct session_limits session_limits;
    const struct openapi *openapi; /* the API document (openapi.h) */
    struct db_executor *database;
    struct pool *crypto, *dispatch;
    struct admission *admissions[EXECUTOR_COUNT]; /* of those three; [ON_HTTP] is NULL */
    bool (*is_draining)(void);                    /* true once the stop has begun; any thread */
};

/* How old the knowledge of what is revoked, sessions and keys, is at `now_us` (clock_monotonic_us). Both must be ready. */
int64_t services_revocations_age_us(const struct services *services, int64_t now_us);

/* Whether it is older than max_stale_ms (token.max_stale), so that no token is accepted. False when one of the two is not ready.
 * Any thread. */
bool services_revocations_are_stale(const struct services *services, int64_t max_stale_ms, int64_t now_us);

#endif
