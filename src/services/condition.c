#include "jwtd/condition.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/readiness.h"

static const struct verdict ok = { "ok", true };
static const struct verdict failed = { "failed", false };

static struct verdict check_database(const struct services *services, const struct snapshot *snapshot) {
    (void)snapshot;
    return readiness_read(services->readiness).database ? ok : failed;
}

/* The version before this one serves on the schema of this one, while they take turns. */
static struct verdict check_schema(const struct services *services, const struct snapshot *snapshot) {
    (void)snapshot;
    struct readiness_answer answer = readiness_read(services->readiness);
    if (!answer.database)
        return (struct verdict){ "unknown", false };
    if (answer.schema == SCHEMA_NEWER)
        return (struct verdict){ "newer", true };
    return answer.schema == SCHEMA_CURRENT ? ok : failed;
}

/* Of sessions, of roles and of keys; and not for so long that every token is refused. */
static struct verdict check_revocations(const struct services *services, const struct snapshot *snapshot) {
    int64_t max_stale_ms = snapshot->config.token.max_stale_ms;
    bool are_known = revoked_sessions_are_ready(services->revoked) && current_roles_are_ready(services->roles) &&
                     revoked_keys_are_ready(services->revoked_keys) &&
                     !services_revocations_are_stale(services, max_stale_ms, clock_monotonic_us());
    return are_known ? ok : failed;
}

/* Without one every login and refresh is 503. */
static struct verdict check_signing_key(const struct services *services, const struct snapshot *snapshot) {
    (void)services;
    return keyring_active(snapshot->keyring) != NULL ? ok : failed;
}

/* What was in force before stays so. */
static struct verdict check_reload(const struct services *services, const struct snapshot *snapshot) {
    (void)snapshot;
    return snapshot_is_outdated(services->snapshots) ? (struct verdict){ "failed", true } : ok;
}

/* No fault. */
static struct verdict check_serving(const struct services *services, const struct snapshot *snapshot) {
    (void)snapshot;
    return services->is_draining() ? (struct verdict){ "stopping", false } : ok;
}

const struct condition_check condition_checks[CONDITION_CHECKS] = {
    { "database", check_database },       { "migrations", check_schema }, { "revocations", check_revocations },
    { "signing_key", check_signing_key }, { "reload", check_reload },     { "serving", check_serving },
};

bool condition_is_healthy(const struct services *services, const struct snapshot *snapshot) {
    bool is_healthy = true;
    for (size_t i = 0; i < ARRAY_LEN(condition_checks); i++)
        is_healthy = is_healthy && condition_checks[i].check(services, snapshot).is_tolerated;
    return is_healthy;
}
