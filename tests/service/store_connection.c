/* What the connection makes of lost servers, refusals and odd environments. */
#include "store_fixture.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static enum status try_url(const char *url, int64_t deadline_us) {
    struct db_options options = { .url = url, .statement_timeout_ms = 1000, .connect_timeout_ms = 300 };
    struct db *own = db_create(&options);
    ck_assert_ptr_nonnull(own);
    enum status status = ping(own, deadline_us);
    db_destroy(own);
    return status;
}

START_TEST(a_connection_ended_while_idle_is_replaced_unnoticed) {
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(ping(db, soon()), STATUS_OK);
        sql("SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE application_name = 'jwtd_store_test'");
        ck_assert_int_eq(ping(db, soon()), STATUS_OK);
        ck_assert(!last_query()->was_rerun); /* seen before the statement was sent */
    }
}
END_TEST

START_TEST(prepared_statements_that_are_gone_are_made_again) {
    static const struct db_statement forget = { .name = "forget", .sql = "DEALLOCATE ALL", .parameters = 0 };
    struct uuid user = add_user("ada@example.org"), session = add_session(&user);
    ck_assert_int_eq(refresh(&session, 1), SESSION_ROTATED);
    ck_assert_int_eq(db_run_statement(CALL, &forget, NULL, NULL), STATUS_OK);
    ck_assert_int_eq(refresh(&session, 2), SESSION_ROTATED);
}
END_TEST

/* As behind a pooler that two versions of the program share. */
START_TEST(a_prepared_statement_with_other_columns_than_ours_costs_the_connection_and_no_answer) {
    static const struct db_statement one = { .name = "one", .sql = "SELECT 1", .columns = 1, .read = db_read_integer };
    static const struct db_statement forget = { .name = "forget", .sql = "DEALLOCATE ALL" };
    static const struct db_statement replace = { .name = "replace", .sql = "PREPARE one AS SELECT 2, 3" };
    int64_t value = 0;
    ck_assert_int_eq(db_run_statement(CALL, &one, NULL, &value), STATUS_OK);
    ck_assert_int_eq(db_run_statement(CALL, &forget, NULL, NULL), STATUS_OK);
    ck_assert_int_eq(db_run_statement(CALL, &replace, NULL, NULL), STATUS_OK);
    ck_assert_int_eq(RUN(CALL, db_ask, &one, NULL, &value), STATUS_OK);
    ck_assert(last_query()->was_rerun);
    ck_assert_int_eq(value, 1);
}
END_TEST

START_TEST(an_answer_with_other_columns_than_ours_is_an_internal_error) {
    static const struct db_statement wrong = { .name = "wrong", .sql = "SELECT 1, 2", .columns = 1, .read = db_read_integer };
    int64_t value = 0;
    ck_assert_int_eq(db_run_statement(CALL, &wrong, NULL, &value), STATUS_INTERNAL);
    ck_assert_int_eq(value, 0);
}
END_TEST

START_TEST(a_server_that_is_not_there_is_unavailable_at_once) {
    static const char *const urls[] = { "host=/nonexistent dbname=jwtd", "postgresql://jwtd@127.0.0.1:1/jwtd",
                                        "host=/nonexistent,127.0.0.1 port=1,1 dbname=jwtd" };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        int64_t began_us = clock_monotonic_us();
        ck_assert_int_eq(try_url(urls[i], soon()), STATUS_DATABASE_UNAVAILABLE);
        ck_assert_int_lt(clock_monotonic_us() - began_us, 200000);
    }
}
END_TEST

/* A server that takes the connection and never says a word. */
START_TEST(a_server_that_is_silent_costs_the_connect_timeout_or_the_deadline) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char url[128];
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof url, "host=127.0.0.1 port=%u dbname=jwtd", ntohs(address.sin_port));
    int64_t began_us = clock_monotonic_us();
    ck_assert_int_eq(try_url(url, soon()), STATUS_DATABASE_UNAVAILABLE);
    ck_assert_int_lt(clock_monotonic_us() - began_us, 500000);
    began_us = clock_monotonic_us();
    ck_assert_int_eq(try_url(url, began_us + 100000), STATUS_DATABASE_UNAVAILABLE);
    ck_assert_int_lt(clock_monotonic_us() - began_us, 200000);
    close(listener);
}
END_TEST

