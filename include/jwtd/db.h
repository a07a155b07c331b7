/*
 * db: one PostgreSQL connection, driven with a deadline. libpq is known in src/store/ only.
 *
 * A struct db belongs to one thread of the database pool. It connects when it is first needed and again, with back-off and
 * jitter, after it was lost; a kept connection is looked at for a hang-up before each statement, so that a restart of the server
 * costs no request its answer. All waiting is by poll against the request's deadline; a statement that misses it costs the
 * connection (its outcome on the server is bounded by statement_timeout, set at connection, or with each transaction when nothing
 * may be kept in the session). Of several hosts, one that was silent is asked last from then on, and a connection is given up
 * when its server is no longer what target_session_attrs asks for.
 *
 * Every statement of the program is one transaction and idempotent (ids are made before, updates are conditional), so db_run
 * may run it again: once after a lost connection, and after serialization failures and deadlocks, always within the deadline. The
 * mapping from SQLSTATE to status is one table in db_errors.c. What PostgreSQL says is logged, never returned.
 */
#ifndef JWTD_DB_H
#define JWTD_DB_H

#include "jwtd/arena.h"
#include "jwtd/status.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;

struct db_options {
    const char *url;              /* libpq URL or conninfo; "" reads the PG* variables */
    int64_t statement_timeout_ms; /* 0: none (migrations) */
    int64_t connect_timeout_ms;
    bool unprepared; /* behind a pooler that lends its connections by the transaction: nothing is kept in the session */
};

/* Borrows what options point to. Does not connect. NULL: memory. */
struct db *db_create(const struct db_options *options);
void db_destroy(struct db *db);

/* One statement of the program; static, so that its address names it. It is prepared once per connection. */
struct db_statement {
    const char *name; /* for the log and as the name of the prepared statement */
    const char *sql;
    int parameters; /* $1 to $n */
    struct {
        const char *constraint; /* NULL: none */
        enum status status;
    } expected; /* what the violation of this one constraint means; it is not logged */
};

/* Rows in text form, as libpq gives them; owned by the db until the next db_run or db_release. */
struct db_rows;

/* Parameters are NUL-terminated strings, NULL for SQL NULL. Gives STATUS_OK and the rows, STATUS_DATABASE_UNAVAILABLE,
 * STATUS_DEADLINE_EXCEEDED, STATUS_OUT_OF_MEMORY, or for a statement that PostgreSQL refuses: the status of its
 * `expected` constraint, STATUS_BAD_REQUEST (text that the database cannot hold), else STATUS_INTERNAL (our error). */
enum status db_run(struct db *db, int64_t deadline_us, const struct db_statement *statement, const char *const *parameters,
                   const struct db_rows **rows) MUST_CHECK;
void db_release(struct db *db);

/* The same behind `lock`, a statement that only locks rows, in one transaction and one round trip: `statement` then sees all that
 * was committed before the locks were granted; alone it would see only what was committed before it began to wait. Both take the
 * same parameters, `lock` the first of them. */
enum status db_run_locked(struct db *db, int64_t deadline_us, const struct db_statement *lock,
                          const struct db_statement *statement, const char *const *parameters,
                          const struct db_rows **rows) MUST_CHECK;

/* Whether the last statement was run a second time after a lost connection, so that the first run may have been committed. */
bool db_was_rerun(const struct db *db);

size_t db_row_count(const struct db_rows *rows);
bool db_is_null(const struct db_rows *rows, size_t row, int column);
struct text db_text(const struct db_rows *rows, size_t row, int column); /* borrowed from the rows */
int64_t db_integer(const struct db_rows *rows, size_t row, int column);  /* 0 for NULL */
bool db_boolean(const struct db_rows *rows, size_t row, int column);
struct uuid db_uuid(const struct db_rows *rows, size_t row, int column);

/* Copies a value into the arena; a timestamptz becomes RFC 3339 in UTC ("2026-11-20T21:35:00.123456Z"). */
struct text db_copy_text(const struct db_rows *rows, size_t row, int column, struct arena *arena);
struct text db_copy_time(const struct db_rows *rows, size_t row, int column, struct arena *arena);

/* For a thread without work of its own: 0, or until when a lost connection will not be sought again; and that search. */
int64_t db_unhealthy_until(const struct db *db);
void db_recover(struct db *db);

/* Answers "select 1" within the deadline. */
enum status db_ping(struct db *db, int64_t deadline_us) MUST_CHECK;

#endif
