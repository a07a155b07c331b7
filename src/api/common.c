#include "common.h"
#include "steps.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/refresh_token.h"
#include "jwtd/services.h"

#include <stdio.h>

enum step_result reply_user(struct request *request, unsigned http_status, const struct user *user, bool is_whole) {
    char id[UUID_TEXT_SIZE];
    struct json_writer writer;
    json_writer_init(&writer, request->arena);
    json_begin_object(&writer);
    json_member_string(&writer, "id", uuid_text(&user->id, id));
    json_member_text(&writer, "email", user->email);
    json_member_text(&writer, "name", user->name);
    json_member_raw(&writer, "roles", user->roles_json);
    json_member_text(&writer, "created_at", user->created_at);
    if (is_whole) {
        json_member_text(&writer, "updated_at", user->updated_at);
        json_member_raw(&writer, "metadata", user->metadata_json);
        json_member_raw(&writer, "admin_metadata", user->admin_metadata_json);
    }
    json_end_object(&writer);
    return http_status == 201 ? reply_json_with_header(request, http_status, &writer, "Location", "/auth/me")
                              : reply_json(request, http_status, &writer);
}

/* a user that has just been created was not updated yet, and has no metadata */
static const struct reply_member user_members[] = {
    { .name = "id", .type = REPLY_STRING, .description = "The claim sub of its tokens", .format = "uuid" },
    { .name = "email", .type = REPLY_STRING, .description = "As typed", .format = "idn-email" },
    { .name = "name",
      .type = REPLY_STRING,
      .nullable = true,
      .description = "What the user wants to be called; null: not said",
      .example = EXAMPLE_NAME },
    { .name = "roles", .type = REPLY_ARRAY, .description = "What an administrator has assigned", .example = "[\"editor\"]" },
    { .name = "created_at", .type = REPLY_STRING, .description = "When the account was created", .format = "date-time" },
    { .name = "updated_at", .type = REPLY_STRING, .description = "When the account was last changed", .format = "date-time" },
    { .name = "metadata",
      .type = REPLY_OBJECT,
      .description = "The user's own: PATCH /auth/me replaces it",
      .example = EXAMPLE_METADATA },
    { .name = "admin_metadata",
      .type = REPLY_OBJECT,
      .description = "Of the account, written by administrators only",
      .example = "{\"plan\":\"team\"}" },
};
const struct reply_schema user_reply = { user_members, ARRAY_LEN(user_members), "User" };
const struct reply_schema new_user_reply = { user_members, ARRAY_LEN(user_members) - 3, "NewUser" };

const char *client_ip(const struct request *request, char text[ADDRESS_TEXT_SIZE]) {
    address_text(&request->client, text);
    return request->client.known ? text : NULL;
}