START_TEST(after_a_failed_connect_the_next_calls_fail_without_trying) {
    struct db_options options = { .url = "host=/nonexistent dbname=jwtd", .connect_timeout_ms = 300 };
    struct db *own = db_create(&options);
    for (int i = 0; i < 8; i++) { /* let the pause grow */
        ck_assert_int_eq(ping(own, soon()), STATUS_DATABASE_UNAVAILABLE);
        usleep(60000);
    }
    int64_t fastest_us = INT64_MAX; /* a busy machine takes the processor away for longer than all of them need */
    for (int round = 0; round < 5; round++) {
        int64_t began_us = clock_monotonic_us();
        for (int i = 0; i < 1000; i++)
            ck_assert_int_eq(ping(own, soon()), STATUS_DATABASE_UNAVAILABLE);
        int64_t took_us = clock_monotonic_us() - began_us;
        fastest_us = took_us < fastest_us ? took_us : fastest_us;
    }
    ck_assert_int_lt(fastest_us, 20000);
    db_destroy(own);
}
END_TEST

START_TEST(a_deadline_in_the_past_costs_nothing) {
    ck_assert_int_eq(ping(db, soon()), STATUS_OK);
    int64_t backend = sql_number("SELECT pid FROM pg_stat_activity WHERE application_name = 'jwtd_store_test'");
    ck_assert_int_eq(ping(db, clock_monotonic_us() - 1), STATUS_DEADLINE_EXCEEDED);
    ck_assert_int_eq(ping(db, soon()), STATUS_OK);
    ck_assert_int_eq(sql_number("SELECT pid FROM pg_stat_activity WHERE application_name = 'jwtd_store_test'"), backend);
}
END_TEST

/* A server that lost the part of the primary: each statement would ask for a new connection. */
START_TEST(a_read_only_server_is_unavailable_and_gets_few_connections) {
    struct new_user new_user = { .id = uuid_create(), .email = email_of("ada@example.org"), .password_hash = HASH };
    struct inserted_user inserted;
    char url[URL_SIZE];
    struct db_options options = { .url = database_with(test_database(), "options", "-cdefault_transaction_read_only=on", url),
                                  .statement_timeout_ms = 1000,
                                  .connect_timeout_ms = 1000 };
    struct db *own = db_create(&options);
    static const char sessions_made[] = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
    usleep(50000);
    sql("SELECT pg_stat_clear_snapshot()");
    int64_t before = sql_number(sessions_made);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(RUN(CALL_ON(own), users_insert, &new_user, &inserted), STATUS_DATABASE_UNAVAILABLE);
    db_destroy(own);
    usleep(50000);
    sql("SELECT pg_stat_clear_snapshot()");
    ck_assert_int_lt(sql_number(sessions_made) - before, 20);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM users"), 0);
}
END_TEST

START_TEST(the_session_is_set_up_whatever_url_and_environment_say) {
    static const struct db_statement look = {
        .name = "look",
        .sql =
            "SELECT current_setting('statement_timeout'), current_setting('lock_timeout') <> '0', current_setting('search_path'),"
            " current_setting('client_encoding'), current_setting('application_name'), timestamptz '2026-11-20 21:35:00.5+00'",
        .columns = 6,
        .read = read_first_row
    };
    static const char *const expected[] = { "1s", "t", "public,pg_temp", "UTF8", "jwtd", "2026-11-20T21:35:00.5Z" };
    struct first_row row = { .count = ARRAY_LEN(expected) };
    char url[URL_SIZE];
    setenv("PGTZ", "America/New_York", 1);
    setenv("PGDATESTYLE", "German", 1);
    setenv("PGCLIENTENCODING", "LATIN1", 1);
    struct db_options options = { .url = database_with(test_database(), "options", "-csearch_path=public,pg_temp", url),
                                  .statement_timeout_ms = 1000,
                                  .connect_timeout_ms = 1000 };
    struct db *own = db_create(&options);
    ck_assert_int_eq(db_run_statement(CALL_ON(own), &look, NULL, &row), STATUS_OK);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        ck_assert_str_eq(row.texts[i], expected[i]);
    db_destroy(own);
    unsetenv("PGTZ");
    unsetenv("PGDATESTYLE");
    unsetenv("PGCLIENTENCODING");
}
END_TEST

