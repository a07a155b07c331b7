/* Token introspection (RFC 7662) for services. */
#include "steps.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/refresh_token.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"
#include "jwtd/sessions.h"

#include <stddef.h>
#include <stdint.h>

struct introspection {
    struct text token;
    struct text client_secret;
    struct session_credential credential;
    struct inspected_session session;
};

/* A token of any length receives an answer. token_type_hint is ignored, since a token's form shows its type (RFC 7662
 * section 2.1). */
static const struct field fields[] = {
    FIELD(introspection, token, FIELD_TEXT, .required = true, .max_len = SIZE_MAX, .description = "An access or a refresh token",
          .example = EXAMPLE_REFRESH_TOKEN),
    FIELD(introspection, client_secret, FIELD_TEXT, .required = false, .max_len = SIZE_MAX, .description = CLIENT_SECRET_HELP,
          .example = "secret"),
};
const struct body_schema introspect_body = { fields, ARRAY_LEN(fields), false, sizeof(struct introspection),
                                             "IntrospectionRequest" };

static const char *const token_uses[] = { "access_token", "refresh_token", NULL };
static const char *const token_types[] = { "Bearer", NULL };
static const struct reply_member members[] = {
    { .name = "active", .type = REPLY_BOOLEAN, .description = "False, and then alone, for whatever is no good token" },
    { .name = "token_use", .type = REPLY_STRING, .optional = true, .description = "Its kind", .values = token_uses },
    { .name = "token_type", .type = REPLY_STRING, .optional = true, .description = "Of an access token", .values = token_types },
    { .name = "iss", .type = REPLY_STRING, .optional = true, .description = "Setting token.issuer", .example = "jwtd" },
    { .name = "aud", .type = REPLY_STRING, .optional = true, .description = "Setting token.audience", .example = "jwtd" },
    { .name = "sub", .type = REPLY_STRING, .optional = true, .description = "The user", .format = "uuid" },
    { .name = "sid", .type = REPLY_STRING, .optional = true, .description = "The session", .format = "uuid" },
    { .name = "roles",
      .type = REPLY_ARRAY,
      .optional = true,
      .description = "The user's present ones",
      .example = "[\"editor\"]" },
    { .name = "iat", .type = REPLY_INTEGER, .optional = true, .description = "Seconds since 1970", .example = "1795320000" },
    { .name = "exp", .type = REPLY_INTEGER, .optional = true, .description = "Seconds since 1970", .example = "1795320900" },
};
const struct reply_schema introspection_reply = { members, ARRAY_LEN(members), "Introspection" };

/* Not even why (RFC 7662 section 2.2). */
static enum step_result reply_inactive(struct request *request) {
    return reply_bytes(request, 200, "application/json", text_of("{\"active\":false}"));
}

static void begin_active(struct json_writer *writer, const struct request *request, const char *token_use,
                         const struct uuid *user_id, const struct uuid *session_id) {
    char user[UUID_TEXT_SIZE], session[UUID_TEXT_SIZE];
    json_writer_init(writer, request->arena);
    json_begin_object(writer);
    json_member_boolean(writer, "active", true);
    json_member_string(writer, "token_use", token_use);
    json_member_string(writer, "iss", request->services->token_rules.issuer);
    json_member_string(writer, "sub", uuid_text(user_id, user));
    json_member_string(writer, "sid", uuid_text(session_id, session));
}

/* The roles are the user's present ones, which the token may not have. */
static enum step_result reply_access_token(struct request *request) {
    const struct access_claims *claims = &request->claims;
    struct json_writer writer;
    begin_active(&writer, request, "access_token", &claims->user_id, &claims->session_id);
    json_member_string(&writer, "token_type", "Bearer");
    json_member_string(&writer, "aud", request->services->token_rules.audience);
    json_member_raw(&writer, "roles", claims->roles_json);
    json_member_integer(&writer, "iat", claims->issued_at);
    json_member_integer(&writer, "exp", claims->expires_at);
    json_end_object(&writer);
    return reply_json(request, 200, &writer);
}

/* Without aud and token_type, so that a service that checks one of them does not take it for an access token. */
static enum step_result reply_refresh_token(struct request *request) {
    const struct introspection *introspection = request->scratch;
    struct json_writer writer;
    begin_active(&writer, request, "refresh_token", &introspection->session.user_id, &introspection->credential.session_id);
    json_member_integer(&writer, "exp", introspection->session.expires_at);
    json_end_object(&writer);
    return reply_json(request, 200, &writer);
}

/* From memory, as every request with an access token; but without the leeway of that, since a service may keep the answer until
 * exp. */
static enum step_result answer_access_token(struct request *request, struct text token) {
    enum status status = request_check_token(request, token);
    if (status == STATUS_INVALID_TOKEN || (status == STATUS_OK && request->claims.expires_at <= clock_wall_s()))
        return reply_inactive(request);
    return status == STATUS_OK ? reply_access_token(request) : reply_problem(request, status);
}

static enum step_result read_token(struct request *request) {
    struct introspection *introspection = request->scratch;
    struct refresh_token token;
    if (introspection->client_secret.bytes != NULL)
        return reply_problem(request, STATUS_INVALID_REQUEST); /* authenticated in two ways: RFC 6749 section 2.3 */
    if (!refresh_token_read(request->snapshot->keyring, introspection->token, &token))
        return answer_access_token(request, introspection->token);
    introspection->credential = (struct session_credential){ token.session_id, token.generation };
    return STEP_NEXT;
}

static enum step_result ask_session(struct request *request, struct db_query *query) {
    struct introspection *introspection = request->scratch;
    sessions_inspect(query, &introspection->credential, &request->services->session_limits, &introspection->session);
    return STEP_NEXT;
}

static enum step_result take_session(struct request *request) {
    const struct introspection *introspection = request->scratch;
    return introspection->session.is_valid ? reply_refresh_token(request) : reply_inactive(request);
}

const struct step introspect_read_token = { "read_token", ON_HTTP, .run = read_token };
const struct step introspect_find_session = { "find_session", ON_DATABASE, .ask = ask_session, .run = take_session };
