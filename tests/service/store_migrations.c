/* Migrations in a schema of their own, by the owner of the database (JWTD_TEST_OWNER_DATABASE). */
#include "store_fixture.h"

#include "jwtd/macros.h"
#include "jwtd/migrations.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INSTANCES 5
#define READER_US (4 * CLOCK_US_PER_S)
#define WAIT_MAX_US (2 * CLOCK_US_PER_S)

static char url[URL_SIZE];
static const struct db_options owner_options = { .url = url, .connect_timeout_ms = 3000 };

static PGconn *owner_connection(void) {
    const char *owner = getenv("JWTD_TEST_OWNER_DATABASE");
    ck_assert_msg(owner != NULL, "JWTD_TEST_OWNER_DATABASE is not set");
    PGconn *connection = PQconnectdb(owner);
    ck_assert_msg(PQstatus(connection) == CONNECTION_OK, "%s", PQerrorMessage(connection));
    database_with(owner, "options", "-csearch_path=store_test", url);
    return connection;
}

static void as_owner(const char *statement) {
    PGconn *connection = owner_connection();
    PGresult *result = PQexec(connection, statement);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(connection));
    PQclear(result);
    PQfinish(connection);
}

static void make_schema(void) {
    as_owner("SET client_min_messages = warning; DROP SCHEMA IF EXISTS store_test CASCADE; CREATE SCHEMA store_test");
}

static void drop_schema(void) {
    as_owner("SET client_min_messages = warning; DROP SCHEMA store_test CASCADE");
}

static unsigned lines_of(FILE *file, const char *word) {
    char line[256];
    unsigned count = 0;
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL)
        count += strncmp(line, word, strlen(word)) == 0 ? 1 : 0;
    return count;
}

static unsigned apply(void) {
    FILE *out = tmpfile();
    ck_assert(migrations_apply(&owner_options, out));
    unsigned applied = lines_of(out, "applied ");
    fclose(out);
    return applied;
}

static unsigned pending_of_status(unsigned *applied) {
    FILE *out = tmpfile();
    unsigned pending = 99;
    ck_assert(migrations_print_status(&owner_options, out, &pending));
    ck_assert_uint_eq(lines_of(out, "pending "), pending);
    *applied = lines_of(out, "applied ");
    fclose(out);
    return pending;
}

static enum schema_state state_of_schema(char newest[MIGRATION_VERSION_SIZE]) {
    struct db *own = db_create(&owner_options);
    struct schema schema;
    ck_assert_int_eq(RUN(CALL_ON(own), migrations_check, &schema), STATUS_OK);
    db_destroy(own);
    memcpy(newest, schema.newest, MIGRATION_VERSION_SIZE);
    return schema.state;
}

static bool all_applied(void) {
    char newest[MIGRATION_VERSION_SIZE];
    return state_of_schema(newest) != SCHEMA_OLDER;
}

START_TEST(what_is_missing_is_applied_once) {
    unsigned applied;
    make_schema();
    unsigned pending = pending_of_status(&applied);
    ck_assert_uint_ge(pending, 3);
    ck_assert_uint_eq(applied, 0);
    ck_assert(!all_applied());
    ck_assert_uint_eq(apply(), pending);
    ck_assert_uint_eq(apply(), 0);
    ck_assert_uint_eq(pending_of_status(&applied), 0);
    ck_assert_uint_eq(applied, pending);
    ck_assert(all_applied());
    drop_schema();
}
END_TEST

static void *apply_on_a_thread(void *argument) {
    *(unsigned *)argument = apply();
    return NULL;
}

START_TEST(instances_that_start_together_apply_each_migration_once) {
    pthread_t threads[INSTANCES];
    unsigned applied[INSTANCES], sum = 0, all;
    make_schema();
    unsigned pending = pending_of_status(&all);
    for (int i = 0; i < INSTANCES; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, apply_on_a_thread, &applied[i]), 0);
    for (int i = 0; i < INSTANCES; i++) {
        pthread_join(threads[i], NULL);
        sum += applied[i];
    }
    ck_assert_uint_eq(sum, pending);
    drop_schema();
}
END_TEST

/* What both commands print of a later version. */
static void expect_newer(bool (*print)(FILE *out)) {
    FILE *out = tmpfile();
    ck_assert(print(out));
    ck_assert_uint_eq(lines_of(out, "newer    9999, of a later version"), 1);
    ck_assert_uint_eq(lines_of(out, "newer "), 1);
    ck_assert_uint_eq(lines_of(out, "pending "), 0);
    fclose(out);
}

static bool print_applied(FILE *out) {
    return migrations_apply(&owner_options, out);
}

static bool print_status(FILE *out) {
    unsigned pending = 99;
    return migrations_print_status(&owner_options, out, &pending) && pending == 0;
}

