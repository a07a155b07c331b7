#include "jwtd/migrations.h"

#include "db_internal.h"
#include "migration_files.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <string.h>

/* Any number, the same in every version of the program. */
#define LOCK_KEY "7237648911"
#define CONNECT_US (10 * CLOCK_US_PER_S)

static const struct db_statement applied_statement = { "migrations_applied",
                                                       "SELECT count(*) FROM schema_migrations WHERE version = $1", 1 };

/* Migrations may take as long as they need, so these two block; they run on the command line only. */
static bool run_script(struct db *db, const char *name, const char *sql) {
    PGresult *result = PQexec(db->connection, sql);
    ExecStatusType outcome = PQresultStatus(result);
    bool done = outcome == PGRES_COMMAND_OK || outcome == PGRES_TUPLES_OK;
    if (!done)
        log_event(LOG_ERROR, "migration_failed", "migration=%s reason=%s", name, PQresultErrorMessage(result));
    PQclear(result);
    return done;
}

static bool record(struct db *db, const char *version) {
    PGresult *result =
        PQexecParams(db->connection, "INSERT INTO schema_migrations (version) VALUES ($1)", 1, NULL, &version, NULL, NULL, 0);
    bool done = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!done)
        log_event(LOG_ERROR, "migration_failed", "migration=%s reason=%s", version, PQresultErrorMessage(result));
    PQclear(result);
    return done;
}

static enum status is_applied(struct db *db, int64_t deadline_us, const struct migration_file *file, bool *applied) {
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &applied_statement, &file->version, &rows);
    if (status == STATUS_OK)
        *applied = db_integer(rows, 0, 0) > 0;
    db_release(db);
    return status;
}

static bool apply_one(struct db *db, const struct migration_file *file, FILE *out) {
    bool applied = false;
    if (is_applied(db, clock_monotonic_us() + CONNECT_US, file, &applied) != STATUS_OK)
        return false;
    if (applied)
        return true;
    bool done = run_script(db, file->name, "BEGIN") && run_script(db, file->name, file->up) && record(db, file->version) &&
                run_script(db, file->name, "COMMIT");
    if (done)
        fprintf(out, "applied %s\n", file->name);
    return done;
}

static bool apply_all(struct db *db, FILE *out) {
    if (db_connect(db, clock_monotonic_us() + CONNECT_US) != STATUS_OK)
        return false;
    /* the lock first: two that create the same table at once would trip over each other */
    if (!run_script(db, "lock", "SELECT pg_advisory_lock(" LOCK_KEY ")") ||
        !run_script(db, "schema_migrations", "CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY)"))
        return false;
    for (size_t i = 0; i < migration_files_count; i++) {
        if (!apply_one(db, &migration_files[i], out))
            return false;
    }
    return true;
}

bool migrations_apply(const struct db_options *options, FILE *out) {
    struct db *db = db_create(options);
    if (db == NULL)
        return false;
    bool done = apply_all(db, out);
    db_destroy(db); /* which releases the lock */
    return done;
}

static bool print_status(struct db *db, FILE *out, unsigned *pending) {
    int64_t deadline_us = clock_monotonic_us() + CONNECT_US;
    static const struct db_statement exists = { "migrations_table", "SELECT to_regclass('schema_migrations') IS NOT NULL", 0 };
    const struct db_rows *rows;
    if (db_run(db, deadline_us, &exists, NULL, &rows) != STATUS_OK)
        return false;
    bool has_table = db_boolean(rows, 0, 0);
    db_release(db);
    for (size_t i = 0; i < migration_files_count; i++) {
        bool applied = false;
        if (has_table && is_applied(db, deadline_us, &migration_files[i], &applied) != STATUS_OK)
            return false;
        fprintf(out, "%-8s %s\n", applied ? "applied" : "pending", migration_files[i].name);
        *pending += applied ? 0 : 1;
    }
    return true;
}

bool migrations_print_status(const struct db_options *options, FILE *out, unsigned *pending) {
    struct db *db = db_create(options);
    *pending = 0;
    if (db == NULL)
        return false;
    bool done = print_status(db, out, pending);
    db_destroy(db);
    return done;
}

enum status migrations_are_applied(struct db *db, int64_t deadline_us, bool *applied) {
    *applied = true;
    for (size_t i = 0; i < migration_files_count && *applied; i++) {
        enum status status = is_applied(db, deadline_us, &migration_files[i], applied);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}
