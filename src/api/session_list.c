#include "common.h"
#include "steps.h"

#include "jwtd/macros.h"
#include "jwtd/services.h"
#include "jwtd/sessions.h"

static const struct reply_member session_members[] = {
    { .name = "id", .type = REPLY_STRING, .description = "For DELETE /auth/sessions/{id}", .format = "uuid" },
    { .name = "created_at", .type = REPLY_STRING, .description = "When it was opened by a login", .format = "date-time" },
    { .name = "last_used_at", .type = REPLY_STRING, .description = "The last login or refresh", .format = "date-time" },
    { .name = "expires_at", .type = REPLY_STRING, .description = "When it ends unless it is used before", .format = "date-time" },
    { .name = "ip", .type = REPLY_STRING, .nullable = true, .description = "Of the last login or refresh", .format = "ip" },
    { .name = "user_agent",
      .type = REPLY_STRING,
      .nullable = true,
      .description = "The header of the login",
      .example = "curl/7.88.1" },
    { .name = "current", .type = REPLY_BOOLEAN, .description = "Whether it is that of the access token that was sent" },
};
static const struct reply_schema session_schema = { session_members, ARRAY_LEN(session_members), "Session" };
static const struct reply_member list_members[] = {
    { .name = "sessions", .type = REPLY_ARRAY, .schema = &session_schema, .description = "The one used last first" },
};
const struct reply_schema sessions_reply = { list_members, ARRAY_LEN(list_members), "SessionList" };

static void write_session(struct json_writer *writer, const struct session *session, const struct uuid *current) {
    char id[UUID_TEXT_SIZE];
    json_begin_object(writer);
    json_member_string(writer, "id", uuid_text(&session->id, id));
    json_member_text(writer, "created_at", session->created_at);
    json_member_text(writer, "last_used_at", session->last_used_at);
    json_member_text(writer, "expires_at", session->expires_at);
    json_member_text(writer, "ip", session->ip);
    json_member_text(writer, "user_agent", session->user_agent);
    json_member_boolean(writer, "current", uuid_equal(&session->id, current));
    json_end_object(writer);
}

static enum step_result ask_list_of(struct request *request, struct db_query *query, const struct uuid *user_id) {
    struct session_list *list = request->scratch = arena_alloc(request->arena, sizeof *list);
    if (list == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    sessions_list(query, user_id, &request->claims.session_id, &request->services->session_limits, list);
    return STEP_NEXT;
}

static enum step_result ask_list(struct request *request, struct db_query *query) {
    return ask_list_of(request, query, &request->claims.user_id);
}

static enum step_result ask_list_of_user(struct request *request, struct db_query *query) {
    return ask_list_of(request, query, &request->path_ids[0]);
}

static enum step_result show(struct request *request) {
    const struct session_list *list = request->scratch;
    struct json_writer writer;
    json_writer_init(&writer, request->arena);
    json_begin_object(&writer);
    json_name(&writer, "sessions");
    json_begin_array(&writer);
    for (size_t i = 0; i < list->count; i++)
        write_session(&writer, &list->sessions[i], &request->claims.session_id);
    json_end_array(&writer);
    json_end_object(&writer);
    return reply_json(request, 200, &writer);
}

static enum step_result ask_end(struct request *request, struct db_query *query) {
    struct revoked_session *revoked = request->scratch = arena_alloc(request->arena, sizeof *revoked);
    if (revoked == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    sessions_revoke_of_user(query, &request->path_ids[0], &request->claims.user_id, "ended_by_user", revoked);
    return STEP_NEXT;
}

static enum step_result take_end(struct request *request) {
    const struct revoked_session *revoked = request->scratch;
    if (!revoked->found)
        return reply_problem(request, STATUS_NOT_FOUND);
    revoke_locally(request, &request->path_ids[0]);
    log_account_event(LOG_INFO, "session_revoked", &request->claims.user_id, &request->path_ids[0]);
    return reply_empty(request, 204);
}

const struct step sessions_show = { "show", ON_DATABASE, .ask = ask_list, .run = show };
const struct step sessions_show_of_user = { "show_of_user", ON_DATABASE, .ask = ask_list_of_user, .run = show };
const struct step sessions_end = { "end", ON_DATABASE, .ask = ask_end, .run = take_end };
