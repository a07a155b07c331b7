/*
 * statement: what one statement of the program is, how it is run, and how its rows are read.
 *
 * Each file of a table has its statements as static rows of this struct, with the SQL laid out one clause a line (clang-format is
 * off there), and runs each by db_run. Their readers are in front of them: functions that are called while the rows exist, and
 * copy what outlives them.
 */
#ifndef JWTD_STORE_STATEMENT_H
#define JWTD_STORE_STATEMENT_H

#include "jwtd/db.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stddef.h>

/* The result of a statement, in text form. */
struct db_rows;

/* Static, so that its address names it. It is prepared once on each connection. */
struct db_statement {
    const char *name; /* for the log and as the name of the prepared statement */
    const char *sql;
    int parameters; /* $1 to $n */
    int columns;    /* of each row */
    /* NULL, or a statement that only locks rows and runs in front of this one, in the same transaction and round trip, with the
     * first of the same parameters: this one then sees all that was committed before the locks were granted; alone it would see
     * only what was committed before it began to wait. */
    const struct db_statement *lock;
    struct {
        const char *constraint; /* NULL: none */
        enum status status;
    } expected; /* what the violation of this one constraint means; it is not logged */
    /* Reads the rows into what the caller of db_run passes as `result`; NULL: they are not read. */
    enum status (*read)(const struct db_rows *rows, struct arena *arena, void *result);
};

/* Runs a statement, again where db.h says so, and reads its rows. Parameters are NUL-terminated strings, NULL for SQL NULL. On
 * failure *result is undefined. */
enum status db_run(const struct db_call *call, const struct db_statement *statement, const char *const *parameters,
                   void *result) MUST_CHECK;

/* Whether the last db_run ran its statement a second time after a lost connection, so that the first run may have been committed.
 */
bool db_was_rerun(const struct db *db);

/* Parameters as text that lives as long as the block in which they are written. */
#define UUID_PARAMETER(id) uuid_text((id), (char[UUID_TEXT_SIZE]){ 0 })
#define INTEGER_PARAMETER(value) db_integer_text((value), (char[INTEGER_TEXT_SIZE]){ 0 })
#define INTEGER_TEXT_SIZE 24
const char *db_integer_text(int64_t value, char text[INTEGER_TEXT_SIZE]);

size_t db_row_count(const struct db_rows *rows);
bool db_is_null(const struct db_rows *rows, size_t row, int column);
struct text db_text(const struct db_rows *rows, size_t row, int column); /* borrowed from the rows; {NULL, 0} for NULL */
int64_t db_integer(const struct db_rows *rows, size_t row, int column);  /* 0 for NULL */
bool db_boolean(const struct db_rows *rows, size_t row, int column);     /* false for NULL */
struct uuid db_uuid(const struct db_rows *rows, size_t row, int column); /* zeros for NULL and for what is no UUID */

/* Copies a value into the arena, {NULL, 0} if out of memory or for NULL; a timestamptz becomes RFC 3339 in UTC
 * ("2026-11-20T21:35:00.123456Z"). */
struct text db_copy_text(const struct db_rows *rows, size_t row, int column, struct arena *arena);
struct text db_copy_time(const struct db_rows *rows, size_t row, int column, struct arena *arena);

/* Copies the ids of a column that are not NULL. STATUS_OUT_OF_MEMORY leaves an empty list. */
enum status db_copy_uuids(const struct db_rows *rows, int column, struct arena *arena, struct uuid **ids,
                          size_t *count) MUST_CHECK;

/* Readers. *result is a bool, whether there is a row; or an int64_t, the one value of the one row. */
enum status db_read_found(const struct db_rows *rows, struct arena *arena, void *result);
enum status db_read_integer(const struct db_rows *rows, struct arena *arena, void *result);

#endif
