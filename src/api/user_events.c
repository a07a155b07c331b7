/* GET /users/{id}/events: what happened to a user and the sessions, from the audit. */
#include "page.h"
#include "steps.h"

#include "jwtd/auth_events.h"
#include "jwtd/macros.h"
#include "jwtd/reply.h"

#include <string.h>

/* Of a user: what can be asked for. */
#define EVENTS                                                                                                                   \
    "user_registered, user_created, user_deleted, user_disabled, user_enabled, password_changed, password_change_required, "     \
    "email_changed, profile_changed, roles_changed, session_opened, session_ended, refresh_token_reused, login_failed, "         \
    "account_locked"
/* Not `values`: a new name may come with any release. */
#define EVENTS_DESCRIPTION "What happened, one of " EVENTS "; a later release may have more"
#define REASONS_DESCRIPTION                                                                                                      \
    "Why. Of session_ended: logout, limit (of sessions of a user), reuse (of a refresh token), password_changed, "               \
    "password_change_required, user_disabled, user_deleted, ended_by_user, ended_by_administrator or "                           \
    "deleted_by_administrator. Of login_failed: wrong_password, wrong_current_password, disabled or changed_meanwhile. "         \
    "Others have none; a later release may have more"

struct listing {
    struct uuid session_id;
    struct auth_event_list list;
};

static const struct reply_member event_members[] = {
    { .name = "id", .type = REPLY_STRING, .description = "Later events have greater ones", .format = "uuid" },
    { .name = "at", .type = REPLY_STRING, .description = "When it happened", .format = "date-time" },
    { .name = "event", .type = REPLY_STRING, .description = EVENTS_DESCRIPTION, .example = "session_ended" },
    { .name = "session_id", .type = REPLY_STRING, .nullable = true, .description = "To which session", .format = "uuid" },
    { .name = "actor",
      .type = REPLY_STRING,
      .nullable = true,
      .description = "Who did it: user:ID, admin:ID, service:NAME, shell:NAME of a user of the operating system, or system",
      .example = "admin:0198c0de-7b3a-7000-8000-000000000002" },
    { .name = "ip", .type = REPLY_STRING, .nullable = true, .description = "From where", .format = "ip" },
    { .name = "user_agent",
      .type = REPLY_STRING,
      .nullable = true,
      .description = "With which client",
      .example = "curl/7.88.1" },
    { .name = "request_id",
      .type = REPLY_STRING,
      .nullable = true,
      .description = "By which request, for the log",
      .example = "0198c0de-7b3a-7000-8000-000000000003" },
    { .name = "reason", .type = REPLY_STRING, .nullable = true, .description = REASONS_DESCRIPTION, .example = "logout" },
    { .name = "detail",
      .type = REPLY_OBJECT,
      .nullable = true,
      .description = "What else is known of it",
      .example = "{\"refreshes\":3}" },
};
static const struct reply_schema event_schema = { event_members, ARRAY_LEN(event_members), "AuthEvent" };
static const struct reply_member page_members[] = {
    { .name = "events", .type = REPLY_ARRAY, .schema = &event_schema, .description = "The newest first" },
    { .name = "next",
      .type = REPLY_STRING,
      .nullable = true,
      .description = "The cursor of the next page, if there is one",
      .example = EXAMPLE_EVENTS_CURSOR },
};
const struct reply_schema events_reply = { page_members, ARRAY_LEN(page_members), "AuthEventPage" };

static bool is_event(struct text name) {
    struct text names = text_of(EVENTS);
    while (names.len > 0)
        if (text_equal(text_take_until(&names, ','), name))
            return true;
    return false;
}

/* The parameter that has a value that it cannot have; NULL: none. */
static const char *read_query(const struct request *request, struct listing *listing, struct auth_event_filter *filter) {
    struct text session = page_parameter(request, "session"), event = page_parameter(request, "event");
    struct text cursor = page_parameter(request, "cursor");
    if (session.bytes != NULL && !uuid_parse(session.bytes, session.len, &listing->session_id))
        return "session";
    if (event.bytes != NULL && !is_event(event))
        return "event";
    if (cursor.bytes != NULL && !auth_events_cursor_is_valid(cursor))
        return "cursor";
    filter->session_id = session.bytes != NULL ? &listing->session_id : NULL;
    filter->event = event.bytes;
    filter->cursor = cursor.bytes;
    return page_limit(request, AUTH_EVENTS_PAGE_MAX, &filter->limit) ? NULL : "limit";
}

static enum step_result ask_events(struct request *request, struct db_query *query) {
    struct listing *listing = request->scratch = arena_alloc(request->arena, sizeof *listing);
    struct auth_event_filter filter = { .user_id = request->path_ids[0] };
    if (listing == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    const char *wrong = read_query(request, listing, &filter);
    if (wrong != NULL)
        return reply_problem_about(request, STATUS_INVALID_PARAMETER, wrong);
    auth_events_list(query, &filter, &listing->list);
    return STEP_NEXT;
}

static void write_event(struct json_writer *writer, const struct auth_event *event) {
    char id[UUID_TEXT_SIZE], session_id[UUID_TEXT_SIZE];
    json_begin_object(writer);
    json_member_string(writer, "id", uuid_text(&event->id, id));
    json_member_text(writer, "at", event->at);
    json_member_text(writer, "event", event->event);
    json_member_string(writer, "session_id", event->has_session ? uuid_text(&event->session_id, session_id) : NULL);
    json_member_text(writer, "actor", event->actor);
    json_member_text(writer, "ip", event->ip);
    json_member_text(writer, "user_agent", event->user_agent);
    json_member_text(writer, "request_id", event->request_id);
    json_member_text(writer, "reason", event->reason);
    json_member_raw(writer, "detail", event->detail);
    json_end_object(writer);
}

/* Also of a user who has been deleted, whose events outlive the account. */
static enum step_result show(struct request *request) {
    const struct listing *listing = request->scratch;
    struct json_writer writer;
    json_writer_init(&writer, request->arena);
    json_begin_object(&writer);
    json_name(&writer, "events");
    json_begin_array(&writer);
    for (size_t i = 0; i < listing->list.count; i++)
        write_event(&writer, &listing->list.events[i]);
    json_end_array(&writer);
    json_member_string(&writer, "next", listing->list.next[0] != '\0' ? listing->list.next : NULL);
    json_end_object(&writer);
    return reply_json(request, 200, &writer);
}

const struct step users_show_events = { "show_events", ON_DATABASE, .ask = ask_events, .run = show };
