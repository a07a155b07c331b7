#include "jwtd/migrations.h"

#include "db_blocking.h"
#include "migration_files.h"
#include "table_rights.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLE "schema_migrations"
#define INSUFFICIENT_PRIVILEGE "42501"
#define NO_SCHEMA "3F000" /* that the role may use */
#define CONNECT_US (10 * CLOCK_US_PER_S)
#define LOCK_TIMEOUT "1s"
#define LOCK_PAUSE_S 2u
#define LOCK_TRIES 100
#define APPLY_US (INT64_C(3600) * CLOCK_US_PER_S) /* for a large table */

/* Each transaction takes the lock (any number, the same in every version of the program) and so sees what others have applied. */
#define BEGIN_LOCKED "BEGIN; SELECT pg_advisory_xact_lock(7237648911); "

/* clang-format off */

/*
 * Default privileges may allow the role of the service to write every table; by this one the program decides whether it knows the
 * schema, so only the role that migrates may write it. Revoked if this is the table's owner, who alone may do so, and each time, since
 * a later GRANT on all tables grants it again.
 */
#define PROTECT_TABLE \
    "DO $$" \
    " DECLARE grantee text;" \
    " BEGIN" \
    "   FOR grantee IN" \
    "     SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END" \
    "     FROM pg_class c, aclexplode(c.relacl) a" \
    "     WHERE c.oid = 'schema_migrations'::regclass" \
    "       AND a.privilege_type <> 'SELECT'" \
    "       AND a.grantee <> c.relowner" \
    "       AND pg_has_role(current_user, c.relowner, 'USAGE')" \
    "   LOOP" \
    "     EXECUTE 'REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON schema_migrations FROM ' || grantee;" \
    "   END LOOP;" \
    " END $$; "

static const char create_table[] =
    BEGIN_LOCKED
    "CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY); "
    PROTECT_TABLE
    "COMMIT";

/* clang-format on */

static void log_failure(const char *migration, const char *reason) {
    log_event(LOG_ERROR, "migration_failed", "migration=%s reason=%s", migration, reason);
}

/* With what the server has said, if it has. */
static void log_refusal(struct db *db, const char *migration, enum status status) {
    const struct db_failure *failure = db_failure(db);
    if (failure->message[0] == '\0') {
        log_failure(migration, status_info(status)->name);
        return;
    }
    bool lacks_right = strcmp(failure->sqlstate, INSUFFICIENT_PRIVILEGE) == 0 || strcmp(failure->sqlstate, NO_SCHEMA) == 0;
    log_event(LOG_ERROR, "migration_failed", "migration=%s role=%s reason=%s cure=%s", migration, failure->role, failure->message,
              lacks_right
                  ? "migrate as the owner of the tables; the role needs CREATE and USAGE on the schema, and the tables must "
                    "belong to it"
                  : NULL);
}

static enum status run_script(struct db *db, const char *name, const char *script, size_t *count) {
    return db_run_script(db, clock_monotonic_us() + APPLY_US, name, script, count);
}

/* Runs a script that names a migration; versions and texts come from our own tree. `script` is freed; NULL: out of memory. */
static enum status run_made_script(struct db *db, const struct migration_file *file, char *script, size_t *count) {
    if (script == NULL)
        return STATUS_OUT_OF_MEMORY;
    enum status status = run_script(db, file->name, script, count);
    free(script);
    return status;
}

static char *make_check(const struct migration_file *file) {
    char *script;
    int len = asprintf(&script, BEGIN_LOCKED "SELECT FROM schema_migrations WHERE version = '%s'", file->version);
    return len < 0 ? NULL : script;
}

/* A migration that waits for the lock of a table blocks all later users of the table, above all the service: so none waits for
 * long. */
static char *make_step(const struct migration_file *file) {
    char *script;
    int len = asprintf(
        &script, "SET LOCAL lock_timeout = '" LOCK_TIMEOUT "'; %s; INSERT INTO schema_migrations (version) VALUES ('%s'); COMMIT",
        file->up, file->version);
    return len < 0 ? NULL : script;
}

static enum status try_one(struct db *db, const struct migration_file *file, FILE *out) {
    size_t found = 0, ignored;
    enum status status = db_connect(db, clock_monotonic_us() + CONNECT_US);
    if (status == STATUS_OK)
        status = run_made_script(db, file, make_check(file), &found);
    if (status != STATUS_OK)
        return status;
    if (found > 0)
        return run_script(db, file->name, "COMMIT", &ignored);
    status = run_made_script(db, file, make_step(file), &ignored);
    if (status == STATUS_OK)
        fprintf(out, "applied %s\n", file->name);
    return status;
}

