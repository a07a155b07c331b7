#include "jwtd/revocations.h"

#include "db_values.h"
#include "sql.h"

#include "jwtd/clock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct revocations_cursor revocations_from(int64_t window_s) {
    return (struct revocations_cursor){ .window_s = window_s };
}

static void move_behind(struct revocations_cursor *cursor, const struct db_rows *rows, size_t row) {
    struct text revoked_at = db_text(rows, row, 1);
    assert(revoked_at.len < sizeof cursor->revoked_at);
    snprintf(cursor->revoked_at, sizeof cursor->revoked_at, "%.*s", (int)revoked_at.len, revoked_at.bytes);
    cursor->id = db_integer(rows, row, 2);
}

static enum status add_all(const struct db_rows *rows, size_t count, struct revoked_sessions *set) {
    int64_t now_s = clock_wall_s();
    enum status status = STATUS_OK;
    for (size_t row = 0; status == STATUS_OK && row < count; row++) {
        struct uuid id = db_uuid(rows, row, 0);
        status = revoked_sessions_add(set, &id, now_s);
    }
    return status;
}

#define BEGINNING "coalesce($1::timestamptz, now() - $2::bigint * interval '1 second')"

enum status revocations_read_page(struct db *db, int64_t deadline_us, struct revocations_cursor *cursor,
                                  struct revoked_sessions *set, bool *is_last) {
    /* By index, whatever the planner knows of the table: now() is the same for all rows, as clock_timestamp() is not, and a range
     * with two ends is taken for a small part of it. The comparison of rows is what finds the place in the index. */
    static const struct db_statement statement = { .name = "revocations_read",
                                                   .sql = "SELECT session_id, revoked_at, id FROM revocations"
                                                          " WHERE (revoked_at, id) > (" BEGINNING
                                                          ", $3::bigint) AND revoked_at BETWEEN " BEGINNING " AND 'infinity'"
                                                          " ORDER BY revoked_at, id LIMIT " TEXT_OF_MACRO(REVOCATIONS_PAGE),
                                                   .parameters = 3 };
    char window_text[INTEGER_TEXT_SIZE], id_text[INTEGER_TEXT_SIZE];
    const char *const parameters[] = { cursor->revoked_at[0] != '\0' ? cursor->revoked_at : NULL,
                                       integer_text(cursor->window_s, window_text), integer_text(cursor->id, id_text) };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    size_t count = db_row_count(rows);
    status = add_all(rows, count, set);
    if (status == STATUS_OK && count > 0)
        move_behind(cursor, rows, count - 1);
    *is_last = count < REVOCATIONS_PAGE;
    db_release(db);
    return status;
}

static void copy(char target[24], struct text text) {
    assert(text.len < 24);
    snprintf(target, 24, "%.*s", (int)text.len, text.bytes);
}

/* One row at least: that of the horizon, without a session when there is nothing to read. */
static void move_horizon(struct revocations_horizon *horizon, const struct db_rows *rows, bool is_last) {
    size_t last = db_row_count(rows) - 1;
    if (horizon->transaction[0] == '\0')
        copy(horizon->next, db_text(rows, 0, 3));
    if (!is_last) {
        copy(horizon->transaction, db_text(rows, last, 1));
        horizon->id = db_integer(rows, last, 2);
        return;
    }
    memcpy(horizon->from, horizon->next, sizeof horizon->from);
    horizon->transaction[0] = '\0';
    horizon->id = 0;
}

enum status revocations_read_late(struct db *db, int64_t deadline_us, struct revocations_horizon *horizon,
                                  struct revoked_sessions *set, bool *is_last) {
    /* clang-format off */
    static const struct db_statement statement = {
        .name = "revocations_read_late", .sql = "SELECT r.session_id, r.transaction_id, r.id, pg_snapshot_xmin(pg_current_snapshot()) FROM (SELECT) AS one LEFT JOIN LATERAL"
        " (SELECT session_id, transaction_id, id FROM revocations WHERE (transaction_id, id) > ($1::xid8, $2::bigint)"
        " ORDER BY transaction_id, id LIMIT " TEXT_OF_MACRO(REVOCATIONS_PAGE) ") r ON true", .parameters = 2};
    /* clang-format on */
    char id_text[INTEGER_TEXT_SIZE];
    const char *transaction = horizon->transaction[0] != '\0' ? horizon->transaction : horizon->from;
    const char *const parameters[] = { transaction[0] != '\0' ? transaction : NULL, integer_text(horizon->id, id_text) };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    size_t count = db_row_count(rows);
    assert(count > 0);
    if (!db_is_null(rows, 0, 0))
        status = add_all(rows, count, set);
    *is_last = count < REVOCATIONS_PAGE;
    if (status == STATUS_OK)
        move_horizon(horizon, rows, *is_last);
    db_release(db);
    return status;
}
