#include "jwtd/revocations.h"

#include "cleanup_tables.h"
#include "sql.h"
#include "statement.h"

#include "jwtd/clock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- reading rows ---- */

/* The first columns of both statements. */
enum { SESSION, USER, REASON, REVOKED_AT_S, TRANSACTION, REVOCATION_COLUMNS };
#define REVOCATION_FIELDS                                                                                                        \
    "session_id, user_id, reason, floor(extract(epoch FROM revoked_at))::bigint AS revoked_at_s, transaction_id"

/* 0 for NULL: a row from before transactions were kept. */
static uint64_t transaction_at(const struct db_rows *rows, size_t row, int column) {
    uint64_t transaction = 0;
    return text_parse_unsigned(db_text(rows, row, column), UINT64_MAX, &transaction) ? transaction : 0;
}

static enum status add_all(const struct db_rows *rows, size_t count, struct revocation_feed *feed) {
    int64_t now_s = clock_retention_s(), read_at_s = clock_wall_s();
    enum status status = STATUS_OK;
    for (size_t row = 0; status == STATUS_OK && row < count; row++)
        status = revocation_feed_add(feed,
                                     &(struct feed_revocation){ .session_id = db_uuid(rows, row, SESSION),
                                                                .user_id = db_uuid(rows, row, USER),
                                                                .reason = db_text(rows, row, REASON),
                                                                .transaction = transaction_at(rows, row, TRANSACTION),
                                                                .revoked_at_s = db_integer(rows, row, REVOKED_AT_S),
                                                                .read_at_s = read_at_s },
                                     now_s);
    return status;
}

struct page {
    struct revocations_page_position *cursor;
    struct revocations_horizon *horizon;
    struct revocation_feed *feed;
    bool is_last, is_other_server;
};

enum { PAGE_REVOKED_AT = REVOCATION_COLUMNS, PAGE_ID, PAGE_COLUMNS };

static void move_cursor(struct revocations_page_position *cursor, const struct db_rows *rows, size_t row) {
    struct text revoked_at = db_text(rows, row, PAGE_REVOKED_AT);
    assert(revoked_at.len > 0 && revoked_at.len < sizeof cursor->revoked_at);
    snprintf(cursor->revoked_at, sizeof cursor->revoked_at, "%.*s", (int)revoked_at.len, revoked_at.bytes);
    cursor->id = db_integer(rows, row, PAGE_ID);
}

static enum status read_page(const struct db_rows *rows, struct arena *arena, void *result) {
    struct page *page = result;
    size_t count = db_row_count(rows);
    (void)arena;
    assert(count <= REVOCATIONS_PAGE);
    enum status status = add_all(rows, count, page->feed);
    if (status == STATUS_OK && count > 0)
        move_cursor(page->cursor, rows, count - 1);
    page->is_last = count < REVOCATIONS_PAGE;
    return status;
}

enum { LATE_ID = REVOCATION_COLUMNS, LATE_OLDEST_RUNNING, LATE_DATABASE, LATE_NOW_S, LATE_SERVER, LATE_COLUMNS };

static void copy(char target[TRANSACTION_TEXT_SIZE], struct text text) {
    assert(text.len > 0 && text.len < TRANSACTION_TEXT_SIZE);
    snprintf(target, TRANSACTION_TEXT_SIZE, "%.*s", (int)text.len, text.bytes);
}

static void move_horizon(struct revocations_horizon *horizon, const struct db_rows *rows, bool is_last) {
    size_t last = db_row_count(rows) - 1;
    if (horizon->transaction[0] == '\0') {
        copy(horizon->next, db_text(rows, 0, LATE_OLDEST_RUNNING));
        horizon->next_known = (struct revocation_cursor){ .database = db_uuid(rows, 0, LATE_DATABASE),
                                                          .transaction = transaction_at(rows, 0, LATE_OLDEST_RUNNING),
                                                          .read_at_s = db_integer(rows, 0, LATE_NOW_S) };
    }
    if (!is_last) {
        copy(horizon->transaction, db_text(rows, last, TRANSACTION));
        horizon->id = db_integer(rows, last, LATE_ID);
        return;
    }
    assert(horizon->next[0] != '\0');
    memcpy(horizon->from, horizon->next, sizeof horizon->from);
    horizon->known = horizon->next_known;
    horizon->transaction[0] = '\0';
    horizon->id = 0;
}

static void begin_anew(struct revocations_horizon *horizon) {
    *horizon = (struct revocations_horizon){ .known = horizon->known };
}

/* One row at least: that of the horizon, without a session when there is nothing to read. */
static enum status read_late(const struct db_rows *rows, struct arena *arena, void *result) {
    struct page *page = result;
    size_t count = db_row_count(rows);
    enum status status = STATUS_OK;
    (void)arena;
    assert(count > 0 && count <= REVOCATIONS_PAGE);
    if (!db_is_null(rows, 0, SESSION))
        status = add_all(rows, count, page->feed);
    page->is_last = count < REVOCATIONS_PAGE;
    int64_t server = db_integer(rows, 0, LATE_SERVER);
    page->is_other_server = page->horizon->server != 0 && page->horizon->server != server;
    if (status != STATUS_OK)
        return status;
    if (page->is_other_server)
        begin_anew(page->horizon);
    else
        move_horizon(page->horizon, rows, page->is_last);
    page->horizon->server = server;
    page->is_last = page->is_last && !page->is_other_server;
    return STATUS_OK;
}