/* Tried again, since another transaction on the table, of a dump for instance, ends at some time. */
static bool apply_one(struct db *db, const struct migration_file *file, FILE *out) {
    for (int tries = 1; tries <= LOCK_TRIES; tries++) {
        enum status status = try_one(db, file, out);
        if (status == STATUS_OK)
            return true;
        if (status != STATUS_DEADLINE_EXCEEDED) { /* which is a lock */
            log_refusal(db, file->name, status);
            return false;
        }
        log_event(LOG_WARN, "migration_waits", "migration=%s try=%d of=%d", file->name, tries, LOCK_TRIES);
        sleep(LOCK_PAUSE_S);
    }
    /* LOCK_TRIES times LOCK_TIMEOUT and LOCK_PAUSE_S */
    log_failure(file->name, "another transaction held a lock on its tables for five minutes (see pg_locks)");
    return false;
}

/* Default privileges are those of the role that makes a table. */
static enum status warn_superuser(struct db *db) {
    /* clang-format off */
    static const struct db_statement find_superuser = {
        .name = "migrations_find_superuser",
        .columns = 1,
        .only_reads = true,
        .read = db_read_found,
        .sql = "SELECT rolname FROM pg_roles WHERE rolname = current_user AND rolsuper",
    };
    /* clang-format on */
    struct db_call call = { .db = db, .deadline_us = clock_monotonic_us() + CONNECT_US };
    bool is_superuser = false;
    enum status status = db_run_statement(&call, &find_superuser, NULL, &is_superuser);
    if (is_superuser)
        log_event(
            LOG_WARN, "migrates_as_superuser", "reason=%s cure=%s",
            "the tables that this makes belong to the superuser, and the default privileges that give the service its rights "
            "are those of the owner",
            "migrate as the owner of the tables");
    return status;
}

static bool apply_all(struct db *db, FILE *out) {
    size_t ignored;
    enum status status = db_connect(db, clock_monotonic_us() + CONNECT_US);
    if (status == STATUS_OK)
        status = run_script(db, TABLE, create_table, &ignored);
    if (status == STATUS_OK)
        status = warn_superuser(db);
    if (status != STATUS_OK) {
        log_refusal(db, TABLE, status);
        return false;
    }
    for (size_t i = 0; i < migration_files_count; i++)
        if (!apply_one(db, &migration_files[i], out))
            return false;
    return true;
}

/* ---- what is applied ---- */

static void copy_text(char *copy, size_t size, struct text text) {
    (void)snprintf(copy, size, "%.*s", (int)text.len, text.len > 0 ? text.bytes : "");
}

/* Without the table nothing is applied, and tables of the same names may be another program's. */
static enum status read_tables(const struct db_rows *rows, struct arena *arena, void *result) {
    struct schema *schema = result;
    (void)arena;
    if (!db_boolean(rows, 0, 0))
        return STATUS_OK;
    copy_text(schema->missing, sizeof schema->missing, db_text(rows, 0, 2));
    copy_text(schema->cure, sizeof schema->cure, db_text(rows, 0, 3));
    schema->state = db_boolean(rows, 0, 1) ? SCHEMA_FORBIDDEN : SCHEMA_CURRENT;
    return STATUS_OK;
}

static enum status read_schema(const struct db_rows *rows, struct arena *arena, void *result) {
    struct schema *schema = result;
    (void)arena;
    struct text newest = db_text(rows, 0, 1);
    copy_text(schema->newest, sizeof schema->newest, newest);
    bool is_newer = newest.len > 0 && strcmp(schema->newest, migrations_newest()) > 0;
    schema->state = !db_boolean(rows, 0, 0) ? SCHEMA_OLDER : is_newer ? SCHEMA_NEWER : SCHEMA_CURRENT;
    return STATUS_OK;
}

/* The result is where they are printed. */
static enum status print_newer_ones(const struct db_rows *rows, struct arena *arena, void *result) {
    (void)arena;
    for (size_t i = 0; i < db_row_count(rows); i++) {
        struct text version = db_text(rows, i, 0);
        fprintf(result, "%-8s %.*s, of a later version of this program\n", "newer", (int)version.len, version.bytes);
    }
    return STATUS_OK;
}

/* clang-format off */

static const struct db_statement find_version = {
    .name = "migrations_find_version",
    .parameters = 1,
    .only_reads = true,
    .read = db_read_found,
    .sql = "SELECT FROM schema_migrations WHERE version = $1",
};

static const struct db_statement find_table = {
    .name = "migrations_find_table",
    .columns = 1,
    .only_reads = true,
    .read = db_read_found,
    .sql = "SELECT to_regclass('schema_migrations') AS name"
           " WHERE to_regclass('schema_migrations') IS NOT NULL",
};

/* What has_table_privilege says of a table that is not there is NULL, as of one in a schema that the role may not use: that is
 * looked for by name. A column's privilege counts as the table's; has_any_column_privilege knows no DELETE. */