/* What is written to standard error while `act` runs. */
static size_t capture_log(void (*act)(void), char *text, size_t size) {
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    log_set_level(LOG_WARN);
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
    act();
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    fclose(file);
    return len;
}

static void use_bad_urls(void) {
    static const char *const urls[] = { "postgres//jwtd:canary@127.0.0.1/jwtd", "postgresql://jwtd:canary@127.0.0.1:port/jwtd",
                                        "host=127.0.0.1 password=canary port=1 pasword=canary", "canary" };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        ck_assert_int_eq(try_url(urls[i], soon()), STATUS_DATABASE_UNAVAILABLE);
}

START_TEST(a_mistyped_url_is_reported_without_its_password) {
    char text[8192];
    ck_assert_uint_gt(capture_log(use_bad_urls, text, sizeof text), 0);
    ck_assert_msg(strstr(text, "canary") == NULL, "%s", text);
    ck_assert_msg(strstr(text, "database") != NULL, "%s", text);
}
END_TEST

static void run_refused_statements(void) {
    static const struct db_statement refused[] = {
        { .name = "refused_value", .sql = "SELECT $1::uuid", .parameters = 1, .columns = 1 },
        { .name = "refused_number", .sql = "SELECT 1 / length($1) - ($1)::integer", .parameters = 1, .columns = 1 }
    };
    const char *canary = "canary";
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(db_run_statement(CALL, &refused[i], &canary, NULL), STATUS_INTERNAL);
}

START_TEST(a_refused_statement_is_logged_by_name_and_without_its_values) {
    char text[8192];
    capture_log(run_refused_statements, text, sizeof text);
    ck_assert_msg(strstr(text, "canary") == NULL, "%s", text);
    ck_assert_msg(strstr(text, "refused_value") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "22P02") != NULL, "%s", text);
}
END_TEST

static void run_conflict(void) {
    static const struct db_statement conflict = { .name = "conflict",
                                                  .sql = "DO $d$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $d$" };
    ck_assert_int_eq(db_run_statement(CALL, &conflict, NULL, NULL), STATUS_DATABASE_UNAVAILABLE);
}

START_TEST(a_statement_that_fails_in_six_tries_is_one_line_of_the_log) {
    char text[8192];
    capture_log(run_conflict, text, sizeof text);
    const char *line = strstr(text, "database_error");
    ck_assert_msg(line != NULL && strstr(line + 1, "database_error") == NULL, "%s", text);
}
END_TEST

/* What each connection refuses with an SQLSTATE that asks for another one; or the first alone, or the first is lost. */
static const struct {
    const char *on_first, *on_each;
    enum status status;
    int lines;
} reconnecting[] = {
    { "NULL", "RAISE EXCEPTION USING ERRCODE = '25006'", STATUS_DATABASE_UNAVAILABLE, 1 },
    { "NULL", "RAISE EXCEPTION USING ERRCODE = '26000'", STATUS_DATABASE_UNAVAILABLE, 1 },
    { "NULL", "RAISE EXCEPTION USING ERRCODE = '0A000'", STATUS_INTERNAL, 1 },
    { "NULL", "RAISE EXCEPTION USING ERRCODE = '25P02'", STATUS_INTERNAL, 1 },
    { "RAISE EXCEPTION USING ERRCODE = '25006'", "NULL", STATUS_OK, 0 },
    { "PERFORM pg_terminate_backend(pg_backend_pid())", "RAISE EXCEPTION USING ERRCODE = '25006'", STATUS_DATABASE_UNAVAILABLE,
      1 },
};
static int reconnecting_row;

