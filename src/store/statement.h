/*
 * statement: what one statement of the program is, how it is asked, and how its rows are read.
 *
 * Each file of a table has its statements as static rows of this struct, with the SQL laid out one clause a line (clang-format is
 * off there), and functions that ask them. Their readers are in front of them: functions that are called while the rows exist,
 * and copy what outlives them.
 */
#ifndef JWTD_STORE_STATEMENT_H
#define JWTD_STORE_STATEMENT_H

#include "jwtd/db.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stddef.h>

/* Static, so that its address names it. It is prepared once on each connection. */
struct db_statement {
    const char *name; /* for the log and as the name of the prepared statement */
    const char *sql;
    int parameters; /* $1 to $n */
    int columns;    /* of each row */
    /* It changes nothing and waits for no row's lock, so it may share a round trip and a transaction with others of its kind. */
    bool only_reads;
    /* NULL, or a statement that only locks rows and runs in front of this one, in the same transaction and round trip, with the
     * first of the same parameters: this one then sees all that was committed before the locks were granted; alone it would see
     * only what was committed before it began to wait. */
    const struct db_statement *lock;
    /* What it does with the audit's table: audit_lock.h. One that uses it is not .only_reads. */
    enum db_audit_use { AUDIT_UNUSED, AUDIT_ADDS, AUDIT_LISTS } audit;
    struct {
        const char *constraint; /* NULL: none */
        enum status status;
    } expected;              /* what the violation of this one constraint means; it is not logged */
    enum status when_locked; /* instead of deadline_exceeded, of a statement that waits for locks only; STATUS_OK: that */
    /* Reads the rows into the query's `result`; NULL: they are not read. */
    enum status (*read)(const struct db_rows *rows, struct arena *arena, void *result);
};

/* Asks a statement whose rows are read into *result, and nothing behind it (`then` is NULL). The parameters, NULL without any,
 * are copied by pointer. */
void db_ask(struct db_query *query, const struct db_statement *statement, const char *const *parameters, void *result);

/* Parameters as text that is kept in the query: DB_PARAMETER_TEXTS_SIZE bytes in all, which is asserted. An id has 36 bytes, a
 * number at most 20, each with a NUL. db_text_parameter copies a short text, NULL as NULL. */
const char *db_text_parameter(struct db_query *query, const char *text);
const char *db_uuid_parameter(struct db_query *query, const struct uuid *id);
const char *db_integer_parameter(struct db_query *query, int64_t value);

/* Asks, runs and takes one statement (db.h: db_run). */
enum status db_run_statement(const struct db_call *call, const struct db_statement *statement, const char *const *parameters,
                             void *result) MUST_CHECK;

/* For db_run_statement: parameters as text that lives as long as the block in which they are written. */
#define UUID_PARAMETER(id) uuid_text((id), (char[UUID_TEXT_SIZE]){ 0 })
#define INTEGER_PARAMETER(value) db_integer_text((value), (char[INTEGER_TEXT_SIZE]){ 0 })
#define INTEGER_TEXT_SIZE 24
const char *db_integer_text(int64_t value, char text[INTEGER_TEXT_SIZE]);

/* Before each run of what is asked. */
void db_begin_run(struct db_query *query);

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
