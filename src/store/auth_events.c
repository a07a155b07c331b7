#include "jwtd/auth_events.h"
#include "jwtd/macros.h"

#include "sql.h"
#include "statement.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- reading rows ---- */

enum {
    EVENT_ID,
    EVENT_AT,
    EVENT_NAME,
    EVENT_SESSION,
    EVENT_ACTOR,
    EVENT_IP,
    EVENT_USER_AGENT,
    EVENT_REQUEST_ID,
    EVENT_REASON,
    EVENT_DETAIL,
    EVENT_AT_US,
    EVENT_COLUMNS
};

static enum status read_text(const struct db_rows *rows, size_t row, int column, struct arena *arena, struct text *text) {
    *text = db_copy_text(rows, row, column, arena);
    return text->bytes != NULL || db_is_null(rows, row, column) ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

static enum status read_event(const struct db_rows *rows, size_t row, struct arena *arena, struct auth_event *event) {
    const struct {
        int column;
        struct text *text;
    } texts[] = {
        { EVENT_NAME, &event->event },
        { EVENT_ACTOR, &event->actor },
        { EVENT_IP, &event->ip },
        { EVENT_USER_AGENT, &event->user_agent },
        { EVENT_REQUEST_ID, &event->request_id },
        { EVENT_REASON, &event->reason },
        { EVENT_DETAIL, &event->detail },
    };
    event->id = db_uuid(rows, row, EVENT_ID);
    event->at = db_copy_time(rows, row, EVENT_AT, arena);
    event->has_session = !db_is_null(rows, row, EVENT_SESSION);
    event->session_id = db_uuid(rows, row, EVENT_SESSION);
    enum status status = event->at.bytes != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LEN(texts); i++)
        status = read_text(rows, row, texts[i].column, arena, texts[i].text);
    return status;
}

static void write_cursor(const struct db_rows *rows, size_t row, char cursor[AUTH_EVENTS_CURSOR_SIZE]) {
    struct uuid id = db_uuid(rows, row, EVENT_ID);
    char text[UUID_TEXT_SIZE];
    (void)snprintf(cursor, AUTH_EVENTS_CURSOR_SIZE, "%s.%lld", uuid_text(&id, text),
                   (long long)db_integer(rows, row, EVENT_AT_US));
}

/* One row more than was asked for says that there are more. */
static enum status read_list(const struct db_rows *rows, struct arena *arena, void *result) {
    struct auth_event_list *list = result;
    size_t limit = list->count, count = db_row_count(rows);
    list->count = count < limit ? count : limit;
    list->events = arena_alloc(arena, list->count * sizeof *list->events);
    enum status status = list->events != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
    for (size_t row = 0; status == STATUS_OK && row < list->count; row++)
        status = read_event(rows, row, arena, &list->events[row]);
    if (count > limit)
        write_cursor(rows, limit - 1, list->next);
    return status;
}

static enum status read_partitions(const struct db_rows *rows, struct arena *arena, void *result) {
    struct auth_events_partitions *partitions = result;
    (void)arena;
    assert(db_row_count(rows) == 1);
    *partitions = (struct auth_events_partitions){ db_integer(rows, 0, 0), db_integer(rows, 0, 1), db_integer(rows, 0, 2) };
    return STATUS_OK;
}

/* ---- statements ---- */

/* clang-format off */

static const struct db_statement insert = {
    .name = "auth_events_insert",
    .audit = AUDIT_ADDS,
    .parameters = 1,
    .sql = "INSERT INTO auth_events (id, at, event, user_id, session_id, actor, ip, user_agent, request_id, reason, detail)"
           " SELECT id, at, event, user_id, session_id, actor, ip, user_agent, request_id, reason, detail"
           " FROM jsonb_to_recordset($1::jsonb) AS e (id uuid, at timestamptz, event text, user_id uuid, session_id uuid, actor text,"
           "   ip inet, user_agent text, request_id text, reason text, detail jsonb)"
           " ON CONFLICT (at, id) DO NOTHING",
};

/* Of the three statements of the list, each of which takes as many as it needs from the front. */
enum {
    LIST_USER /* $1 */,
    LIST_LIMIT /* $2 */,
    LIST_AFTER_US /* $3 */,
    LIST_AFTER_ID /* $4 */,
    LIST_PARAMETERS,
    LIST_OF_EVENT = LIST_PARAMETERS /* $5 */,
    LIST_OF_EVENT_PARAMETERS,
    LIST_OF_SESSION = LIST_PARAMETERS /* $5 */,
    LIST_OF_SESSION_EVENT /* $6 */,
    LIST_OF_SESSION_PARAMETERS
};

#define LIST_WHERE(condition) \
    "SELECT id, at, event, session_id, actor, host(ip), user_agent, request_id, reason, detail::text," \
    "   (extract(epoch FROM at) * 1000000)::bigint" \
    " FROM auth_events" \
    " WHERE " condition \
    "   AND (at, id) < (coalesce('epoch'::timestamptz + $3::bigint * interval '1 microsecond', 'infinity')," \
    "                   coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))" \
    " ORDER BY at DESC, id DESC" \
    " LIMIT $2::bigint + 1"

/* A statement for each index, in whose order its rows are: one whose conditions may be NULL would walk all events of the user.
 * They take a lock (audit_lock.h), whose refusal must not be that of another query in the same transaction: not .only_reads. */