static void run_reconnecting(void) {
    static const struct db_statement find_process = {
        .name = "find_process", .sql = "SELECT pg_backend_pid()", .columns = 1, .read = db_read_integer
    };
    static char sql_text[512];
    static const struct db_statement statement = { .name = "reconnecting", .sql = sql_text };
    int64_t process = 0;
    ck_assert_int_eq(db_run_statement(CALL, &find_process, NULL, &process), STATUS_OK);
    snprintf(sql_text, sizeof sql_text, "DO $d$ BEGIN IF pg_backend_pid() = %d THEN %s; END IF; %s; END $d$", (int)process,
             reconnecting[reconnecting_row].on_first, reconnecting[reconnecting_row].on_each);
    ck_assert_int_eq(db_run_statement(CALL, &statement, NULL, NULL), reconnecting[reconnecting_row].status);
}

START_TEST(a_statement_that_fails_on_two_connections_is_one_line_and_one_that_succeeds_on_the_second_is_none) {
    char text[8192];
    int lines = 0;
    if (test_is_pooled() && reconnecting[_i].lines == 0)
        return; /* the pooler's next session may be the same */
    reconnecting_row = _i;
    capture_log(run_reconnecting, text, sizeof text);
    for (const char *line = text; (line = strstr(line, "database_error")) != NULL; line++)
        lines++;
    ck_assert_msg(lines == reconnecting[_i].lines, "%s", text);
}
END_TEST

START_TEST(the_service_may_not_change_the_schema) {
    static const struct db_statement statements[] = {
        { .name = "create", .sql = "CREATE TABLE mine (id integer)", .parameters = 0 },
        { .name = "drop", .sql = "DROP TABLE sessions", .parameters = 0 },
        { .name = "alter", .sql = "ALTER TABLE users ADD COLUMN extra text", .parameters = 0 },
        { .name = "truncate", .sql = "TRUNCATE revocations", .parameters = 0 }
    };
    for (size_t i = 0; i < ARRAY_LEN(statements); i++)
        ck_assert_int_eq(db_run_statement(CALL, &statements[i], NULL, NULL), STATUS_DATABASE_UNAVAILABLE);
}
END_TEST

#define STATEMENTS 300

START_TEST(a_connection_prepares_as_many_statements_as_there_are) {
    static char names[STATEMENTS][24], texts[STATEMENTS][24];
    static struct db_statement statements[STATEMENTS];
    for (int i = 0; i < STATEMENTS; i++) {
        snprintf(names[i], sizeof names[i], "statement_%d", i);
        snprintf(texts[i], sizeof texts[i], "SELECT %d", i);
        statements[i] = (struct db_statement){ .name = names[i], .sql = texts[i], .columns = 1, .read = read_first_row };
    }
    for (int run = 0; run < 2; run++) {
        for (int i = 0; i < STATEMENTS; i++) {
            struct first_row row = { .count = 1 };
            ck_assert_int_eq(db_run_statement(CALL, &statements[i], NULL, &row), STATUS_OK);
            ck_assert_str_eq(row.texts[0], texts[i] + strlen("SELECT "));
        }
    }
}
END_TEST

#define INSERT_USER(id, email)                                                                                                   \
    "INSERT INTO users (id, email, email_canonical, password_hash) VALUES ('" id "', 'a@b', '" email "', 'hash')"
#define ID_1 "00000000-0000-7000-8000-000000000001"
#define ID_2 "00000000-0000-7000-8000-000000000002"

static enum status insert(const struct db_statement *statement) {
    return db_run_statement(CALL, statement, NULL, NULL);
}

