#include "steps.h"

#include "jwtd/condition.h"
#include "jwtd/macros.h"
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

static const char *const results_of_checks[] = { "ok", "failed", NULL };
static const char *const results_of_migrations[] = { "ok", "failed", "newer", "unknown", NULL };
static const char *const results_of_serving[] = { "ok", "stopping", NULL };
static const char *const conditions[] = { "healthy", "unhealthy", NULL };
static const struct reply_member check_members[] = {
    { .name = "database", .type = REPLY_STRING, .description = "It answers", .values = results_of_checks },
    { .name = "migrations",
      .type = REPLY_STRING,
      .description = "All that this program needs are applied, and its role has the rights on the tables without which "
                     "it cannot serve (failed: the log names what is missing, and the cure); newer: and some of a later version; "
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
_Static_assert(ARRAY_LEN(check_members) == CONDITION_CHECKS, "every check is in the reply");
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
    struct verdict verdicts[CONDITION_CHECKS];
    for (size_t i = 0; i < CONDITION_CHECKS; i++) {
        verdicts[i] = condition_checks[i].check(request->services, request->snapshot);
        healthy = healthy && verdicts[i].is_tolerated;
    }
    json_writer_init(&writer, request->arena);
    json_begin_object(&writer);
    json_member_string(&writer, "status", healthy ? "healthy" : "unhealthy");
    json_member_string(&writer, "version", JWTD_VERSION);
    json_name(&writer, "checks");
    json_begin_object(&writer);
    for (size_t i = 0; i < CONDITION_CHECKS; i++)
        json_member_string(&writer, condition_checks[i].name, verdicts[i].text);
    json_end_object(&writer);
    json_end_object(&writer);
    return healthy ? reply_json(request, 200, &writer) : reply_json_with_header(request, 503, &writer, "Retry-After", "1");
}

const struct step health_live = { "live", ON_HTTP, .run = live };
const struct step health_ready = { "ready", ON_HTTP, .run = ready };
