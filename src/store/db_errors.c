#include "db_errors.h"

#include <string.h>

/* The first row whose prefix fits. PostgreSQL 15, appendix A. */
static const struct {
    const char *prefix;
    struct db_error error;
} table[] = {
    { "40001", { STATUS_DATABASE_UNAVAILABLE, REMEDY_RETRY } },     /* serialization_failure */
    { "40P01", { STATUS_DATABASE_UNAVAILABLE, REMEDY_RETRY } },     /* deadlock_detected */
    { "40", { STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT } },    /* rolled back, or the outcome is unknown */
    { "08", { STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT } },    /* connection exception */
    { "57014", { STATUS_DEADLINE_EXCEEDED, REMEDY_NONE } },         /* query_canceled: statement_timeout */
    { "55P03", { STATUS_DEADLINE_EXCEEDED, REMEDY_NONE } },         /* lock_not_available: lock_timeout */
    { "25P03", { STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT } }, /* idle_in_transaction_session_timeout */
    { "57P", { STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT } },   /* shutdown, crash, cannot connect now */
    { "25006", { STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT } }, /* read-only: the primary is another one now */
    { "26000",
      { STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT } }, /* the prepared statement does not exist: another server session */
    { "42P05",
      { STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT } },  /* it exists already: a session that a pooler has assigned before */
    { "25P02", { STATUS_INTERNAL, REMEDY_RECONNECT } },     /* a failed transaction is open: its owner is unknown */
    { "0A000", { STATUS_INTERNAL, REMEDY_RECONNECT } },     /* a migration has changed the type of a prepared result */
    { "53", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* disk full, memory, too many connections */
    { "58", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* I/O error */
    { "XX", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* damaged data: an error of the server */
    { "28", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* invalid authorization */
    { "3D000", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* no such database */
    { "3F000", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* no such schema */
    { "42P01", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* no such table: not migrated */
    { "42703", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* no such column: not migrated */
    { "428C9",
      { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* a generated column that a migration makes a plain one: not migrated */
    { "42883", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* no such function: not migrated */
    { "42704", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* no such type or constraint: not migrated */
    { "42P10", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* no unique index for an ON CONFLICT: not migrated */
    { "42804", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* a column of another type: not migrated */
    { "42501", { STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE } }, /* insufficient privilege */
    { "22021", { STATUS_BAD_REQUEST, REMEDY_NONE } },          /* not valid in the encoding */
    { "22P05", { STATUS_BAD_REQUEST, REMEDY_NONE } },          /* untranslatable character */
    { "", { STATUS_INTERNAL, REMEDY_NONE } },
};

struct db_error db_classify_sqlstate(const char *sqlstate) {
    if (sqlstate == NULL || sqlstate[0] == '\0')
        return (struct db_error){ STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT };
    size_t row = 0;
    while (strncmp(sqlstate, table[row].prefix, strlen(table[row].prefix)) != 0)
        row++;
    return table[row].error;
}