START_TEST(a_schema_says_whether_it_is_older_current_or_newer_and_both_commands_print_it) {
    char newest[MIGRATION_VERSION_SIZE];
    make_schema();
    ck_assert_int_eq(state_of_schema(newest), SCHEMA_OLDER);
    ck_assert_str_eq(newest, "");
    ck_assert_uint_gt(apply(), 0);
    ck_assert_int_eq(state_of_schema(newest), SCHEMA_CURRENT);
    ck_assert_str_eq(newest, migrations_newest());
    as_owner("INSERT INTO store_test.schema_migrations VALUES ('0007')"); /* of an early database, and no file's any more */
    ck_assert_int_eq(state_of_schema(newest), SCHEMA_CURRENT);
    as_owner("INSERT INTO store_test.schema_migrations VALUES ('9999')");
    ck_assert_int_eq(state_of_schema(newest), SCHEMA_NEWER);
    ck_assert_str_eq(newest, "9999");
    expect_newer(print_applied);
    expect_newer(print_status);
    as_owner("DELETE FROM store_test.schema_migrations WHERE version = '0001'");
    ck_assert_int_eq(state_of_schema(newest), SCHEMA_OLDER);
    drop_schema();
}
END_TEST

/* The second migration cannot be applied; what it did before it failed must be undone with it. */
START_TEST(a_migration_that_fails_leaves_nothing_of_itself) {
    FILE *out = tmpfile();
    unsigned applied;
    make_schema();
    as_owner("CREATE VIEW store_test.sessions_user AS SELECT 1"); /* the name of an index of the second one */
    ck_assert(!migrations_apply(&owner_options, out));
    unsigned pending = pending_of_status(&applied);
    ck_assert_uint_eq(applied, 1);
    as_owner("DROP VIEW store_test.sessions_user");
    ck_assert_uint_eq(apply(), pending);
    fclose(out);
    drop_schema();
}
END_TEST

/* A transaction such as a dump: until it ends no column can be added, and a statement that waits for it blocks all later ones. */
START_TEST(a_migration_that_waits_for_a_table_holds_up_nobody_for_long) {
    pthread_t thread;
    unsigned applied = 0;
    make_schema();
    apply();
    as_owner(
        "ALTER TABLE store_test.sessions DROP COLUMN retry_generation, DROP COLUMN retry_successor, DROP COLUMN retried_after,"
        " DROP COLUMN rotated_from, DROP COLUMN retries_elsewhere");
    as_owner("DELETE FROM store_test.schema_migrations WHERE version = '0005'");
    PGconn *reader = owner_connection();
    PQclear(PQexec(reader, "BEGIN; SELECT FROM store_test.sessions"));
    ck_assert_int_eq(pthread_create(&thread, NULL, apply_on_a_thread, &applied), 0);
    int64_t end_us = clock_monotonic_us() + READER_US, slowest_us = 0;
    while (clock_monotonic_us() < end_us) {
        int64_t begin_us = clock_monotonic_us();
        as_owner("UPDATE store_test.sessions SET last_used_at = now()");
        slowest_us = clock_monotonic_us() - begin_us > slowest_us ? clock_monotonic_us() - begin_us : slowest_us;
        usleep(50000);
    }
    PQclear(PQexec(reader, "COMMIT"));
    PQfinish(reader);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(applied, 1);
    ck_assert_msg(slowest_us < WAIT_MAX_US, "%lld us", (long long)slowest_us);
    drop_schema();
}
END_TEST

/* Runs the second half of a migration, as dbmate would. */
static void undo(const char *path, const char *version) {
    char text[8192], script[9000];
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *down = strstr(text, "-- migrate:down");
    ck_assert_ptr_nonnull(down);
    snprintf(script, sizeof script, "SET search_path = store_test; %s; DELETE FROM schema_migrations WHERE version = '%s'", down,
             version);
    as_owner(script);
}

START_TEST(days_of_last_use_from_before_they_were_written_stay_and_can_be_written) {
    make_schema();
    apply();
    undo("migrations/0012_sessions_without_expressions.sql", "0012");
    as_owner(
        "SET search_path = store_test; INSERT INTO users (id, email, email_canonical, password_hash)"
        " VALUES (gen_random_uuid(), 'ada@example.org', 'ada@example.org', 'x');"
        " INSERT INTO sessions (id, user_id, expires_at, last_used_at) SELECT gen_random_uuid(), id, now(), '2026-11-20T23:59Z'"
        " FROM users");
    ck_assert_uint_eq(apply(), 1);
    as_owner("SET search_path = store_test; UPDATE sessions SET last_used_day = last_used_day + 1;"
             " ALTER TABLE sessions ADD CHECK (last_used_day = '2026-11-21')");
    drop_schema();
}
END_TEST

/* A dump, or a login: who reads the table is neither waited for nor kept waiting. */
START_TEST(the_index_of_administrators_is_made_while_the_table_of_users_is_read) {
    make_schema();
    apply();
    undo("migrations/0020_administrators_index.sql", "0020");
    PGconn *reader = owner_connection();
    PQclear(PQexec(reader, "BEGIN; SELECT FROM store_test.users"));
    ck_assert_uint_eq(apply(), 1);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM pg_indexes"
                                " WHERE schemaname = 'store_test' AND indexname = 'users_administrators'"),
                     1);
    PQfinish(reader);
    drop_schema();
}
END_TEST

