#include "jwtd/sessions.h"

#include "sql.h"
#include "statement.h"

#include <assert.h>

enum { INSPECTED_USER, INSPECTED_EXPIRES_AT, INSPECTED_COLUMNS };

static enum status read_inspected(const struct db_rows *rows, struct arena *arena, void *result) {
    struct inspected_session *inspected = result;
    (void)arena;
    inspected->is_valid = db_row_count(rows) == 1;
    if (inspected->is_valid) {
        inspected->user_id = db_uuid(rows, 0, INSPECTED_USER);
        inspected->expires_at = db_integer(rows, 0, INSPECTED_EXPIRES_AT);
    }
    return STATUS_OK;
}

static enum status read_live(const struct db_rows *rows, struct arena *arena, void *result) {
    struct live_session *live = result;
    (void)arena;
    live->found = db_row_count(rows) == 1;
    if (live->found) {
        live->generation = (uint32_t)db_integer(rows, 0, 0);
        live->refresh_expires_in_s = db_integer(rows, 0, 1);
    }
    return STATUS_OK;
}

enum { INSPECT_SESSION /* $1 */, INSPECT_IDLE_MS /* $2 */, INSPECT_GENERATION /* $3 */, INSPECT_PARAMETERS };

/* clang-format off */

/* Valid is what a refresh would accept now (session_refresh.c), or after a pause. */
static const struct db_statement inspect = {
    .name = "sessions_inspect",
    .parameters = INSPECT_PARAMETERS,
    .columns = INSPECTED_COLUMNS,
    .only_reads = true,
    .read = read_inspected,
    .sql = "SELECT s.user_id,"
           "   floor(extract(epoch FROM least(s.expires_at, s.last_used_at + $2 * interval '1 millisecond')))::bigint"
           " FROM sessions s JOIN users u ON u.id = s.user_id"
           " WHERE s.id = $1"
           "   AND u.disabled_at IS NULL"
           "   AND " LIVE("$2")
           "   AND $3::integer < " GENERATION_MAX
           "   AND (s.generation <= $3::integer OR " PARENT " = $3::integer)",
};

enum { LIVE_SESSION /* $1 */, LIVE_IDLE_MS /* $2 */, LIVE_PARAMETERS };

static const struct db_statement find_live = {
    .name = "sessions_find_live",
    .parameters = LIVE_PARAMETERS,
    .columns = 2,
    .only_reads = true,
    .read = read_live,
    .sql = "SELECT s.generation,"
           "   floor(extract(epoch FROM least(s.expires_at, s.last_used_at + $2 * interval '1 millisecond') - now()))::bigint"
           " FROM sessions s JOIN users u ON u.id = s.user_id"
           " WHERE s.id = $1"
           "   AND u.disabled_at IS NULL"
           "   AND " LIVE("$2"),
};

/* clang-format on */

void sessions_inspect(struct db_query *query, const struct session_credential *credential, const struct session_limits *limits,
                      struct inspected_session *inspected) {
    const char *const parameters[INSPECT_PARAMETERS] = {
        [INSPECT_SESSION] = db_uuid_parameter(query, &credential->session_id),
        [INSPECT_IDLE_MS] = db_integer_parameter(query, limits->idle_ms),
        [INSPECT_GENERATION] = db_integer_parameter(query, credential->generation),
    };
    assert(credential->generation > 0);
    *inspected = (struct inspected_session){ .is_valid = false };
    db_ask(query, &inspect, parameters, inspected);
}

void sessions_find_live(struct db_query *query, const struct uuid *session_id, const struct session_limits *limits,
                        struct live_session *live) {
    const char *const parameters[LIVE_PARAMETERS] = {
        [LIVE_SESSION] = db_uuid_parameter(query, session_id),
        [LIVE_IDLE_MS] = db_integer_parameter(query, limits->idle_ms),
    };
    *live = (struct live_session){ .found = false };
    db_ask(query, &find_live, parameters, live);
}
