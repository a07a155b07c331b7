#include "jwtd/changed_roles.h"

#include "db_values.h"
#include "sql.h"

#include "jwtd/clock.h"

#include <assert.h>
#include <stdio.h>

#define NO_ID "00000000-0000-0000-0000-000000000000"

struct changed_roles_cursor changed_roles_from(int64_t window_s) {
    return (struct changed_roles_cursor){ .window_s = window_s + CHANGED_ROLES_LATE_S, .id = NO_ID };
}

struct changed_roles_cursor changed_roles_after(const struct changed_roles_cursor *last) {
    assert(last->horizon > 0);
    return (struct changed_roles_cursor){ .since = last->horizon, .id = NO_ID };
}

/* Also when there is none a row comes back, with the horizon. Of one row and a page only a nested loop can be made, which keeps
 * the order. Each range has two ends, so that the planner takes the index (revocations.c). */
#define PAGE_OF(key, beginning, end)                                                                                             \
    "SELECT pg_snapshot_xmin(pg_current_snapshot()), page.* FROM (SELECT) AS always LEFT JOIN LATERAL"                           \
    " (SELECT id, array_to_json(roles)::text, " key " FROM users WHERE (" key ", id) > (" beginning ", $3::uuid)"                \
    " AND " key " BETWEEN " beginning " AND " end " ORDER BY " key                                                               \
    ", id LIMIT " TEXT_OF_MACRO(CHANGED_ROLES_PAGE) ") AS page ON true"

static const struct db_statement by_time = {
    .name = "changed_roles_by_time",
    .sql = PAGE_OF("roles_changed_at", "coalesce($1::timestamptz, now() - $2::bigint * interval '1 second')", "'infinity'"),
    .parameters = 3
};
/* Nothing visible is beyond that end but what was restored from another cluster, where transactions count differently. */
static const struct db_statement by_transaction = { .name = "changed_roles_by_transaction",
                                                    .sql = PAGE_OF("roles_changed_xid", "coalesce($1::xid8, $2::xid8)",
                                                                   "pg_snapshot_xmax(pg_current_snapshot())"),
                                                    .parameters = 3 };

static enum status set_all(const struct db_rows *rows, size_t count, struct current_roles *map) {
    int64_t now_s = clock_wall_s();
    enum status status = STATUS_OK;
    for (size_t row = 0; status == STATUS_OK && row < count; row++) {
        struct uuid id = db_uuid(rows, row, 1);
        status = current_roles_set(map, &id, db_text(rows, row, 2), now_s);
    }
    return status;
}

static void move_behind(struct changed_roles_cursor *cursor, const struct db_rows *rows, size_t row) {
    struct text behind = db_text(rows, row, 3);
    struct uuid id = db_uuid(rows, row, 1);
    assert(behind.len < sizeof cursor->behind);
    snprintf(cursor->behind, sizeof cursor->behind, "%.*s", (int)behind.len, behind.bytes);
    uuid_text(&id, cursor->id);
}

static enum status take_page(const struct db_rows *rows, struct changed_roles_cursor *cursor, struct current_roles *map,
                             bool *is_last) {
    int64_t horizon = db_integer(rows, 0, 0);
    if (cursor->since > horizon) {
        *cursor = changed_roles_from(0);
        *is_last = false;
        return STATUS_OK;
    }
    size_t count = db_is_null(rows, 0, 1) ? 0 : db_row_count(rows);
    enum status status = set_all(rows, count, map);
    if (status != STATUS_OK)
        return status;
    if (cursor->horizon == 0)
        cursor->horizon = horizon;
    if (count > 0)
        move_behind(cursor, rows, count - 1);
    *is_last = count < CHANGED_ROLES_PAGE;
    return STATUS_OK;
}

enum status changed_roles_read_page(struct db *db, int64_t deadline_us, struct changed_roles_cursor *cursor,
                                    struct current_roles *map, bool *is_last) {
    char beginning[INTEGER_TEXT_SIZE];
    const char *const parameters[] = { cursor->behind[0] != '\0' ? cursor->behind : NULL,
                                       integer_text(cursor->since > 0 ? cursor->since : cursor->window_s, beginning),
                                       cursor->id };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, cursor->since > 0 ? &by_transaction : &by_time, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    status = take_page(rows, cursor, map, is_last);
    db_release(db);
    return status;
}