static const char *const token_types[] = { "Bearer", NULL };
static const struct reply_member token_members[] = {
    { .name = "access_token",
      .type = REPLY_STRING,
      .description = "A JWT, for Authorization: Bearer",
      .example = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl" },
    { .name = "token_type", .type = REPLY_STRING, .description = "As RFC 6749 names it", .values = token_types },
    { .name = "expires_in", .type = REPLY_INTEGER, .description = "Life of the access token in seconds", .example = "900" },
    { .name = "refresh_token",
      .type = REPLY_STRING,
      .description = "For POST /auth/refresh; it replaces the one before",
      .example = EXAMPLE_REFRESH_TOKEN },
    { .name = "refresh_expires_in",
      .type = REPLY_INTEGER,
      .description = "Seconds to the end of a session that is not used",
      .example = "604800" },
};
const struct reply_schema tokens_reply = { token_members, ARRAY_LEN(token_members), "Tokens" };

/* As JSON; a user without a name has no such claim. */
static struct text claim_of(struct arena *arena, const struct user *user, enum profile_claim claim) {
    struct json_writer writer;
    if (claim == CLAIM_METADATA)
        return user->metadata_json;
    if (claim == CLAIM_ADMIN_METADATA)
        return user->admin_metadata_json;
    if (user->name.bytes == NULL)
        return user->name;
    json_writer_init(&writer, arena);
    json_write_text(&writer, user->name);
    return json_writer_finish(&writer);
}

static struct token_subject subject_of(const struct request *request, const struct token_grant *grant) {
    struct token_subject subject = { grant->user_id, grant->session_id, grant->roles_json, { { NULL, 0 } } };
    unsigned wanted = grant->profile != NULL ? request->services->token_rules.claims : 0;
    for (unsigned claim = 0; claim < PROFILE_CLAIM_COUNT; claim++)
        if ((wanted & PROFILE_CLAIM_BIT(claim)) != 0)
            subject.claims[claim] = claim_of(request->arena, grant->profile, (enum profile_claim)claim);
    return subject;
}

enum step_result reply_tokens(struct request *request, const struct token_grant *grant) {
    const struct services *services = request->services;
    const struct token_subject subject = subject_of(request, grant);
    struct text access;
    if (!revoked_keys_are_ready(services->revoked_keys)) /* the one that signs may be revoked */
        return reply_problem(request, STATUS_STARTING);
    enum status status = access_token_create_for(request->arena, request->snapshot->keyring, &services->token_rules, &subject,
                                                 clock_wall_s(), &access);
    if (status != STATUS_OK)
        return reply_problem(request, status);
    char refresh[REFRESH_TOKEN_SIZE];
    refresh_token_write(request->snapshot->keyring, &(struct refresh_token){ grant->session_id, grant->generation }, refresh);

    struct json_writer writer;
    json_writer_init(&writer, request->arena);
    json_begin_object(&writer);
    json_member_text(&writer, "access_token", access);
    json_member_string(&writer, "token_type", "Bearer");
    json_member_integer(&writer, "expires_in", services->token_rules.access_ttl_s);
    json_member_string(&writer, "refresh_token", refresh);
    json_member_integer(&writer, "refresh_expires_in", grant->refresh_expires_in_s);
    json_end_object(&writer);
    return reply_json(request, 200, &writer);
}

void revoke_locally(const struct request *request, const struct uuid *id) {
    /* without memory for it here, the next reading of the database tries again */
    if (revoked_sessions_add(request->services->revoked, id, clock_retention_s()) != STATUS_OK)
        log_event(LOG_ERROR, "revocation_not_kept", "error=%s", "out of memory");
    revocation_feed_wake_reader(request->services->feed);
}

void revoke_all_locally(const struct request *request, const struct session_ids *ids) {
    for (size_t i = 0; i < ids->count; i++)
        revoke_locally(request, &ids->ids[i]);
}

void log_account_event(enum log_level level, const char *event, const struct uuid *user_id, const struct uuid *session_id) {
    char user[UUID_TEXT_SIZE], session[UUID_TEXT_SIZE];
    log_event(level, event, "user_id=%s session_id=%s", user_id != NULL ? uuid_text(user_id, user) : NULL,
              session_id != NULL ? uuid_text(session_id, session) : NULL);
}

struct audit_event audit_event_of(const struct request *request, const char *event, const struct uuid *user_id,
                                  const struct uuid *session_id) {
    return (struct audit_event){ .event = event,
                                 .user_id = user_id,
                                 .session_id = session_id,
                                 .is_of_user = true,
                                 .client = &request->client,
                                 .user_agent = request->user_agent,
                                 .request_id = request->request_id };
}

/* Who has tried it is not known: the service tells of it. */
void audit_wrong_password(const struct request *request, const struct uuid *user_id, const char *reason) {
    struct audit_event event = audit_event_of(request, "login_failed", user_id, NULL);
    event.is_of_user = false;
    event.reason = reason;
    audit_add_failure(request->services->audit, &event);
}

bool accept_password_for_email(struct request *request, const char *member, struct text password, struct text email) {
    const struct password_policy *policy = &request->services->password_policy;
    enum password_verdict verdict = password_check_policy(policy, request->arena, password, email);
    if (verdict == PASSWORD_ACCEPTED)
        return true;
    const char *what = password_verdict_detail(policy, verdict, request->arena);
    struct field_problem problem = {
        .pointer = arena_printf(request->arena, "/%s", member),
        .violation = password_verdict_violation(verdict),
        .detail = what != NULL ? arena_printf(request->arena, "%s %s", member, what) : NULL,
    };
    if (verdict == PASSWORD_OUT_OF_MEMORY || problem.pointer == NULL || problem.detail == NULL)
        reply_problem(request, STATUS_OUT_OF_MEMORY);
    else
        reply_invalid_field(request, &problem);
    return false;
}
