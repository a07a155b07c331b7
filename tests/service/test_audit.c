/* The audit: who changed what, when, from where and why, as rows of auth_events. */
#include "support/account.h"
#include "support/database.h"
#include "support/service.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *audit_suite(void);

#define NEW_PASSWORD "quite another passphrase"
#define USER_AGENT "Mozilla/5.0 (\"quoted\" \\ backslash)"
#define REQUEST_ID "the-request-of-this-test"
#define WAIT_MS 5000

struct scene {
    struct account account;
    struct tokens tokens, other; /* of two sessions */
    struct service service;
};

/* With what the events must show. */
static struct reply send_as_client(const char *method, const char *path, const char *token, const char *body) {
    char authorization[TOKEN_SIZE + 32];
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", token != NULL ? token : "none");
    const char *const headers[] = { "Content-Type: application/json", "User-Agent: " USER_AGENT, "X-Request-Id: " REQUEST_ID,
                                    token != NULL ? authorization : NULL, NULL };
    return http_send(&shared_server, method, path, headers, body);
}

/* How many events there are for which this holds; $1 is the user's id. */
static long count_events(const struct account *account, const char *condition) {
    char sql[2048];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM auth_events WHERE user_id = $1::uuid AND %s", condition);
    return database_number(sql, account->id);
}

/* Those that are written behind the request come a moment later. */
static void await_events(const struct account *account, const char *condition, long expected) {
    long found = 0;
    for (int waited_ms = 0; waited_ms < WAIT_MS; waited_ms += 20) {
        found = count_events(account, condition);
        if (found == expected)
            return;
        usleep(20000);
    }
    ck_abort_msg("%ld events, not %ld: %s", found, expected, condition);
}

/* ---- each change ---- */

static void change_email(struct scene *scene) {
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"current_password\":\"" PASSWORD "\"}", account_new().email);
    expect_status(send_as_client("PATCH", "/auth/me", scene->tokens.access, body), 200);
}

static void change_password(struct scene *scene) {
    expect_status(send_as_client("POST", "/auth/password", scene->tokens.access,
                                 "{\"current_password\":\"" PASSWORD "\",\"new_password\":\"" NEW_PASSWORD "\"}"),
                  204);
}

static void delete_account(struct scene *scene) {
    expect_status(send_as_client("DELETE", "/auth/me", scene->tokens.access, "{\"current_password\":\"" PASSWORD "\"}"), 204);
}

static void log_out(struct scene *scene) {
    char body[BODY_SIZE];
    for (int i = 0; i < 2; i++) /* the second time it has ended */
        expect_status(send_as_client("POST", "/auth/logout", NULL, refresh_json(scene->tokens.refresh, body)), 204);
}

static void log_out_everywhere(struct scene *scene) {
    expect_status(send_as_client("POST", "/auth/logout", scene->tokens.access, "{\"all\":true}"), 204);
}

static void end_other_session(struct scene *scene) {
    char path[80], id[40];
    database_value("SELECT id FROM sessions WHERE user_id = $1::uuid ORDER BY created_at DESC LIMIT 1", scene->account.id, id,
                   sizeof id);
    snprintf(path, sizeof path, "/auth/sessions/%s", id);
    expect_status(send_as_client("DELETE", path, scene->tokens.access, NULL), 204);
}

static void revoke_as_service(struct scene *scene) {
    expect_status(service_ask(&shared_server, &scene->service, "/auth/revoke", scene->tokens.refresh), 200);
}

/* Beyond the window in which a retry is answered: time passes by SQL. */
static void reuse_a_token(struct scene *scene) {
    char body[BODY_SIZE], newest[128];
    snprintf(newest, sizeof newest, "%s", scene->tokens.refresh);
    for (int i = 0; i < 2; i++) {
        struct reply reply = send_as_client("POST", "/auth/refresh", NULL, refresh_json(newest, body));
        ck_assert_int_eq(reply.status, 200);
        snprintf(newest, sizeof newest, "%s", http_member(&reply, "refresh_token"));
        http_free(&reply);
    }
    for (int i = 0; i < 2; i++)
        expect_problem(send_as_client("POST", "/auth/refresh", NULL, refresh_json(scene->tokens.refresh, body)), 401,
                       "refresh_token_reused");
}