/* Waits until the server reports this number; fails after 5 s. */
static void await_count(const char *statement, int64_t expected) {
    for (int tries = 0; tries < 500 && sql_number("%s", statement) != expected; tries++) {
        usleep(10000);
        sql("SELECT pg_stat_clear_snapshot()");
    }
    ck_assert_int_eq(sql_number("%s", statement), expected);
}

#define FULL 60 /* sessions of a user for whom each login looks for sessions to end */

/* What the planner expects of tables that it knows nothing about must not count: they grow, and the plans are kept. */
START_TEST(no_statement_reads_the_whole_of_a_new_table) {
    static const char scans[] = "SELECT sum(seq_scan) FROM pg_stat_all_tables"
                                " WHERE schemaname = 'store_test' AND relname <> 'schema_migrations'";
    static const char inserts[] = "SELECT n_tup_ins FROM pg_stat_all_tables"
                                  " WHERE schemaname = 'store_test' AND relname = 'sessions'";
    struct db *at_test = db;
    make_schema();
    apply();
    db = db_create(&owner_options);
    struct uuid user = add_user("ada@example.org"), session = uuid_create();
    await_count("SELECT count(*) FROM pg_stat_activity WHERE usename = 'jwtd_owner' AND pid <> pg_backend_pid()", 1);
    int64_t before = sql_number(scans);
    for (int i = 0; i < FULL; i++)
        session = add_session(&user);
    ck_assert_int_eq(refresh(&session, 1), SESSION_ROTATED);
    ck_assert_int_eq(refresh(&session, 1), SESSION_RETRIED);
    db_destroy(db);
    await_count(inserts, FULL);
    ck_assert_int_eq(sql_number(scans), before);
    db = at_test;
    drop_schema();
}
END_TEST

START_TEST(the_service_role_cannot_migrate_a_new_schema) {
    char service_url[URL_SIZE];
    struct db_options options = { .url = database_with(test_database(), "options", "-csearch_path=store_test", service_url),
                                  .connect_timeout_ms = 3000 };
    FILE *out = tmpfile();
    make_schema();
    ck_assert(!migrations_apply(&options, out));
    ck_assert_uint_eq(lines_of(out, "applied "), 0);
    fclose(out);
    drop_schema();
}
END_TEST

static bool may(const char *role, const char *privilege, const char *table) {
    return sql_number("SELECT has_table_privilege('%s', 'store_test.%s', '%s')::integer", role, table, privilege) == 1;
}

/* What was granted on all tables, before or after, holds for all but the one that says which schema there is. */
START_TEST(the_service_role_cannot_write_down_migrations) {
    static const char *const privileges[] = { "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER" };
    make_schema();
    as_owner("GRANT USAGE ON SCHEMA store_test TO jwtd;"
             " ALTER DEFAULT PRIVILEGES IN SCHEMA store_test GRANT ALL ON TABLES TO jwtd, PUBLIC");
    for (int i = 0; i < 2; i++) {
        (void)apply();
        for (size_t j = 0; j < ARRAY_LEN(privileges); j++) {
            ck_assert_msg(!may("jwtd", privileges[j], "schema_migrations"), "%s in round %d", privileges[j], i);
            ck_assert(may("jwtd_owner", privileges[j], "schema_migrations"));
            ck_assert(may("jwtd", privileges[j], "users"));
        }
        ck_assert(may("jwtd", "SELECT", "schema_migrations"));
        as_owner("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA store_test TO jwtd");
    }
    drop_schema();
}
END_TEST

/* Of any installation: what a role may do by default is the operator's. */
START_TEST(to_migrate_grants_nothing) {
    make_schema();
    (void)apply();
    as_owner("GRANT USAGE ON SCHEMA store_test TO jwtd;"
             " ALTER DEFAULT PRIVILEGES IN SCHEMA store_test GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO jwtd");
    (void)apply();
    ck_assert(!may("jwtd", "SELECT", "users"));
    drop_schema();
}
END_TEST

TCase *store_migrations_tests(void) {
    TCase *tests = tcase_create("migrations");
    tcase_add_test(tests, what_is_missing_is_applied_once);
    tcase_add_test(tests, instances_that_start_together_apply_each_migration_once);
    tcase_add_test(tests, a_schema_says_whether_it_is_older_current_or_newer_and_both_commands_print_it);
    tcase_add_test(tests, a_migration_that_fails_leaves_nothing_of_itself);
    tcase_add_test(tests, a_migration_that_waits_for_a_table_holds_up_nobody_for_long);
    tcase_add_test(tests, days_of_last_use_from_before_they_were_written_stay_and_can_be_written);
    tcase_add_test(tests, the_index_of_administrators_is_made_while_the_table_of_users_is_read);
    tcase_add_test(tests, no_statement_reads_the_whole_of_a_new_table);
    tcase_add_test(tests, the_service_role_cannot_migrate_a_new_schema);
    tcase_add_test(tests, the_service_role_cannot_write_down_migrations);
    tcase_add_test(tests, to_migrate_grants_nothing);
    return tests;
}
