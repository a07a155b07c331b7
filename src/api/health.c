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

static bool database_answers(const struct request *request) {
    return readiness_read(request->services->readiness).database;
}

static bool schema_is_current(const struct request *request) {
    return readiness_read(request->services->readiness).schema;
}

/* Of sessions, of roles and of keys; and not for so long that every token is refused. */
static bool revocations_are_known(const struct request *request) {
    const struct services *services = request->services;
    int64_t max_stale_ms = request->snapshot->config.token.max_stale_ms;
    return revoked_sessions_are_ready(services->revoked) && current_roles_are_ready(services->roles) &&
           revoked_keys_are_ready(services->revoked_keys) &&
           !services_revocations_are_stale(services, max_stale_ms, clock_monotonic_us());
}

/* Without one every login and refresh is 503. */
static bool a_key_signs(const struct request *request) {
    return keyring_active(request->snapshot->keyring) != NULL;
}

static bool is_serving(const struct request *request) {
    return !request->services->is_draining();
}

static const struct {
    const char *name;
    bool (*passes)(const struct request *request);
    const char *otherwise;
} checks[] = {
    { "database", database_answers, "failed" },
    { "migrations", schema_is_current, "failed" },
    { "revocations", revocations_are_known, "failed" },
    { "signing_key", a_key_signs, "failed" },
    { "serving", is_serving, "stopping" }, /* no fault */
};

static const char *const results_of_checks[] = { "ok", "failed", NULL };
static const char *const results_of_serving[] = { "ok", "stopping", NULL };
static const char *const conditions[] = { "healthy", "unhealthy", NULL };
static const struct reply_member check_members[] = {
    { .name = "database", .type = REPLY_STRING, .description = "It answers", .values = results_of_checks },
    { .name = "migrations",
      .type = REPLY_STRING,
      .description = "All that this program needs are applied",
      .values = results_of_checks },
    { .name = "revocations",
      .type = REPLY_STRING,
      .description = "What has ended is known, and not too old",
      .values = results_of_checks },
    { .name = "signing_key", .type = REPLY_STRING, .description = "There is one that signs", .values = results_of_checks },
    { .name = "serving", .type = REPLY_STRING, .description = "The service is not stopping", .values = results_of_serving },
};
_Static_assert(ARRAY_LEN(check_members) == ARRAY_LEN(checks), "every check is in the reply");
static const struct reply_schema checks_schema = { check_members, ARRAY_LEN(check_members), "Checks" };
static const struct reply_member ready_members[] = {
    { .name = "status", .type = REPLY_STRING, .description = "Whether every check is ok", .values = conditions },
    { .name = "version", .type = REPLY_STRING, .description = "Of the program", .example = JWTD_VERSION },
    { .name = "checks", .type = REPLY_OBJECT, .description = "What the service needs", .schema = &checks_schema },
};
const struct reply_schema ready_reply = { ready_members, ARRAY_LEN(ready_members), "Readiness" };

static enum step_result ready(struct request *request) {
    struct json_writer writer;
    bool healthy = true;
    bool results[ARRAY_LEN(checks)];
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        results[i] = checks[i].passes(request);
        healthy = healthy && results[i];
    }
    json_writer_init(&writer, request->arena);
    json_begin_object(&writer);
    json_member_string(&writer, "status", healthy ? "healthy" : "unhealthy");
    json_member_string(&writer, "version", JWTD_VERSION);
    json_name(&writer, "checks");
    json_begin_object(&writer);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        json_member_string(&writer, checks[i].name, results[i] ? "ok" : checks[i].otherwise);
    json_end_object(&writer);
    json_end_object(&writer);
    return healthy ? reply_json(request, 200, &writer) : reply_json_with_header(request, 503, &writer, "Retry-After", "1");
}

const struct step health_live = { "live", ON_HTTP, .run = live };
const struct step health_ready = { "ready", ON_HTTP, .run = ready };
