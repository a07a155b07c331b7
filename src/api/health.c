#include "steps.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/readiness.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"
#include "jwtd/version.h"

static const char *const alive[] = { "alive", NULL };
static const struct reply_member live_members[] = {
    { .name = "status", .type = REPLY_STRING, .description = "The process serves", .values = alive },
};
const struct reply_schema live_reply = { live_members, ARRAY_LEN(live_members), "Liveness" };

static enum step_result live(struct request *request) {
    static const struct text body = { "{\"status\":\"alive\"}", sizeof "{\"status\":\"alive\"}" - 1 };
    return reply_bytes(request, 200, "application/json", body);
}

/* Of a check. What is not "ok" makes the service unhealthy unless it is tolerated. */
struct verdict {
    const char *text;
    bool is_tolerated;
};

static const struct verdict ok = { "ok", true };
static const struct verdict failed = { "failed", false };

static struct verdict check_database(const struct request *request) {
    return readiness_read(request->services->readiness).database ? ok : failed;
}

/* The version before this one serves on the schema of this one, while they take turns. */
static struct verdict check_schema(const struct request *request) {
    struct readiness_answer answer = readiness_read(request->services->readiness);
    if (!answer.database)
        return (struct verdict){ "unknown", false };
    if (answer.schema == SCHEMA_NEWER)
        return (struct verdict){ "newer", true };
    return answer.schema == SCHEMA_CURRENT ? ok : failed;
}

/* Of sessions, of roles and of keys; and not for so long that every token is refused. */
static struct verdict check_revocations(const struct request *request) {
    const struct services *services = request->services;
    int64_t max_stale_ms = request->snapshot->config.token.max_stale_ms;
    bool are_known = revoked_sessions_are_ready(services->revoked) && current_roles_are_ready(services->roles) &&
                     revoked_keys_are_ready(services->revoked_keys) &&
                     !services_revocations_are_stale(services, max_stale_ms, clock_monotonic_us());
    return are_known ? ok : failed;
}

/* Without one every login and refresh is 503. */
static struct verdict check_signing_key(const struct request *request) {
    return keyring_active(request->snapshot->keyring) != NULL ? ok : failed;
}

/* What was in force before stays so. */
static struct verdict check_reload(const struct request *request) {
    return snapshot_is_outdated(request->services->snapshots) ? (struct verdict){ "failed", true } : ok;
}

/* No fault. */
static struct verdict check_serving(const struct request *request) {
    return request->services->is_draining() ? (struct verdict){ "stopping", false } : ok;
}

static const struct {
    const char *name;
    struct verdict (*check)(const struct request *request);
} checks[] = {
    { "database", check_database },       { "migrations", check_schema }, { "revocations", check_revocations },
    { "signing_key", check_signing_key }, { "reload", check_reload },     { "serving", check_serving },
};

static const char *const results_of_checks[] = { "ok", "failed", NULL };
static const char *const results_of_migrations[] = { "ok", "failed", "newer", "unknown", NULL };
static const char *const results_of_serving[] = { "ok", "stopping", NULL };
static const char *const conditions[] = { "healthy", "unhealthy", NULL };
static const struct reply_member check_members[] = {
    { .name = "database", .type = REPLY_STRING, .description = "It answers", .values = results_of_checks },
    { .name = "migrations",
      .type = REPLY_STRING,
      .description = "All that this program needs are applied (failed: run jwtd migrate); newer: and some of a later version; "
                     "unknown: the database does not answer",
      .values = results_of_migrations },
    { .name = "revocations",
      .type = REPLY_STRING,
      .description = "What has ended is known, and not too old",
      .values = results_of_checks },
    { .name = "signing_key", .type = REPLY_STRING, .description = "There is one that signs", .values = results_of_checks },
    { .name = "reload",
      .type = REPLY_STRING,
      .description =
          "Configuration and keys could be read when that was tried last; failed: those from before are in force, which "
          "alone makes nothing unhealthy",
      .values = results_of_checks },
    { .name = "serving", .type = REPLY_STRING, .description = "The service is not stopping", .values = results_of_serving },
};
_Static_assert(ARRAY_LEN(check_members) == ARRAY_LEN(checks), "every check is in the reply");
static const struct reply_schema checks_schema = { check_members, ARRAY_LEN(check_members), "Checks" };
static const struct reply_member ready_members[] = {
    { .name = "status",
      .type = REPLY_STRING,
      .description = "Whether the service does what it is there for",
      .values = conditions },
    { .name = "version", .type = REPLY_STRING, .description = "Of the program", .example = JWTD_VERSION },
    { .name = "checks", .type = REPLY_OBJECT, .description = "What the service needs", .schema = &checks_schema },
};
const struct reply_schema ready_reply = { ready_members, ARRAY_LEN(ready_members), "Readiness" };

static enum step_result ready(struct request *request) {
    struct json_writer writer;
    bool healthy = true;
    struct verdict verdicts[ARRAY_LEN(checks)];
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        verdicts[i] = checks[i].check(request);
        healthy = healthy && verdicts[i].is_tolerated;
    }
    json_writer_init(&writer, request->arena);
    json_begin_object(&writer);
    json_member_string(&writer, "status", healthy ? "healthy" : "unhealthy");
    json_member_string(&writer, "version", JWTD_VERSION);
    json_name(&writer, "checks");
    json_begin_object(&writer);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        json_member_string(&writer, checks[i].name, verdicts[i].text);
    json_end_object(&writer);
    json_end_object(&writer);
    return healthy ? reply_json(request, 200, &writer) : reply_json_with_header(request, 503, &writer, "Retry-After", "1");
}

const struct step health_live = { "live", ON_HTTP, .run = live };
const struct step health_ready = { "ready", ON_HTTP, .run = ready };
