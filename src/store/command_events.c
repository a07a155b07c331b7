#include "jwtd/command_events.h"
#include "jwtd/clock.h"

#include "sql.h"
#include "statement.h"

#include <string.h>

/* ---- reading rows ---- */

enum {
    EVENT_NOW_US,
    EVENT_ID,
    EVENT_NAME,
    EVENT_USER,
    EVENT_SESSION,
    EVENT_ACTOR,
    EVENT_REASON,
    EVENT_AT_US,
    EVENT_KID,
    EVENT_FROM,
    EVENT_TO,
    EVENT_COLUMNS
};

struct reading {
    struct command_events_cursor *cursor;
    void (*visit)(const struct command_event *event);
};

static bool was_seen(const struct command_events_cursor *cursor, const struct uuid *id) {
    for (unsigned i = 0; i < cursor->seen_count; i++)
        if (memcmp(&cursor->seen[i], id, sizeof *id) == 0)
            return true;
    return false;
}

static void set_seen(struct command_events_cursor *cursor, const struct uuid *id) {
    cursor->seen[cursor->next_seen] = *id;
    cursor->next_seen = (cursor->next_seen + 1) % COMMAND_EVENTS_SEEN;
    if (cursor->seen_count < COMMAND_EVENTS_SEEN)
        cursor->seen_count++;
}

static void visit_row(const struct db_rows *rows, size_t row, const struct reading *reading) {
    struct uuid id = db_uuid(rows, row, EVENT_ID), user = db_uuid(rows, row, EVENT_USER),
                session = db_uuid(rows, row, EVENT_SESSION);
    if (was_seen(reading->cursor, &id))
        return;
    set_seen(reading->cursor, &id);
    reading->visit(&(struct command_event){ .id = id,
                                            .event = db_text(rows, row, EVENT_NAME),
                                            .actor = db_text(rows, row, EVENT_ACTOR),
                                            .reason = db_text(rows, row, EVENT_REASON),
                                            .kid = db_text(rows, row, EVENT_KID),
                                            .from = db_text(rows, row, EVENT_FROM),
                                            .to = db_text(rows, row, EVENT_TO),
                                            .user_id = db_is_null(rows, row, EVENT_USER) ? NULL : &user,
                                            .session_id = db_is_null(rows, row, EVENT_SESSION) ? NULL : &session,
                                            .at_us = db_integer(rows, row, EVENT_AT_US) });
}

/* Goes on behind the last event of a full page: a command's events all have the time at which its transaction began. Behind the
 * last page the next reading begins where one that began with the first page does: others may have been committed meanwhile. */
static void move_cursor(struct command_events_cursor *cursor, const struct db_rows *rows, size_t count) {
    bool is_full = count == COMMAND_EVENTS_PAGE;
    int64_t late_us = db_integer(rows, 0, EVENT_NOW_US) - COMMAND_EVENTS_LATE_S * CLOCK_US_PER_S;
    int64_t again_us = cursor->again_us != 0 ? cursor->again_us : late_us;
    cursor->again_us = is_full ? again_us : 0;
    cursor->from_us = is_full ? db_integer(rows, count - 1, EVENT_AT_US) : again_us;
    cursor->after = is_full ? db_uuid(rows, count - 1, EVENT_ID) : (struct uuid){ { 0 } };
}

/* A page without events has one row, too, with the time. */
static enum status read_page(const struct db_rows *rows, struct arena *arena, void *result) {
    const struct reading *reading = result;
    size_t count = db_row_count(rows);
    (void)arena;
    for (size_t row = 0; row < count && !db_is_null(rows, row, EVENT_ID); row++)
        visit_row(rows, row, reading);
    move_cursor(reading->cursor, rows, count);
    return STATUS_OK;
}

/* ---- statements ---- */

/* clang-format off */

enum { READ_FROM_US /* $1 */, READ_AFTER, READ_PARAMETERS };

#define DETAIL_MAX "512" /* characters: more than the roles of nearly all users */
#define FROM_TIME "coalesce('epoch'::timestamptz + $1::bigint * interval '1 microsecond', now())"

/* The range of times has two ends, so that the planner takes the index (revocations.c). */
static const struct db_statement read_events = {
    .name = "command_events_read",
    .audit = AUDIT_LISTS,
    .parameters = READ_PARAMETERS,
    .columns = EVENT_COLUMNS,
    .read = read_page,
    .sql = "SELECT (extract(epoch FROM now()) * 1000000)::bigint, page.*"
           " FROM (SELECT) AS always"
           " LEFT JOIN LATERAL ("
           "   SELECT id, event, user_id, session_id, actor, reason, (extract(epoch FROM at) * 1000000)::bigint,"
           "     CASE WHEN event = 'key_changed' THEN detail ->> 'kid' END,"
           "     CASE WHEN event IN ('roles_changed', 'password_change_required') THEN left(detail ->> 'from', " DETAIL_MAX ") END,"
           "     CASE WHEN event IN ('roles_changed', 'password_change_required') THEN left(detail ->> 'to', " DETAIL_MAX ") END"
           "   FROM auth_events "
           "   WHERE at >= " FROM_TIME
           "     AND (at, id) > (" FROM_TIME ", $2::uuid)"
           "     AND at <= 'infinity'"
           "     AND actor LIKE 'shell:%'"
           "   ORDER BY at, id"
           "   LIMIT " TEXT_OF_MACRO(COMMAND_EVENTS_PAGE)
           " ) AS page ON true",
};

/* clang-format on */

/* ---- calls ---- */

enum status command_events_read(const struct db_call *call, struct command_events_cursor *cursor,
                                void (*visit)(const struct command_event *event)) {
    struct reading reading = { cursor, visit };
    char after[UUID_TEXT_SIZE];
    const char *const parameters[READ_PARAMETERS] = {
        [READ_FROM_US] = cursor->from_us != 0 ? INTEGER_PARAMETER(cursor->from_us) : NULL,
        [READ_AFTER] = uuid_text(&cursor->after, after),
    };
    return db_run_statement(call, &read_events, parameters, &reading);
}
