/* What a form must know before its user types: how long values may be, and what is refused in a new password. */
#include "steps.h"

#include "jwtd/email.h"
#include "jwtd/hasher.h"
#include "jwtd/macros.h"
#include "jwtd/password_policy.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"
#include "jwtd/users.h"

#define FRESH "public, max-age=300" /* seconds; the settings change with a restart only */

static const struct reply_member bytes_members[] = {
    { .name = "max_bytes", .type = REPLY_INTEGER, .description = "In bytes of UTF-8", .example = "254" },
};
static const struct reply_schema bytes_reply = { bytes_members, ARRAY_LEN(bytes_members), "TextPolicy" };

static const struct reply_member password_members[] = {
    { .name = "min_length", .type = REPLY_INTEGER, .description = "In characters", .example = "8" },
    { .name = "max_bytes", .type = REPLY_INTEGER, .description = "In bytes of UTF-8", .example = "1024" },
    { .name = "refused",
      .type = REPLY_ARRAY,
      .description = "What else is refused, as codes of errors",
      .example = "[\"too_common\",\"contains_email\",\"contains_service\"]" },
};
static const struct reply_schema password_reply = { password_members, ARRAY_LEN(password_members), "PasswordPolicy" };

static const struct reply_member policy_members[] = {
    { .name = "email", .type = REPLY_OBJECT, .schema = &bytes_reply, .description = "An e-mail address" },
    { .name = "password", .type = REPLY_OBJECT, .schema = &password_reply, .description = "A new password" },
    { .name = "name", .type = REPLY_OBJECT, .schema = &bytes_reply, .description = "The name of the user" },
    { .name = "metadata",
      .type = REPLY_OBJECT,
      .schema = &bytes_reply,
      .description = "The object of metadata, as JSON without blanks" },
};
const struct reply_schema policy_reply = { policy_members, ARRAY_LEN(policy_members), "Policy" };

static void write_max_bytes(struct json_writer *writer, const char *name, int64_t max_bytes) {
    json_name(writer, name);
    json_begin_object(writer);
    json_member_integer(writer, "max_bytes", max_bytes);
    json_end_object(writer);
}

/* Those that the two lengths do not say. */
static void write_refused(struct json_writer *writer) {
    json_name(writer, "refused");
    json_begin_array(writer);
    for (int verdict = PASSWORD_TOO_LONG + 1; verdict < PASSWORD_OUT_OF_MEMORY; verdict++)
        json_write_string(writer, violation_info(password_verdict_violation((enum password_verdict)verdict))->code);
    json_end_array(writer);
}

static enum step_result show(struct request *request) {
    struct json_writer writer;
    json_writer_init(&writer, request->arena);
    json_begin_object(&writer);
    write_max_bytes(&writer, "email", EMAIL_MAX_LEN);
    json_name(&writer, "password");
    json_begin_object(&writer);
    json_member_integer(&writer, "min_length", request->services->password_policy.min_length);
    json_member_integer(&writer, "max_bytes", PASSWORD_MAX_LEN);
    write_refused(&writer);
    json_end_object(&writer);
    write_max_bytes(&writer, "name", USER_NAME_MAX_LEN);
    write_max_bytes(&writer, "metadata", USER_METADATA_MAX_LEN);
    json_end_object(&writer);
    return reply_json_with_header(request, 200, &writer, "Cache-Control", FRESH);
}

const struct step policy_show = { "show", ON_HTTP, .run = show };
