#include "user_resource.h"

#include "steps.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <inttypes.h>
#include <stdio.h>

static const struct reply_member members[] = {
    { .name = "id", .type = REPLY_STRING, .description = "The claim sub of its tokens", .format = "uuid" },
    { .name = "email", .type = REPLY_STRING, .description = "As typed", .format = "idn-email" },
    { .name = "name", .type = REPLY_STRING, .nullable = true, .description = "What to call the user", .example = "Ada" },
    { .name = "roles", .type = REPLY_ARRAY, .description = "What an administrator has assigned", .example = "[\"editor\"]" },
    { .name = "disabled", .type = REPLY_BOOLEAN, .description = "Whether logins are refused" },
    { .name = "password_change_required",
      .type = REPLY_BOOLEAN,
      .description = "Whether the next login must set a new password" },
    { .name = "metadata", .type = REPLY_OBJECT, .description = "What the user writes", .example = "{\"theme\":\"dark\"}" },
    { .name = "admin_metadata",
      .type = REPLY_OBJECT,
      .description = "What administrators write",
      .example = "{\"plan\":\"pro\"}" },
    { .name = "created_at", .type = REPLY_STRING, .description = "When the account was created", .format = "date-time" },
    { .name = "updated_at", .type = REPLY_STRING, .description = "When the account was last changed", .format = "date-time" },
};
const struct reply_schema administered_user_reply = { members, ARRAY_LEN(members), "AdministeredUser" };

void write_administered_user(struct json_writer *writer, const struct user *user) {
    char id[UUID_TEXT_SIZE];
    json_begin_object(writer);
    json_member_string(writer, "id", uuid_text(&user->id, id));
    json_member_text(writer, "email", user->email);
    json_member_text(writer, "name", user->name);
    json_member_raw(writer, "roles", user->roles_json);
    json_member_boolean(writer, "disabled", user->disabled);
    json_member_boolean(writer, "password_change_required", user->password_change_required);
    json_member_raw(writer, "metadata", user->metadata_json);
    json_member_raw(writer, "admin_metadata", user->admin_metadata_json);
    json_member_text(writer, "created_at", user->created_at);
    json_member_text(writer, "updated_at", user->updated_at);
    json_end_object(writer);
}

static enum status add_headers(struct request *request, unsigned http_status, const struct user *user) {
    char tag[32], location[sizeof "/users/" + UUID_TEXT_LEN], id[UUID_TEXT_SIZE];
    (void)snprintf(tag, sizeof tag, "\"%" PRId64 "\"", user->version);
    (void)snprintf(location, sizeof location, "/users/%s", uuid_text(&user->id, id));
    enum status status = reply_header(request, "ETag", tag);
    return status == STATUS_OK && http_status == 201 ? reply_header(request, "Location", location) : status;
}

enum step_result reply_administered_user(struct request *request, unsigned http_status, const struct user *user) {
    struct json_writer writer;
    json_writer_init(&writer, request->arena);
    write_administered_user(&writer, user);
    struct text body = json_writer_finish(&writer);
    if (body.bytes == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    reply_bytes(request, http_status, "application/json", body);
    enum status status = add_headers(request, http_status, user);
    return status == STATUS_OK ? STEP_DONE : reply_problem(request, status);
}

enum status read_if_match(const struct request *request, int64_t *version) {
    struct text value = request_header(request, "If-Match");
    uint64_t number = 0;
    *version = 0;
    if (value.bytes == NULL)
        return STATUS_OK;
    while (value.len > 0 && text_is_blank(value.bytes[value.len - 1]))
        value.len--;
    if (value.len > 2 && value.bytes[0] == 'W' && value.bytes[1] == '/')
        value = (struct text){ value.bytes + 2, value.len - 2 };
    if (value.len < 3 || value.bytes[0] != '"' || value.bytes[value.len - 1] != '"')
        return STATUS_INVALID_HEADER;
    if (!text_parse_unsigned((struct text){ value.bytes + 1, value.len - 2 }, INT64_MAX, &number) || number == 0)
        return STATUS_INVALID_HEADER;
    *version = (int64_t)number;
    return STATUS_OK;
}

void log_administration(const char *event, const struct request *request, const struct uuid *user_id) {
    char user[UUID_TEXT_SIZE], by[UUID_TEXT_SIZE];
    log_event(LOG_INFO, event, "user_id=%s by=%s", uuid_text(user_id, user), uuid_text(&request->claims.user_id, by));
}
