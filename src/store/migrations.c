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
#define RIGHTS "rights"
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

/* A superuser may make tables anywhere, but default privileges are those of the role that makes them. What such a role has made
 * before, and what was granted on it by hand, goes on as it is. */
#define REFUSE_STRANGER \
    "DO $$" \
    " DECLARE owner text;" \
    " BEGIN" \
    "   SELECT n.nspowner::regrole::text INTO owner" \
    "   FROM pg_namespace n JOIN pg_default_acl d ON d.defaclrole = n.nspowner" \
    "   WHERE n.nspname = current_schema()" \
    "     AND d.defaclobjtype = 'r'" \
    "     AND d.defaclnamespace IN (0, n.oid)" \
    "     AND n.nspowner <> quote_ident(current_user)::regrole" \
    "     AND NOT EXISTS (SELECT FROM pg_class c" \
    "                     WHERE c.oid = to_regclass('schema_migrations') AND c.relowner = quote_ident(current_user)::regrole)" \
    "   LIMIT 1;" \
    "   IF FOUND THEN" \
    "     RAISE insufficient_privilege USING MESSAGE = format(" \
    "       'the service has rights on the tables of %s, and not on those that %s makes', owner, current_user);" \
    "   END IF;" \
    " END $$; "

static const char create_table[] =
    BEGIN_LOCKED
    REFUSE_STRANGER
    "CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY); "
    PROTECT_TABLE
    "COMMIT";

/*
 * Default privileges hold for what is made after them, so a restore without the rights, or a REVOKE, leaves a service that cannot
 * serve. The service's role is one that reads and writes every table by default; a role that only reads, of reports for instance,
 * is left as it is.
 */
static const char grant_rights[] =
    BEGIN_LOCKED
    "DO $$"
    " DECLARE statement text;"
    " BEGIN"
    "   FOR statement IN"
    "     SELECT DISTINCT format('GRANT %s ON %s TO %s', privilege, c.oid::regclass, a.grantee::regrole)"
    "     FROM " TABLE_RIGHTS
    "     CROSS JOIN unnest(privileges) AS privilege"
    "     JOIN pg_class c ON c.oid = to_regclass(needed.name)"
    "     JOIN pg_namespace n ON n.oid = c.relnamespace"
    "     JOIN pg_default_acl d ON d.defaclobjtype = 'r'"
    "       AND d.defaclrole IN (c.relowner, n.nspowner)"
    "       AND d.defaclnamespace IN (0, n.oid)"
    "     CROSS JOIN aclexplode(d.defaclacl) a"
    "     WHERE a.grantee NOT IN (0, c.relowner)"
    "       AND NOT has_table_privilege(a.grantee, c.oid, privilege)"
    "       AND pg_has_role(current_user, c.relowner, 'USAGE')"
    "       AND ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] <@"
    "         ARRAY(SELECT own.privilege_type FROM aclexplode(d.defaclacl) own WHERE own.grantee = a.grantee)"
    "   LOOP"
    "     EXECUTE statement;"
    "   END LOOP;"
    " END $$; "
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

static bool apply_all(struct db *db, FILE *out) {
    size_t ignored;
    enum status status = db_connect(db, clock_monotonic_us() + CONNECT_US);
    if (status == STATUS_OK)
        status = run_script(db, TABLE, create_table, &ignored);
    if (status != STATUS_OK) {
        log_refusal(db, TABLE, status);
        return false;
    }
    for (size_t i = 0; i < migration_files_count; i++)
        if (!apply_one(db, &migration_files[i], out))
            return false;
    status = db_connect(db, clock_monotonic_us() + CONNECT_US);
    if (status == STATUS_OK)
        status = run_script(db, RIGHTS, grant_rights, &ignored);
    if (status != STATUS_OK)
        log_refusal(db, RIGHTS, status);
    return status == STATUS_OK;
}

/* ---- what is applied ---- */

/* Without the table nothing is applied. */
static enum status read_tables(const struct db_rows *rows, struct arena *arena, void *result) {
    struct schema *schema = result;
    (void)arena;
    struct text missing = db_text(rows, 0, 2);
    (void)snprintf(schema->missing, sizeof schema->missing, "%.*s", (int)missing.len, missing.len > 0 ? missing.bytes : "");
    schema->state = !db_boolean(rows, 0, 0) ? SCHEMA_OLDER : db_boolean(rows, 0, 1) ? SCHEMA_FORBIDDEN : SCHEMA_CURRENT;
    return STATUS_OK;
}

static enum status read_schema(const struct db_rows *rows, struct arena *arena, void *result) {
    struct schema *schema = result;
    (void)arena;
    struct text newest = db_text(rows, 0, 1);
    (void)snprintf(schema->newest, sizeof schema->newest, "%.*s", (int)newest.len, newest.len > 0 ? newest.bytes : "");
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

/* has_table_privilege of a table that is not there is NULL. */
static const struct db_statement find_schema_table = {
    .name = "migrations_find_schema_table",
    .columns = 3,
    .only_reads = true,
    .read = read_tables,
    .sql = "SELECT"
           "   to_regclass('schema_migrations') IS NOT NULL AS is_there,"
           "   coalesce(bool_or(needed.name <> 'auth_events' AND lacking.rights IS NOT NULL), false) AS is_forbidden,"
           "   string_agg(lacking.rights || ' on ' || needed.name, '; ') AS missing"
           " FROM " TABLE_RIGHTS
           " CROSS JOIN LATERAL ("
           "   SELECT string_agg(privilege, ', ') AS rights"
           "   FROM unnest(needed.privileges) AS privilege"
           "   WHERE NOT has_table_privilege(to_regclass(needed.name)::oid, privilege)) AS lacking",
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
