/* `jwtd user sessions` and `jwtd user events`. */
#include "user_task.h"

#include "jwtd/auth_events.h"
#include "jwtd/options.h"

#include <stdio.h>

#define ARENA_LIMIT ((size_t)4 * 1024 * 1024)

static void print_column(struct text text, char end) {
    if (text.len == 0)
        putchar('-');
    else
        printf("%.*s", (int)text.len, text.bytes);
    putchar(end);
}

typedef void event_printer(const struct auth_event *event);

/* A page of the events that the filter asks for; its cursor moves on in `next`. */
static bool print_page(const struct user_task *task, const struct auth_event_filter *filter, event_printer *print,
                       char next[AUTH_EVENTS_CURSOR_SIZE]) {
    struct auth_event_filter page = *filter;
    struct auth_event_list list;
    struct arena arena;
    struct db_call call = user_call(task);
    struct db_query query = { .statement = NULL };
    page.cursor = next[0] != '\0' ? next : NULL;
    page.limit = AUTH_EVENTS_PAGE_MAX;
    arena_init(&arena, ARENA_LIMIT);
    call.arena = &arena;
    auth_events_list(&query, &page, &list);
    enum status status = db_run(&call, &query);
    for (size_t i = 0; status == STATUS_OK && i < list.count; i++)
        print(&list.events[i]);
    if (status == STATUS_OK)
        (void)snprintf(next, AUTH_EVENTS_CURSOR_SIZE, "%s", list.next);
    arena_fini(&arena);
    return status == STATUS_OK || user_fail(status);
}

static bool print_events(const struct user_task *task, const struct uuid *user_id, const char *event, event_printer *print) {
    struct auth_event_filter filter = { .user_id = *user_id, .event = event };
    char next[AUTH_EVENTS_CURSOR_SIZE] = "";
    do {
        if (!print_page(task, &filter, print, next))
            return false;
    } while (next[0] != '\0');
    return true;
}

static void print_session(const struct session *session) {
    char id[UUID_TEXT_SIZE];
    printf("%s\t", uuid_text(&session->id, id));
    print_column(session->created_at, '\t');
    print_column(session->last_used_at, '\t');
    print_column(session->expires_at, '\t');
    print_column(session->ip, '\t');
    print_column(session->user_agent, '\n');
}

/* Rows of sessions that have ended are deleted; why they did is in the audit. */
static void print_ended_session(const struct auth_event *event) {
    char id[UUID_TEXT_SIZE] = "-";
    printf("%s\tended\t", event->has_session ? uuid_text(&event->session_id, id) : id);
    print_column(event->at, '\t');
    print_column(event->actor, '\t');
    print_column(event->ip, '\t');
    print_column(event->reason, '\n');
}

bool user_sessions(const struct user_task *task) {
    static const struct uuid none = { { 0 } };
    struct session_limits limits = session_limits_from_config(task->config);
    struct session_list list;
    struct user user;
    struct db_call call = user_call(task);
    struct db_query query = { .statement = NULL };
    if (!user_find(task, &user))
        return false;
    sessions_list(&query, &user.id, &none, &limits, &list);
    enum status status = db_run(&call, &query);
    if (status != STATUS_OK)
        return user_fail(status);
    for (size_t i = 0; i < list.count; i++)
        print_session(&list.sessions[i]);
    return print_events(task, &user.id, "session_ended", print_ended_session);
}

static void print_event(const struct auth_event *event) {
    char id[UUID_TEXT_SIZE] = "-";
    print_column(event->at, '\t');
    print_column(event->event, '\t');
    printf("%s\t", event->has_session ? uuid_text(&event->session_id, id) : id);
    print_column(event->actor, '\t');
    print_column(event->ip, '\t');
    print_column(event->reason, '\t');
    print_column(event->detail, '\n');
}

bool user_events(const struct user_task *task) {
    struct user user;
    return user_find(task, &user) && print_events(task, &user.id, NULL, print_event);
}
