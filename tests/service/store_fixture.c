#include "store_fixture.h"

#include "support/database.h"

#include "jwtd/log.h"
#include "jwtd/user_admin.h"

#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct db *db;
struct arena arena;
const struct session_limits limits = { .ttl_ms = INT64_C(30) * 86400000,
                                       .idle_ms = INT64_C(7) * 86400000,
                                       .retry_window_ms = 10000 };

const char *test_change;

static PGconn *control;

const char *test_database(void) {
    const char *conninfo = getenv("JWTD_TEST_DATABASE");
    ck_assert_msg(conninfo != NULL, "JWTD_TEST_DATABASE is not set");
    return conninfo;
}

const char *database_with(const char *database, const char *word, const char *value, char url[URL_SIZE]) {
    bool is_url = strncmp(database, "postgres", strlen("postgres")) == 0 && strstr(database, "://") != NULL;
    const char *parted = !is_url ? " " : strchr(database, '?') != NULL ? "&" : "?";
    int len = snprintf(url, URL_SIZE, "%s%s%s=", database, parted, word);
    for (; *value != '\0'; value++) {
        ck_assert_int_lt(len, URL_SIZE - 4);
        len += snprintf(url + len, 4, is_url && *value == '=' ? "%%3D" : "%c", *value);
    }
    return url;
}

#define APPLICATION "jwtd_store_test"

bool test_is_pooled(void) {
    const char *prepared = getenv("JWTD_DATABASE_PREPARED");
    return prepared != NULL && strcmp(prepared, "off") == 0;
}

struct db *open_db(void) {
    static char url[URL_SIZE]; /* the same for all; written before there is a second thread */
    struct db_options options = {
        .url = url, .statement_timeout_ms = 4000, .connect_timeout_ms = 3000, .unprepared = test_is_pooled()
    };
    if (url[0] == '\0')
        database_with(test_database(), "application_name", APPLICATION, url);
    struct db *opened = db_create(&options);
    ck_assert_ptr_nonnull(opened);
    return opened;
}

int64_t soon(void) {
    return clock_monotonic_us() + 20 * CLOCK_US_PER_S;
}

static _Thread_local struct db_query query;

struct db_query *new_query(void) {
    query = (struct db_query){ .change = test_change };
    return &query;
}

struct db_query *last_query(void) {
    return &query;
}

enum status read_first_row(const struct db_rows *rows, struct arena *row_arena, void *result) {
    struct first_row *row = result;
    ck_assert_uint_eq(db_row_count(rows), 1);
    for (int i = 0; i < row->count; i++)
        row->texts[i] = db_copy_time(rows, 0, i, row_arena).bytes;
    return STATUS_OK;
}

enum status ping(struct db *own, int64_t deadline_us) {
    static const struct db_statement statement = { .name = "ping", .sql = "SELECT 1", .columns = 1 };
    struct db_call call = { .db = own, .deadline_us = deadline_us };
    return RUN(&call, db_ask, &statement, NULL, NULL);
}

static PGresult *run(const char *format, va_list arguments) {
    char text[2048];
    vsnprintf(text, sizeof text, format, arguments);
    PGresult *result = PQexec(control, text);
    ExecStatusType outcome = PQresultStatus(result);
    ck_assert_msg(outcome == PGRES_COMMAND_OK || outcome == PGRES_TUPLES_OK, "%s: %s", text, PQerrorMessage(control));
    return result;
}

void sql(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    PQclear(run(format, arguments));
    va_end(arguments);
}

int64_t sql_number(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    PGresult *result = run(format, arguments);
    va_end(arguments);
    int64_t number = PQntuples(result) > 0 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : -1;
    PQclear(result);
    return number;
}

void await_blocked_statement(void) {
    for (int tries = 0; tries < 300; tries++) {
        sql("SELECT pg_stat_clear_snapshot()");
        if (sql_number(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'jwtd%%'") > 0)
            return;
        usleep(10000);
    }
    ck_abort_msg("no statement is waiting for a lock");
}

void reopen_and_report_counts(void) {
    db_destroy(db);
    for (int tries = 0; tries < 500; tries++) {
        sql("SELECT pg_stat_clear_snapshot()");
        if (sql_number("SELECT count(*) FROM pg_stat_activity WHERE application_name = '" APPLICATION "'") == 0)
            break;
        usleep(10000);
    }
    sql("SELECT pg_stat_force_next_flush()");
    sql("SELECT pg_stat_clear_snapshot()");
    db = open_db();
}

void fixture_start(void) {
    char ignored[8];
    log_set_level(LOG_ERROR);
    control = PQconnectdb(test_database());
    ck_assert_msg(PQstatus(control) == CONNECTION_OK, "%s", PQerrorMessage(control));
    test_change = "{\"ip\":\"" CLIENT_IP "\",\"user_agent\":\"a test\",\"request_id\":\"request-1\"}";
    database_value("TRUNCATE users, sessions, known_addresses, idempotency_keys", NULL, ignored,
                   sizeof ignored); /* the last administrator cannot be deleted */
    sql("DELETE FROM revocations");
    arena_init(&arena, (size_t)1 << 20);
    db = open_db();
}

void fixture_stop(void) {
    db_destroy(db);
    arena_fini(&arena);
    PQfinish(control);
}

struct email_forms email_of(const char *typed) {
    char *canonical = arena_copy(&arena, typed, strlen(typed));
    ck_assert_ptr_nonnull(canonical);
    for (char *c = canonical; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return (struct email_forms){ text_of(typed), text_of(canonical) };
}

struct uuid add_user(const char *email) {
    struct uuid id = uuid_create();
    struct new_user new_user = { .id = id, .email = email_of(email), .password_hash = HASH };
    struct inserted_user inserted;
    ck_assert_int_eq(RUN(CALL, users_insert, &new_user, &inserted), STATUS_OK);
    ck_assert_int_eq(inserted.result, USER_INSERTED);
    return id;
}

enum status change_user(const struct db_call *call, const char *email, const char *changes, bool *found) {
    struct found_user user;
    struct administered_user administered = { .result = USER_ADMIN_NOT_FOUND };
    enum status status = RUN(call, users_find_by_email, text_of(email), &user);
    struct user_choice choice = { .id = user.user.id };
    if (status == STATUS_OK && user.found)
        status = RUN(call, user_admin_change, &choice, changes, &administered);
    *found = administered.result == USER_ADMIN_DONE;
    return status;
}

struct uuid add_session(const struct uuid *user_id) {
    struct uuid id = uuid_create();
    struct new_session session = { id, *user_id, 1, CLIENT_IP, "a test" };
    struct opened_session opened;
    ck_assert_int_eq(RUN(CALL, sessions_open, &session, &limits, &opened), STATUS_OK);
    ck_assert(opened.done);
    return id;
}

enum session_refresh refresh(const struct uuid *session_id, uint32_t generation) {
    struct session_credential credential = { *session_id, generation };
    struct refreshed refreshed;
    ck_assert_int_eq(RUN(CALL, sessions_refresh, &credential, CLIENT_IP, &limits, &refreshed), STATUS_OK);
    if (refreshed.result == SESSION_ROTATED)
        ck_assert_uint_eq(refreshed.generation, generation + 1);
    return refreshed.result;
}

const char *show(const struct uuid *id) {
    static char texts[4][UUID_TEXT_SIZE];
    static unsigned next;
    return uuid_text(id, texts[next++ % 4]);
}

int64_t live_sessions(const struct uuid *user_id) {
    return sql_number("SELECT count(*) FROM sessions WHERE user_id = '%s' AND revoked_at IS NULL", show(user_id));
}
