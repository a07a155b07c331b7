#include "jwtd/changed_roles.h"

#include "sql.h"
#include "statement.h"

#include "jwtd/clock.h"

#include <assert.h>
#include <stdio.h>

#define NO_ID "00000000-0000-0000-0000-000000000000"

/* ---- reading rows ---- */

enum { PAGE_OLDEST_RUNNING, PAGE_USER, PAGE_ROLES, PAGE_KEY, PAGE_COLUMNS };

struct page {
    struct changed_roles_cursor *cursor;
    struct current_roles *map;
    bool is_last;
};

static enum status set_all(const struct db_rows *rows, size_t count, struct current_roles *map) {
    int64_t now_s = clock_retention_s();
    enum status status = STATUS_OK;
    for (size_t row = 0; status == STATUS_OK && row < count; row++) {
        struct uuid id = db_uuid(rows, row, PAGE_USER);
        status = current_roles_set(map, &id, db_text(rows, row, PAGE_ROLES), now_s);
    }
    return status;
}

static void move_cursor(struct changed_roles_cursor *cursor, const struct db_rows *rows, size_t row) {
    struct text behind = db_text(rows, row, PAGE_KEY);
    struct uuid id = db_uuid(rows, row, PAGE_USER);
    assert(behind.len > 0 && behind.len < sizeof cursor->behind);
    snprintf(cursor->behind, sizeof cursor->behind, "%.*s", (int)behind.len, behind.bytes);
    uuid_text(&id, cursor->id);
}

static enum status read_page(const struct db_rows *rows, struct arena *arena, void *result) {
    struct page *page = result;
    struct changed_roles_cursor *cursor = page->cursor;
    (void)arena;
    assert(db_row_count(rows) > 0 && db_row_count(rows) <= CHANGED_ROLES_PAGE);
    int64_t oldest_running = db_integer(rows, 0, PAGE_OLDEST_RUNNING);
    if (cursor->since > oldest_running) {
        *cursor = changed_roles_from(0);
        page->is_last = false;
        return STATUS_OK;
    }
    size_t count = db_is_null(rows, 0, PAGE_USER) ? 0 : db_row_count(rows);
    enum status status = set_all(rows, count, page->map);
    if (status != STATUS_OK)
        return status;
    if (cursor->horizon == 0)
        cursor->horizon = oldest_running;
    if (count > 0)
        move_cursor(cursor, rows, count - 1);
    page->is_last = count < CHANGED_ROLES_PAGE;
    return STATUS_OK;
}

/* ---- statements ---- */

/* clang-format off */

enum { PAGE_AFTER /* $1 */, PAGE_SINCE /* $2 */, PAGE_AFTER_ID /* $3 */, PAGE_PARAMETERS };

/*
 * The page behind ($1, $3), or, where $1 is NULL, from `beginning` on, an expression in $1 and $2. An empty page has one row, too,
 * with the oldest transaction that is running. Of one row and a page only a nested loop can be made, which keeps the order. Each
 * range has two ends, so that the planner takes the index (revocations.c).
 */
#define PAGE_OF(key, beginning, end) \
    "SELECT pg_snapshot_xmin(pg_current_snapshot()), page.*" \
    " FROM (SELECT) AS always" \
    " LEFT JOIN LATERAL (" \
    "   SELECT id, array_to_json(roles)::text, " key \
    "   FROM users" \
    "   WHERE (" key ", id) > (" beginning ", $3::uuid)" \
    "     AND " key " BETWEEN " beginning " AND " end \
    "   ORDER BY " key ", id" \
    "   LIMIT " TEXT_OF_MACRO(CHANGED_ROLES_PAGE) \
    " ) AS page ON true"

static const struct db_statement by_time = {
    .name = "changed_roles_by_time",
    .parameters = PAGE_PARAMETERS,
    .columns = PAGE_COLUMNS,
    .read = read_page,
    .sql = PAGE_OF("roles_changed_at",
                   "coalesce($1::timestamptz, now() - $2::bigint * interval '1 second')",
                   "'infinity'"),
};

/* No visible row is beyond that end, except one restored from another cluster, which has other transaction numbers. */
static const struct db_statement by_transaction = {
    .name = "changed_roles_by_transaction",
    .parameters = PAGE_PARAMETERS,
    .columns = PAGE_COLUMNS,
    .read = read_page,
    .sql = PAGE_OF("roles_changed_xid",
                   "coalesce($1::xid8, $2::xid8)",
                   "pg_snapshot_xmax(pg_current_snapshot())"),
};

/* clang-format on */

/* ---- calls ---- */

struct changed_roles_cursor changed_roles_from(int64_t window_s) {
    assert(window_s >= 0);
    return (struct changed_roles_cursor){ .window_s = window_s + CHANGED_ROLES_LATE_S, .id = NO_ID };
}

struct changed_roles_cursor changed_roles_after(const struct changed_roles_cursor *last) {
    assert(last->horizon > 0);
    return (struct changed_roles_cursor){ .since = last->horizon, .id = NO_ID };
}

enum status changed_roles_read_page(const struct db_call *call, struct changed_roles_cursor *cursor, struct current_roles *map,
                                    bool *is_last) {
    bool is_by_transaction = cursor->since > 0;
    const char *const parameters[PAGE_PARAMETERS] = {
        [PAGE_AFTER] = cursor->behind[0] != '\0' ? cursor->behind : NULL,
        [PAGE_SINCE] = INTEGER_PARAMETER(is_by_transaction ? cursor->since : cursor->window_s),
        [PAGE_AFTER_ID] = cursor->id,
    };
    struct page page = { .cursor = cursor, .map = map };
    assert(!is_by_transaction || cursor->window_s == 0);
    enum status status = db_run_statement(call, is_by_transaction ? &by_transaction : &by_time, parameters, &page);
    *is_last = page.is_last;
    return status;
}