static const struct db_statement find_schema_table = {
    .name = "migrations_find_schema_table",
    .columns = 4,
    .only_reads = true,
    .read = read_tables,
    .sql = "WITH lacking AS ("
           "   SELECT found.rights, needed.name AS object, found.is_serving"
           "   FROM " TABLE_RIGHTS
           "   CROSS JOIN LATERAL ("
           "     SELECT string_agg(privilege, ', ') AS rights, bool_or(privilege = ANY (needed.serving)) AS is_serving"
           "     FROM unnest(needed.serving || needed.reported) AS privilege"
           "     WHERE NOT (has_table_privilege(to_regclass(needed.name)::oid, privilege)"
           "                OR CASE WHEN privilege <> 'DELETE'"
           "                   THEN has_any_column_privilege(to_regclass(needed.name)::oid, privilege) ELSE false END)) AS found"
           "   WHERE found.rights IS NOT NULL"
           "   UNION ALL"
           "   SELECT 'USAGE', 'schema ' || quote_ident(n.nspname), true"
           "   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
           "   WHERE c.relname = 'schema_migrations' AND to_regclass('schema_migrations') IS NULL"
           "     AND n.nspname = ANY (string_to_array("
           "       replace(replace(replace(current_setting('search_path'), '$user', current_user), '\"', ''), ' ', ''), ','))"
           "     AND NOT has_schema_privilege(n.oid, 'USAGE'))"
           " SELECT"
           "   to_regclass('schema_migrations') IS NOT NULL OR coalesce(bool_or(rights = 'USAGE'), false) AS is_there,"
           "   coalesce(bool_or(is_serving), false) AS is_forbidden,"
           "   string_agg(rights || ' on ' || object, '; ') AS missing,"
           "   string_agg(format('GRANT %s ON %s TO %I', rights, object, current_user), '; ') AS cure"
           " FROM lacking",
};

static const struct db_statement compare_versions = {
    .name = "migrations_compare_versions",
    .parameters = 1,
    .columns = 2,
    .only_reads = true,
    .read = read_schema,
    .sql = "SELECT"
           "   count(*) FILTER (WHERE version = ANY ($1::text[])) = cardinality($1::text[]) AS is_complete,"
           "   max(version) AS newest"
           " FROM schema_migrations",
};

static const struct db_statement find_newer = {
    .name = "migrations_find_newer",
    .parameters = 1,
    .columns = 1,
    .only_reads = true,
    .read = print_newer_ones,
    .sql = "SELECT version FROM schema_migrations WHERE version > $1 ORDER BY version",
};

/* clang-format on */

const char *migrations_newest(void) {
    return migration_files[migration_files_count - 1].version;
}

static enum status print_newer(struct db *db, FILE *out) {
    struct db_call call = { .db = db, .deadline_us = clock_monotonic_us() + CONNECT_US };
    const char *newest = migrations_newest();
    return db_run_statement(&call, &find_newer, &newest, out);
}

/* ---- commands ---- */

bool migrations_apply(const struct db_options *options, FILE *out) {
    struct db *db = db_create(options);
    if (db == NULL) {
        log_failure(TABLE, status_info(STATUS_OUT_OF_MEMORY)->name);
        return false;
    }
    bool done = apply_all(db, out) && print_newer(db, out) == STATUS_OK;
    db_destroy(db);
    return done;
}

static enum status print_status(struct db *db, FILE *out, unsigned *pending) {
    struct db_call call = { .db = db, .deadline_us = clock_monotonic_us() + CONNECT_US };
    bool exists = false;
    enum status status = db_run_statement(&call, &find_table, NULL, &exists);
    for (size_t i = 0; status == STATUS_OK && i < migration_files_count; i++) {
        bool applied = false;
        if (exists)
            status = db_run_statement(&call, &find_version, &migration_files[i].version, &applied);
        if (status != STATUS_OK)
            break;
        fprintf(out, "%-8s %s\n", applied ? "applied" : "pending", migration_files[i].name);
        *pending += applied ? 0 : 1;
    }
    return status == STATUS_OK && exists ? print_newer(db, out) : status;
}

bool migrations_print_status(const struct db_options *options, FILE *out, unsigned *pending) {
    struct db *db = db_create(options);
    *pending = 0;
    enum status status = db == NULL ? STATUS_OUT_OF_MEMORY : print_status(db, out, pending);
    if (db != NULL)
        db_destroy(db);
    if (status != STATUS_OK)
        log_event(LOG_ERROR, "migration_status_failed", "reason=%s", status_info(status)->name);
    return status == STATUS_OK;
}

/* A query has one place for results: whether there is the table is in its state. */
static enum status check_versions(struct db_query *query, enum status status) {
    struct schema *schema = query->result;
    if (status != STATUS_OK || schema->state != SCHEMA_CURRENT)
        return status;
    const char *versions = migration_versions;
    db_ask(query, &compare_versions, &versions, schema);
    return STATUS_OK;
}

/* Two short statements, since this is checked twice a second, and the second cannot be prepared without the table. */
void migrations_check(struct db_query *query, struct schema *schema) {
    *schema = (struct schema){ .state = SCHEMA_OLDER };
    db_ask(query, &find_schema_table, NULL, schema);
    query->then = check_versions;
}
