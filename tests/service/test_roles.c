/* Roles: what they may be, and how soon a change of them applies to a token that was issued before. */
#include "support/account.h"
#include "support/database.h"
#include "support/load.h"

#include "jwtd/macros.h"

#include <check.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

Suite *roles_suite(void);

#define PAUSE_US 10000
#define SOON_S 1.0

static struct server one, two;
static struct account account;
static struct tokens tokens;

static void start(void) {
    one = server_start(NULL);
    two = server_start_beside(&one, NULL);
    await_ready(&two);
    account_keep_administrator();
    account = account_register(&one);
    tokens = account_login(&one, &account);
}

static void finish(void) {
    server_finish(&two);
    server_finish(&one);
}

/* By the command line; the roles are operands after the address. */
static int set_by_command(const char *first, const char *second) {
    char database[512], output[4096];
    snprintf(database, sizeof database, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    const char *const words[] = { "--set", database, "user", "set-roles", account.email, first, second, NULL };
    return program_run(words, NULL, output, sizeof output);
}

static void set_in_sql(const char *array) {
    char statement[256], value[64];
    snprintf(statement, sizeof statement, "UPDATE users SET roles = '%s' WHERE email = $1", array);
    database_value(statement, account.email, value, sizeof value);
}

/* As a row that is older than the rule. */
static void set_in_sql_as_before_the_rule(const char *array) {
    char value[64];
    database_value("ALTER TABLE users DISABLE TRIGGER USER", NULL, value, sizeof value);
    set_in_sql(array);
    database_value("ALTER TABLE users ENABLE TRIGGER USER", NULL, value, sizeof value);
}

static const char *told_roles(const struct server *server, const char *token, char value[256]) {
    struct reply reply = http_json(server, "GET", "/auth/verify", token, NULL);
    ck_assert_int_eq(reply.status, 200);
    http_header(&reply, "X-Auth-Roles", value, 256);
    http_free(&reply);
    return value;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void expect_soon(const char *roles) {
    const struct server *servers[] = { &one, &two };
    double until = now() + SOON_S;
    char value[256];
    for (size_t i = 0; i < 2; i++) {
        while (strcmp(told_roles(servers[i], tokens.access, value), roles) != 0) {
            ck_assert_msg(now() < until, "instance %zu says %s and not %s", i + 1, value, roles);
            usleep(PAUSE_US);
        }
    }
}

START_TEST(every_instance_knows_a_change_within_a_second) {
    start();
    expect_soon("-");
    ck_assert_int_eq(set_by_command("admin", "editor"), 0);
    expect_soon("admin,editor");
    ck_assert_int_eq(set_by_command("editor", NULL), 0);
    expect_soon("editor");
    set_in_sql("{editor,Ops.eu:1}");
    expect_soon("editor,Ops.eu:1");
    set_in_sql("{}");
    expect_soon("-");
    finish();
}
END_TEST

START_TEST(an_instance_that_starts_after_the_change_knows_of_it) {
    char value[256];
    start();
    ck_assert_int_eq(set_by_command("admin", NULL), 0);
    struct tokens later = account_login(&one, &account);
    ck_assert_str_eq(told_roles(&one, later.access, value), "admin");
    ck_assert_int_eq(server_stop(&two, SIGTERM), 0);
    set_in_sql("{}");
    two = server_start_beside(&one, NULL);
    await_ready(&two);
    ck_assert_str_eq(told_roles(&two, later.access, value), "-");
    ck_assert_str_eq(told_roles(&two, tokens.access, value), "-");
    finish();
}
END_TEST

/* As if it had been made two hours before its commit. */
START_TEST(a_change_is_known_within_a_second_of_its_commit_however_long_its_transaction_was) {
    start();
    ck_assert_int_eq(set_by_command("admin", NULL), 0);
    expect_soon("admin");
    PGconn *connection = PQconnectdb(getenv("JWTD_TEST_DATABASE"));
    char statement[256];
    snprintf(statement, sizeof statement,
             "BEGIN; UPDATE users SET roles = '{}' WHERE id = '%s';"
             " UPDATE users SET roles_changed_at = now() - interval '2 hours' WHERE id = '%s'",
             account.id, account.id);
    PGresult *result = PQexec(connection, statement);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(connection));
    PQclear(result);
    usleep(900000); /* more than one pass, for which it is not there */
    expect_soon("admin");
    PQclear(PQexec(connection, "COMMIT"));
    expect_soon("-");
    PQfinish(connection);
    finish();
}
END_TEST

START_TEST(roles_that_a_user_is_inserted_with_are_checked_and_are_no_change) {
    struct account other = account_new();
    char value[64], statement[512];
    static const char with_roles[] =
        "INSERT INTO users (id, email, email_canonical, password_hash, roles) SELECT gen_random_uuid(),"
        " $1, $1, password_hash, '{%s}' FROM users LIMIT 1";
    start();
    snprintf(statement, sizeof statement, with_roles, "a b");
    ck_assert(!database_takes(statement, other.email));
    snprintf(statement, sizeof statement, with_roles, "admin");
    ck_assert(database_takes(statement, other.email));
    database_value("SELECT roles::text || coalesce(roles_changed_at::text, ' never') FROM users WHERE email = $1", other.email,
                   value, sizeof value);
    ck_assert_str_eq(value, "{admin} never");
    finish();
}
END_TEST

static const char *const no_roles[] = {
    "größe", "a b", "a,b", "-", "", "x\"y", "a\nb", "0123456789012345678901234567890123456789012345678901234567890123x"
};

START_TEST(what_is_no_role_is_refused_at_the_command_line_and_in_sql) {
    char value[64], statement[256];
    start();
    snprintf(statement, sizeof statement, "UPDATE users SET roles = ARRAY['good', $1] WHERE id = '%s'", account.id);
    for (size_t i = 0; i < ARRAY_LEN(no_roles); i++) {
        ck_assert_msg(set_by_command("good", no_roles[i]) != 0, "%s", no_roles[i]);
        ck_assert_msg(!database_takes(statement, no_roles[i]), "%s", no_roles[i]);
    }
    database_value("SELECT roles::text FROM users WHERE email = $1", account.email, value, sizeof value);
    ck_assert_str_eq(value, "{}");
    finish();
}
END_TEST

START_TEST(what_a_row_has_from_before_that_rule_gets_into_no_token_and_stops_nobody) {
    char value[256], body[BODY_SIZE];
    start();
    set_in_sql_as_before_the_rule("{admin,größe,\"a,b\"}");
    struct tokens later = account_login(&one, &account);
    ck_assert_str_eq(told_roles(&one, later.access, value), "admin");
    ck_assert(server_log_contains(&one, "\"event\":\"roles_dropped\""));
    expect_status(refresh_with(&one, later.refresh), 200);
    expect_status(http_json(&one, "GET", "/auth/me", later.access, NULL), 200);
    snprintf(body, sizeof body, "{\"current_password\":\"" PASSWORD "\",\"new_password\":\"another long passphrase\"}");
    expect_status(http_json(&one, "POST", "/auth/password", later.access, body), 204);
    database_value("SELECT roles::text FROM users WHERE email = $1", account.email, value, sizeof value);
    ck_assert_str_eq(value, "{admin,größe,\"a,b\"}");
    finish();
}
END_TEST

Suite *roles_suite(void) {
    Suite *suite = suite_create("roles");
    TCase *tcase = tcase_create("two instances");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_instance_knows_a_change_within_a_second);
    tcase_add_test(tcase, an_instance_that_starts_after_the_change_knows_of_it);
    tcase_add_test(tcase, a_change_is_known_within_a_second_of_its_commit_however_long_its_transaction_was);
    tcase_add_test(tcase, roles_that_a_user_is_inserted_with_are_checked_and_are_no_change);
    tcase_add_test(tcase, what_is_no_role_is_refused_at_the_command_line_and_in_sql);
    tcase_add_test(tcase, what_a_row_has_from_before_that_rule_gets_into_no_token_and_stops_nobody);
    suite_add_tcase(suite, tcase);
    return suite;
}