/* ---- statements ---- */

/* clang-format off */

enum { PAGE_AFTER /* $1 */, PAGE_WINDOW_S /* $2 */, PAGE_AFTER_ID /* $3 */, PAGE_PARAMETERS };

#define PAGE_BEGINNING "coalesce($1::timestamptz, now() - $2::bigint * interval '1 second')"

/*
 * By index, whatever the statistics of the table: now() is the same for all rows, as clock_timestamp() is not, and a range with two
 * ends is estimated as a small part of the table. The comparison of rows finds the position in the index.
 */
static const struct db_statement read_by_time = {
    .name = "revocations_read",
    .parameters = PAGE_PARAMETERS,
    .columns = PAGE_COLUMNS,
    .read = read_page,
    .sql = "SELECT " REVOCATION_FIELDS ", revoked_at, id"
           " FROM revocations"
           " WHERE (revoked_at, id) > (" PAGE_BEGINNING ", $3::bigint)"
           "   AND revoked_at BETWEEN " PAGE_BEGINNING " AND 'infinity'"
           " ORDER BY revoked_at, id"
           " LIMIT " TEXT_OF_MACRO(REVOCATIONS_PAGE),
};

enum { LATE_AFTER /* $1 */, LATE_AFTER_ID /* $2 */, LATE_PARAMETERS };

static const struct db_statement read_by_transaction = {
    .name = "revocations_read_late",
    .parameters = LATE_PARAMETERS,
    .columns = LATE_COLUMNS,
    .read = read_late,
    .sql = "SELECT r.*, pg_snapshot_xmin(pg_current_snapshot()), d.id, floor(extract(epoch FROM now()))::bigint,"
           "  (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint"
           " FROM database_identity d"
           " LEFT JOIN LATERAL ("
           "   SELECT " REVOCATION_FIELDS ", id"
           "   FROM revocations"
           "   WHERE (transaction_id, id) > ($1::xid8, $2::bigint)"
           "   ORDER BY transaction_id, id"
           "   LIMIT " TEXT_OF_MACRO(REVOCATIONS_PAGE)
           " ) r ON true",
};

enum { OLD_BATCH /* $1 */, OLD_ACCESS_TTL_MS /* $2 */, OLD_PARAMETERS };

static const struct db_statement delete_old = {
    .name = "revocations_delete_old",
    .parameters = OLD_PARAMETERS,
    .columns = 1,
    .read = db_read_integer,
    .sql = "WITH deleted AS ("
           "   DELETE FROM revocations"
           "   WHERE id IN (SELECT id"
           "                FROM revocations"
           "                WHERE revoked_at < now() - interval '1 day' - $2 * interval '1 millisecond'"
           "                ORDER BY revoked_at"
           "                LIMIT $1"
           "                FOR UPDATE SKIP LOCKED)"
           "   RETURNING id"
           " )"
           " SELECT count(*) FROM deleted",
};

/* clang-format on */

/* ---- calls ---- */

struct revocations_page_position revocations_pages_from(int64_t window_s) {
    assert(window_s >= 0);
    return (struct revocations_page_position){ .window_s = window_s };
}

enum status revocations_read_page(const struct db_call *call, struct revocations_page_position *cursor,
                                  struct revocation_feed *feed, bool *is_last) {
    const char *const parameters[PAGE_PARAMETERS] = {
        [PAGE_AFTER] = cursor->revoked_at[0] != '\0' ? cursor->revoked_at : NULL,
        [PAGE_WINDOW_S] = INTEGER_PARAMETER(cursor->window_s),
        [PAGE_AFTER_ID] = INTEGER_PARAMETER(cursor->id),
    };
    struct page page = { .cursor = cursor, .feed = feed };
    enum status status = db_run_statement(call, &read_by_time, parameters, &page);
    *is_last = page.is_last;
    return status;
}

enum status revocations_read_late(const struct db_call *call, struct revocations_horizon *horizon, struct revocation_feed *feed,
                                  bool *is_last, bool *is_other_server) {
    const char *transaction = horizon->transaction[0] != '\0' ? horizon->transaction : horizon->from;
    const char *const parameters[LATE_PARAMETERS] = {
        [LATE_AFTER] = transaction[0] != '\0' ? transaction : NULL,
        [LATE_AFTER_ID] = INTEGER_PARAMETER(horizon->id),
    };
    struct page page = { .horizon = horizon, .feed = feed };
    enum status status = db_run_statement(call, &read_by_transaction, parameters, &page);
    *is_last = page.is_last;
    *is_other_server = page.is_other_server;
    return status;
}

enum status revocations_delete_old(const struct db_call *call, const struct cleanup_rules *rules, int64_t *deleted) {
    const char *const parameters[OLD_PARAMETERS] = {
        [OLD_BATCH] = INTEGER_PARAMETER(rules->batch),
        [OLD_ACCESS_TTL_MS] = INTEGER_PARAMETER(rules->access_ttl_ms),
    };
    return db_run_statement(call, &delete_old, parameters, deleted);
}