static const struct db_statement list_page = {
    .name = "auth_events_list",
    .audit = AUDIT_LISTS,
    .parameters = LIST_PARAMETERS,
    .columns = EVENT_COLUMNS,
    .read = read_list,
    .sql = LIST_WHERE("user_id = $1"),
};

static const struct db_statement list_of_event = {
    .name = "auth_events_list_of_event",
    .audit = AUDIT_LISTS,
    .parameters = LIST_OF_EVENT_PARAMETERS,
    .columns = EVENT_COLUMNS,
    .read = read_list,
    .sql = LIST_WHERE("user_id = $1 AND event = $5"),
};

/* A session has few events. "IS NOT DISTINCT FROM" uses no index, so that the planner takes the session's. */
static const struct db_statement list_of_session = {
    .name = "auth_events_list_of_session",
    .audit = AUDIT_LISTS,
    .parameters = LIST_OF_SESSION_PARAMETERS,
    .columns = EVENT_COLUMNS,
    .read = read_list,
    .sql = LIST_WHERE("session_id = $5 AND user_id IS NOT DISTINCT FROM $1::uuid AND event = coalesce($6, event)"),
};

enum { KEY_REASON /* $1 */, KEY_KID /* $2 */, KEY_CHANGE /* $3 */, KEY_PARAMETERS };

static const struct db_statement note_key = {
    .name = "auth_events_note_key",
    .audit = AUDIT_ADDS,
    .parameters = KEY_PARAMETERS,
    .sql = "WITH "
             NOTE_EVENTS("$3", EVENT("key_changed",
                                     "NULL::uuid, NULL::uuid, $1::text,"
                                     " CASE WHEN $2::text IS NOT NULL THEN jsonb_build_object('kid', $2::text) END",
                                     "(SELECT) AS always"))
           " SELECT",
};

static const struct db_statement maintain = {
    .name = "auth_events_maintain",
    .parameters = 1,
    .columns = 3,
    .read = read_partitions,
    .sql = "SELECT made, removed, waiting"
           " FROM auth_events_maintain($1::bigint * interval '1 millisecond')",
};

/* clang-format on */

/* ---- functions ---- */

enum status auth_events_insert(const struct db_call *call, const char *events_json) {
    return db_run_statement(call, &insert, &events_json, NULL);
}

enum status auth_events_note_key(const struct db_call *call, const char *reason, const char *kid) {
    const char *const parameters[KEY_PARAMETERS] = { [KEY_REASON] = reason, [KEY_KID] = kid, [KEY_CHANGE] = call->change };
    return db_run_statement(call, &note_key, parameters, NULL);
}

/* "ID.MICROSECONDS", of the last event of the page before. */
static bool read_cursor(struct text cursor, struct uuid *id, uint64_t *at_us) {
    if (cursor.len <= UUID_TEXT_LEN + 1 || cursor.len >= AUTH_EVENTS_CURSOR_SIZE || cursor.bytes[UUID_TEXT_LEN] != '.')
        return false;
    struct text time = { cursor.bytes + UUID_TEXT_LEN + 1, cursor.len - UUID_TEXT_LEN - 1 };
    uint64_t latest = UINT64_C(1) << 53; /* what the database computes with exactly */
    return uuid_parse(cursor.bytes, UUID_TEXT_LEN, id) && text_parse_unsigned(time, latest, at_us);
}

bool auth_events_cursor_is_valid(struct text cursor) {
    struct uuid id;
    uint64_t at_us;
    return read_cursor(cursor, &id, &at_us);
}

void auth_events_list(struct db_query *query, const struct auth_event_filter *filter, struct auth_event_list *list) {
    struct uuid id;
    uint64_t at_us = 0;
    bool is_valid = filter->cursor == NULL || read_cursor(text_of(filter->cursor), &id, &at_us);
    assert(is_valid && filter->limit > 0 && filter->limit <= AUTH_EVENTS_PAGE_MAX);
    const char *parameters[LIST_OF_SESSION_PARAMETERS] = {
        [LIST_USER] = db_uuid_parameter(query, &filter->user_id),
        [LIST_LIMIT] = db_integer_parameter(query, filter->limit),
        [LIST_AFTER_US] = filter->cursor == NULL ? NULL : db_integer_parameter(query, (int64_t)at_us),
        [LIST_AFTER_ID] = filter->cursor == NULL ? NULL : db_uuid_parameter(query, &id),
    };
    const struct db_statement *statement = &list_page;
    if (filter->session_id != NULL) {
        statement = &list_of_session;
        parameters[LIST_OF_SESSION] = db_uuid_parameter(query, filter->session_id);
        parameters[LIST_OF_SESSION_EVENT] = filter->event;
    } else if (filter->event != NULL) {
        statement = &list_of_event;
        parameters[LIST_OF_EVENT] = filter->event;
    }
    *list = (struct auth_event_list){ .count = filter->limit };
    db_ask(query, statement, parameters, list);
}

enum status auth_events_maintain(const struct db_call *call, int64_t keep_ms, struct auth_events_partitions *partitions) {
    const char *keep = keep_ms > 0 ? INTEGER_PARAMETER(keep_ms) : NULL;
    *partitions = (struct auth_events_partitions){ .made = 0 };
    return db_run_statement(call, &maintain, &keep, partitions);
}