static void run_user_command(const struct scene *scene, const char *subcommand, const char *role) {
    char output[1024], url[600];
    snprintf(url, sizeof url, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    const char *const words[] = { "--set", url, "user", subcommand, scene->account.email, role, NULL };
    ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
}

static void disable(struct scene *scene) {
    run_user_command(scene, "disable", NULL);
    run_user_command(scene, "disable", NULL);
}

static void enable(struct scene *scene) {
    run_user_command(scene, "disable", NULL);
    run_user_command(scene, "enable", NULL);
    run_user_command(scene, "enable", NULL);
}

static void set_roles(struct scene *scene) {
    run_user_command(scene, "set-roles", "editor");
    run_user_command(scene, "set-roles", "editor");
}

static void log_in(struct scene *scene) {
    char body[BODY_SIZE];
    expect_status(send_as_client("POST", "/auth/login", NULL, credentials(&scene->account, PASSWORD, body)), 200);
}

static void do_nothing(struct scene *scene) {
    (void)scene;
}

#define BY_CLIENT " AND host(ip) = '127.0.0.1' AND user_agent = E'" SQL_USER_AGENT "' AND request_id = '" REQUEST_ID "'"
#define SQL_USER_AGENT "Mozilla/5.0 (\"quoted\" \\\\ backslash)"
#define BY_USER " AND actor = 'user:' || user_id" BY_CLIENT
#define BY_SHELL " AND actor LIKE 'shell:_%' AND ip IS NULL AND request_id IS NULL"

static const struct {
    void (*act)(struct scene *scene);
    const char *condition;
    long events;
} changes[] = {
    { do_nothing, "event = 'user_registered' AND actor = 'user:' || user_id AND host(ip) = '127.0.0.1'", 1 },
    { do_nothing, "event = 'session_opened' AND actor = 'user:' || user_id AND session_id IS NOT NULL", 2 },
    { log_in, "event = 'session_opened'" BY_USER, 1 },
    { change_email, "event = 'email_changed'" BY_USER, 1 },
    { change_password, "event = 'password_changed'" BY_USER, 1 },
    { change_password, "event = 'session_ended' AND reason = 'password_changed' AND session_id IS NOT NULL" BY_USER, 1 },
    { log_out, "event = 'session_ended' AND reason = 'logout' AND detail = '{\"refreshes\": 0}'" BY_USER, 1 },
    { log_out_everywhere, "event = 'session_ended' AND reason = 'logout'" BY_USER, 2 },
    { end_other_session, "event = 'session_ended' AND reason = 'ended_by_user'" BY_USER, 1 },
    { revoke_as_service, "event = 'session_ended' AND reason = 'logout' AND actor = 'service:auditor'", 1 },
    { reuse_a_token,
      "event = 'refresh_token_reused' AND actor = 'system' AND detail = '{\"current\": 3, \"generation\": 1}'" BY_CLIENT, 1 },
    { reuse_a_token,
      "event = 'session_ended' AND reason = 'reuse' AND actor = 'system' AND detail = '{\"refreshes\": 2}'" BY_CLIENT, 1 },
    { reuse_a_token, "event NOT IN ('user_registered', 'session_opened', 'refresh_token_reused', 'session_ended')", 0 },
    { disable, "event = 'user_disabled'" BY_SHELL, 1 },
    { disable, "event = 'session_ended' AND reason = 'user_disabled'" BY_SHELL, 2 },
    { enable, "event = 'user_enabled'" BY_SHELL, 1 },
    { set_roles, "event = 'roles_changed' AND detail = '{\"from\": [], \"to\": [\"editor\"]}'" BY_SHELL, 1 },
    { delete_account, "event = 'user_deleted'" BY_USER, 1 },
    { delete_account, "event = 'session_ended' AND reason = 'user_deleted'" BY_USER, 2 },
};

static struct service service;

static void start(void) {
    shared_server_start();
    service = service_add(&shared_server, "auditor");
}

/* The reasons of the user's events, of which clients read in the document. */
static void expect_reasons_in_document(const struct account *account) {
    char reasons[512];
    database_value("SELECT coalesce(string_agg(DISTINCT reason, ' '), '') FROM auth_events WHERE user_id = $1::uuid", account->id,
                   reasons, sizeof reasons);
    struct reply document = http_send(&shared_server, "GET", "/openapi.json", NULL, NULL);
    struct json_object *at = document.json;
    static const char *const names[] = { "components", "schemas", "AuthEvent", "properties", "reason" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        at = json_object_object_get(at, names[i]);
    const char *description = json_string_at(at, "description");
    for (char *rest = reasons, *reason = strsep(&rest, " "); reason != NULL; reason = strsep(&rest, " "))
        ck_assert_msg(strstr(description, reason) != NULL, "the document does not name %s", reason);
    http_free(&document);
}

/* In the end, since what is written too often may come late. */
START_TEST(each_change_is_noted_once_with_who_and_from_where) {
    struct scene scene = { .account = account_register(&shared_server), .service = service };
    scene.tokens = account_login(&shared_server, &scene.account);
    scene.other = account_login(&shared_server, &scene.account);
    await_events(&scene.account, "event = 'session_opened'", 2);
    changes[_i].act(&scene);
    await_events(&scene.account, changes[_i].condition, changes[_i].events);
    ck_assert_int_eq(count_events(&scene.account, changes[_i].condition), changes[_i].events);
    expect_reasons_in_document(&scene.account);
    ck_assert_int_eq(
        database_number("SELECT count(*) FROM auth_events WHERE user_id = $1::uuid AND (get_byte(uuid_send(id), 6) >> 4 <> 7"
                        " OR actor IS NULL)",
                        scene.account.id),
        0);
}
END_TEST

START_TEST(a_user_of_the_command_line_is_created_by_the_shell) {
    char output[1024], url[600];
    struct account account = account_new();
    snprintf(url, sizeof url, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    const char *const words[] = { "--set", url, "user", "add", account.email, NULL };
    ck_assert_msg(program_run(words, PASSWORD "\n", output, sizeof output) == 0, "%s", output);
    snprintf(account.id, sizeof account.id, "%.36s", output);
    ck_assert_int_eq(count_events(&account, "event = 'user_created'" BY_SHELL), 1);
    ck_assert_int_eq(count_events(&account, "event = 'user_registered'"), 0);
}
END_TEST

/* Keys are files; the command says so when the event could not be written, and the change stands. */
START_TEST(a_change_of_a_key_is_noted_with_who_made_it) {
    char output[1024], keys[128], refresh[128], url[600], kid[80];
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", shared_server.directory);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s/refresh.key", shared_server.directory);
    snprintf(url, sizeof url, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    const char *const add[] = { "--set", keys, "--set", refresh, "--set", url, "key", "add", NULL };
    ck_assert_msg(program_run(add, NULL, output, sizeof output) == 0, "%s", output);
    snprintf(kid, sizeof kid, "%.*s", (int)strcspn(output, "\n"), output);
    const char *const revoke[] = { "--set", keys, "--set", refresh, "--set", url, "key", "revoke", kid, NULL };
    const char *const retire[] = { "--set", keys, "--set", refresh, "--set", url, "key", "retire", kid, NULL };
    ck_assert_msg(program_run(retire, NULL, output, sizeof output) == 0, "%s", output);
    ck_assert_msg(program_run(revoke, NULL, output, sizeof output) == 0, "%s", output);
    ck_assert_msg(program_run(revoke, NULL, output, sizeof output) == 0, "%s", output);
    static const char sql[] = "SELECT string_agg(reason, ' ' ORDER BY at) FROM auth_events WHERE event = 'key_changed'" BY_SHELL
                              " AND detail ->> 'kid' = $1";
    ck_assert_str_eq(database_value(sql, kid, output, sizeof output), "added retired revoked");

    const char *const away[] = { "--set", keys,  "--set", refresh, "--set", "database.url=host=127.0.0.1 port=1",
                                 "key",   "add", NULL };
    ck_assert_msg(program_run(away, NULL, output, sizeof output) == 0, "%s", output);
    ck_assert_msg(strstr(output, "The change is made, but is not in the audit") != NULL, "%s", output);
}
END_TEST

/* What the operator asks in one query. */
START_TEST(who_ended_this_session_when_from_where_and_why_is_one_query) {
    struct scene scene = { .account = account_register(&shared_server) };
    char session[40], answer[256];
    scene.tokens = account_login(&shared_server, &scene.account);
    database_value("SELECT id FROM sessions WHERE user_id = $1::uuid", scene.account.id, session, sizeof session);
    log_out(&scene);
    database_value("SELECT actor || ', ' || (at > now() - interval '1 minute') || ', ' || host(ip) || ', ' || reason"
                   " FROM auth_events WHERE session_id = $1::uuid AND event = 'session_ended'",
                   session, answer, sizeof answer);
    char expected[256];
    snprintf(expected, sizeof expected, "user:%s, true, 127.0.0.1, logout", scene.account.id);
    ck_assert_str_eq(answer, expected);
}
END_TEST

START_TEST(a_session_that_makes_room_for_a_new_one_is_noted) {
    struct account account = account_register(&shared_server);
    char ignored[8];
    database_value("INSERT INTO sessions (id, user_id, expires_at) SELECT gen_random_uuid(), $1::uuid, now() + interval '1 day'"
                   " FROM generate_series(1, 100)",
                   account.id, ignored, sizeof ignored);
    account_login(&shared_server, &account);
    await_events(&account,
                 "event = 'session_ended' AND reason = 'limit' AND actor = 'system' AND session_id IS NOT NULL"
                 " AND detail IS NULL",
                 1);
    expect_reasons_in_document(&account);
}
END_TEST

START_TEST(no_address_password_or_token_is_in_the_audit) {
    struct scene scene = { .account = account_register(&shared_server) };
    char body[BODY_SIZE], secrets[8 * 1024];
    scene.tokens = account_login(&shared_server, &scene.account);
    expect_problem(send_as_client("POST", "/auth/login", NULL, credentials(&scene.account, NEW_PASSWORD, body)), 401,
                   "invalid_credentials");
    change_email(&scene);
    change_password(&scene);
    log_out(&scene);
    await_events(&scene.account, "event = 'session_opened'", 1);
    snprintf(secrets, sizeof secrets, "{%s,\"%s\",\"%s\",%s,%s}", scene.account.email, PASSWORD, NEW_PASSWORD,
             scene.tokens.access, scene.tokens.refresh);
    ck_assert_int_eq(database_number("SELECT count(*) FROM auth_events e, unnest($1::text[]) AS secret"
                                     " WHERE strpos(e::text, secret) > 0",
                                     secrets),
                     0);
}
END_TEST

/* ---- what waits ---- */

/* Servers of other suites stop meanwhile, too, and none of them has made so many. */
#define REFRESHES "23"

static void refresh_often(const struct server *server, const struct account *account) {
    char newest[128];
    snprintf(newest, sizeof newest, "%s", account_login(server, account).refresh);
    for (int i = 0; i < strtol(REFRESHES, NULL, 10); i++) {
        struct reply reply = refresh_with(server, newest);
        ck_assert_int_eq(reply.status, 200);
        snprintf(newest, sizeof newest, "%s", http_member(&reply, "refresh_token"));
        http_free(&reply);
    }
}

START_TEST(what_waits_when_the_service_stops_is_written_before_it_ends) {
    struct server server = server_start(NULL);
    struct account account = account_register(&server);
    char body[BODY_SIZE];
    account_login(&server, &account);
    for (int i = 0; i < 3; i++)
        expect_problem(http_json(&server, "POST", "/auth/login", NULL, credentials(&account, NEW_PASSWORD, body)), 401,
                       "invalid_credentials");
    refresh_often(&server, &account);
    server_finish(&server);
    ck_assert_int_eq(count_events(&account, "event = 'session_opened'"), 2);
    ck_assert_int_eq(count_events(&account, "event = 'login_failed' AND reason = 'wrong_password' AND actor = 'system'"
                                            " AND detail = '{\"count\": 3}' AND host(ip) = '127.0.0.1'"),
                     1);
    ck_assert_int_eq(database_number("SELECT count(*) FROM auth_events WHERE event = 'refreshes_counted'"
                                     " AND at > now() - interval '10 s' AND detail @> '{\"rotated\": " REFRESHES
                                     ", \"reused\": 0}'",
                                     NULL),
                     1);
}
END_TEST

START_TEST(a_lock_is_noted_with_its_length) {
    struct server server = server_start((const char *const[]){ "limit.enabled=true", "limit.login_failures=2/h", NULL });
    struct account account = account_register(&server);
    char body[BODY_SIZE];
    for (int i = 0; i < 2; i++)
        expect_problem(http_json(&server, "POST", "/auth/login", NULL, credentials(&account, NEW_PASSWORD, body)), 401,
                       "invalid_credentials");
    await_events(&account, "event = 'account_locked' AND reason = 'account_locked_for_address' AND detail = '{\"seconds\": 60}'",
                 1);
    server_finish(&server);
}
END_TEST

Suite *audit_suite(void) {
    Suite *suite = suite_create("audit");
    TCase *tcase = tcase_create("beside a server");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, start, shared_server_finish);
    tcase_add_loop_test(tcase, each_change_is_noted_once_with_who_and_from_where, 0, (int)ARRAY_LEN(changes));
    tcase_add_test(tcase, a_user_of_the_command_line_is_created_by_the_shell);
    tcase_add_test(tcase, a_change_of_a_key_is_noted_with_who_made_it);
    tcase_add_test(tcase, who_ended_this_session_when_from_where_and_why_is_one_query);
    tcase_add_test(tcase, a_session_that_makes_room_for_a_new_one_is_noted);
    tcase_add_test(tcase, no_address_password_or_token_is_in_the_audit);
    tcase_add_test(tcase, what_waits_when_the_service_stops_is_written_before_it_ends);
    tcase_add_test(tcase, a_lock_is_noted_with_its_length);
    suite_add_tcase(suite, tcase);
    return suite;
}