static const struct db_statement inserts[] = {
    { .name = "first", .sql = INSERT_USER(ID_1, "a@b") },
    { .name = "taken", .sql = INSERT_USER(ID_2, "a@b"), .expected = { "users_email_canonical_key", STATUS_EMAIL_TAKEN } },
    { .name = "other", .sql = INSERT_USER(ID_1, "c@d"), .expected = { "users_email_canonical_key", STATUS_EMAIL_TAKEN } },
    { .name = "unnamed", .sql = INSERT_USER(ID_2, "a@b") },
};
static const enum status insert_statuses[] = { STATUS_OK, STATUS_EMAIL_TAKEN, STATUS_INTERNAL, STATUS_INTERNAL };

static void insert_all(void) {
    for (size_t i = 0; i < ARRAY_LEN(inserts); i++)
        ck_assert_int_eq(insert(&inserts[i]), insert_statuses[i]);
}

START_TEST(a_violated_constraint_means_what_the_statement_says_or_is_an_error) {
    char text[8192];
    capture_log(insert_all, text, sizeof text);
    ck_assert_msg(strstr(text, "\"taken\"") == NULL, "%s", text);
    ck_assert_msg(strstr(text, "\"other\",\"sqlstate\":\"23505\",\"constraint\":\"users_pkey\"") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "\"unnamed\",\"sqlstate\":\"23505\"") != NULL, "%s", text);
}
END_TEST

static void *use_for_long(void *argument) {
    static const struct db_statement slow = { .name = "slow", .sql = "SELECT pg_sleep(10)", .columns = 1 };
    (void)argument;
    (void)!db_run_statement(CALL, &slow, NULL, NULL);
    return NULL;
}

static int64_t sleeping_statements(void) {
    sql("SELECT pg_stat_clear_snapshot()");
    return sql_number("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
}

START_TEST(a_connection_used_by_two_threads_at_once_ends_the_program) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, use_for_long, NULL), 0);
    for (int tries = 0; tries < 300 && sleeping_statements() == 0; tries++)
        usleep(10000);
    ck_assert_int_eq(ping(db, soon()), STATUS_OK); /* does not return */
}
END_TEST

TCase *store_connection_tests(void) {
    TCase *tests = tcase_create("connection");
    tcase_add_test(tests, a_connection_ended_while_idle_is_replaced_unnoticed);
    tcase_add_test(tests, prepared_statements_that_are_gone_are_made_again);
    tcase_add_test(tests, a_prepared_statement_with_other_columns_than_ours_costs_the_connection_and_no_answer);
    tcase_add_test(tests, an_answer_with_other_columns_than_ours_is_an_internal_error);
    tcase_add_test(tests, a_server_that_is_not_there_is_unavailable_at_once);
    tcase_add_test(tests, a_server_that_is_silent_costs_the_connect_timeout_or_the_deadline);
    tcase_add_test(tests, after_a_failed_connect_the_next_calls_fail_without_trying);
    tcase_add_test(tests, a_deadline_in_the_past_costs_nothing);
    tcase_add_test(tests, a_read_only_server_is_unavailable_and_gets_few_connections);
    tcase_add_test(tests, the_session_is_set_up_whatever_url_and_environment_say);
    tcase_add_test(tests, a_mistyped_url_is_reported_without_its_password);
    tcase_add_test(tests, a_refused_statement_is_logged_by_name_and_without_its_values);
    tcase_add_test(tests, a_statement_that_fails_in_six_tries_is_one_line_of_the_log);
    tcase_add_loop_test(tests, a_statement_that_fails_on_two_connections_is_one_line_and_one_that_succeeds_on_the_second_is_none,
                        0, (int)ARRAY_LEN(reconnecting));
    tcase_add_test(tests, the_service_may_not_change_the_schema);
    tcase_add_test(tests, a_connection_prepares_as_many_statements_as_there_are);
    tcase_add_test(tests, a_violated_constraint_means_what_the_statement_says_or_is_an_error);
    tcase_add_test_raise_signal(tests, a_connection_used_by_two_threads_at_once_ends_the_program, SIGABRT);
    return tests;
}
