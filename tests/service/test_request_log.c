/* What the log says of requests: one line for each, why one was refused, and nothing that a client has sent. */
#include "support/account.h"
#include "support/database.h"
#include "support/metrics.h"
#include "support/raw.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *request_log_suite(void);

#define WAIT_US (10 * CLOCK_US_PER_S)

static struct server server;

static void finish(void) {
    server_finish(&server);
}

/* ---- lines ---- */

static const char *text_in(struct json_object *line, const char *name) {
    struct json_object *value = NULL;
    return json_object_object_get_ex(line, name, &value) ? json_object_get_string(value) : "";
}

static struct json_object *find_line(const char *event, const char *request_id) {
    char *log = server_log(&server), *rest = log, *text;
    struct json_object *found = NULL;
    while (found == NULL && (text = strsep(&rest, "\n")) != NULL) {
        struct json_object *line = json_tokener_parse(text);
        if (line != NULL && strcmp(text_in(line, "event"), event) == 0 && strcmp(text_in(line, "request_id"), request_id) == 0)
            found = json_object_get(line);
        json_object_put(line);
    }
    free(log);
    return found;
}

/* Fails when it does not come. */
static struct json_object *await_line(const char *event, const char *request_id) {
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    struct json_object *line;
    while ((line = find_line(event, request_id)) == NULL && clock_monotonic_us() < until_us)
        usleep(5000);
    ck_assert_msg(line != NULL, "the log has no %s of %s", event, request_id);
    return line;
}

struct asked {
    char id[32];
    char headers[3][TOKEN_SIZE + 64];
    const char *lines[6];
};

/* With a request id that no other one has. */
static struct reply ask(struct asked *asked, const char *method, const char *path, const char *token, const char *more,
                        const char *body) {
    static int number;
    size_t count = 0;
    snprintf(asked->id, sizeof asked->id, "asked-%d", ++number);
    snprintf(asked->headers[0], sizeof asked->headers[0], "X-Request-Id: %s", asked->id);
    asked->lines[count++] = asked->headers[0];
    if (token != NULL) {
        snprintf(asked->headers[1], sizeof asked->headers[1], "Authorization: Bearer %s", token);
        asked->lines[count++] = asked->headers[1];
    }
    if (more != NULL)
        asked->lines[count++] = more;
    if (body != NULL)
        asked->lines[count++] = "Content-Type: application/json";
    asked->lines[count] = NULL;
    return http_send(&server, method, path, asked->lines, body);
}

static void expect_line(const char *request_id, const char *method, const char *route, long status, const char *code,
                        const char *limit, const char *user_id) {
    struct json_object *line = await_line("request", request_id), *us = NULL;
    char status_text[8];
    snprintf(status_text, sizeof status_text, "%ld", status);
    ck_assert_str_eq(text_in(line, "level"), "info");
    ck_assert_str_eq(text_in(line, "method"), method);
    ck_assert_str_eq(text_in(line, "route"), route);
    ck_assert_str_eq(text_in(line, "status"), status_text);
    ck_assert_str_eq(text_in(line, "code"), code);
    ck_assert_str_eq(text_in(line, "limit"), limit);
    ck_assert_str_eq(text_in(line, "user_id"), user_id);
    ck_assert_str_eq(text_in(line, "address"), "127.0.0.1");
    ck_assert(json_object_object_get_ex(line, "us", &us) && json_object_get_int64(us) > 0);
    ck_assert_str_eq(text_in(line, "path"), ""); /* what the client has sent, only in detail */
    json_object_put(line);
}

/* ---- refusals ---- */

static void start_limited(void) {
    server = server_start((const char *const[]){ "limit.enabled=true", "limit.register=off", "limit.login=off",
                                                 "limit.login_failures=2/10h", "limit.account=off", "limit.refresh=1/h", NULL });
}

static void expect_refusal(const char *method, const char *path, const char *route, const char *token, const char *body,
                           long status, const char *code, const char *limit, const char *user_id) {
    struct asked asked;
    struct reply reply = ask(&asked, method, path, token, NULL, body);
    ck_assert_int_eq(reply.status, status);
    http_free(&reply);
    expect_line(asked.id, method, route, status, code, limit, user_id);
}

START_TEST(one_line_says_of_every_refusal_whose_it_was_where_why_and_by_which_limit) {
    static char body[BODY_SIZE];
    struct account account = account_register(&server), unknown = account_new();
    struct tokens tokens = account_login(&server, &account);
    const char *user = account.id;
    expect_refusal("GET", "/auth/me", "/auth/me", NULL, NULL, 401, "missing_token", "", "");
    expect_refusal("GET", "/auth/me", "/auth/me", "a.b.c", NULL, 401, "invalid_token", "", "");
    expect_refusal("GET", "/auth/verify/any/path", "/auth/verify/*", NULL, NULL, 401, "missing_token", "", "");
    expect_refusal("GET", "/users", "/users", tokens.access, NULL, 403, "insufficient_scope", "", user);
    expect_refusal("DELETE", "/auth/me", "/auth/me", tokens.access, "{\"current_password\":\"another one\"}", 403,
                   "wrong_password", "", user);
    expect_refusal("DELETE", "/auth/sessions/0199a0b0-0000-7000-8000-000000000000", "/auth/sessions/{id}", tokens.access, NULL,
                   404, "not_found", "", user);
    expect_refusal("POST", "/auth/register", "/auth/register", NULL, credentials(&account, PASSWORD, body), 409, "email_taken",
                   "", "");
    expect_refusal("POST", "/auth/register", "/auth/register", NULL, "{}", 422, "validation_failed", "", "");
    expect_refusal("POST", "/auth/login", "/auth/login", NULL, credentials(&unknown, PASSWORD, body), 401, "invalid_credentials",
                   "", "");
    for (int i = 0; i < 2; i++)
        expect_refusal("POST", "/auth/login", "/auth/login", NULL, credentials(&account, "not the passphrase", body), 401,
                       "invalid_credentials", "", user);
    expect_refusal("POST", "/auth/login", "/auth/login", NULL, credentials(&account, PASSWORD, body), 429, "account_locked",
                   "login_failures", user);
    expect_refusal("POST", "/auth/refresh", "/auth/refresh", NULL, "{}", 422, "validation_failed", "", "");
    expect_refusal("POST", "/auth/refresh", "/auth/refresh", NULL, "{}", 429, "rate_limited", "refresh", "");
    expect_refusal("GET", "/nowhere", "", NULL, NULL, 404, "not_found", "", "");
    expect_refusal("PUT", "/auth/me", "", NULL, NULL, 405, "method_not_allowed", "", "");
}
END_TEST

START_TEST(a_database_that_is_away_is_named_in_the_line) {
    static char body[BODY_SIZE];
    struct account account = account_new();
    server = server_start_unready((const char *const[]){ "database.url=host=127.0.0.1 port=1 dbname=none", NULL });
    expect_refusal("POST", "/auth/login", "/auth/login", NULL, credentials(&account, PASSWORD, body), 503, "database_unavailable",
                   "", "");
    finish();
}
END_TEST

START_TEST(a_request_that_succeeds_has_one_line_and_only_if_all_are_wanted) {
    struct asked good, bad;
    server = server_start(NULL);
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    expect_status(ask(&good, "GET", "/auth/me", tokens.access, NULL, NULL), 200);
    expect_line(good.id, "GET", "/auth/me", 200, "", "", account.id);
    server_check_log_count(&server, good.id, 1);
    finish();
    server = server_start((const char *const[]){ "log.requests=refused", NULL });
    expect_status(ask(&good, "GET", "/health/live", NULL, NULL, NULL), 200);
    expect_status(ask(&bad, "GET", "/auth/me", NULL, NULL, NULL), 401);
    json_object_put(await_line("request", bad.id));
    ck_assert_int_eq(server_log_count(&server, good.id), 0);
    finish();
}
END_TEST

/* ---- requests that are refused before their route is known ---- */

#define LONG_PATH 5000

/* So that no client hides its address and its id. */
START_TEST(a_long_path_hides_nothing_of_a_line_in_detail) {
    static char path[LONG_PATH + 8];
    struct asked asked;
    server = server_start((const char *const[]){ "log.level=debug", NULL });
    snprintf(path, sizeof path, "/%0*d", LONG_PATH, 0);
    expect_status(ask(&asked, "GET", path, NULL, NULL, NULL), 404);
    struct json_object *line = await_line("request", asked.id);
    ck_assert_str_eq(text_in(line, "status"), "404");
    ck_assert_str_eq(text_in(line, "address"), "127.0.0.1");
    size_t len = strlen(text_in(line, "path"));
    ck_assert(len > 100 && len <= 512 && strncmp(text_in(line, "path"), path, len) == 0);
    json_object_put(line);
    finish();
}
END_TEST

#define CHUNKED "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
#define BEGIN "GET /health/live HTTP/1.1\r\nHost: x\r\n"

static const struct {
    const char *bytes;
    size_t filler; /* behind them, before `end` */
    const char *end;
    const char *status, *code;
} refused_early[] = {
    { "GET /health/live?", 9000, " HTTP/1.1\r\nHost: x\r\n\r\n", "414", "target_too_long" },
    { "GET /health/live?", 20000, "", "414", "target_too_long" },
    { BEGIN "X: ", 9000, "\r\n\r\n", "431", "header_too_large" },
    { BEGIN "X: ", 20000, "\r\n\r\n", "431", "header_too_large" },
    { "GET /", 0, "\r\nHost: x\r\n\r\n", "400", "bad_request" },
    { "GET / FOO/1.1", 0, "\r\nHost: x\r\n\r\n", "400", "bad_request" },
    { "GET / HTTP/2.0", 0, "\r\nHost: x\r\n\r\n", "505", "" },
    { "GET / HTTP/0.9", 0, "\r\nHost: x\r\n\r\n", "505", "" },
    { BEGIN ": ", 1, "\r\n\r\n", "400", "bad_request" },
    { BEGIN "A B: ", 1, "\r\n\r\n", "400", "bad_request" },
    { BEGIN "no colon", 1, "\r\n\r\n", "400", "bad_request" },
    { "GET /health/live HTTP/1.1\r\n X: ", 1, "\r\n\r\n", "400", "bad_request" },
    { BEGIN "Content-Length: 99999999999999999999999\r\n\r\n", 0, "{}", "413", "" },
    { CHUNKED, 0, "ZZ\r\n{}", "400", "bad_request" },
    { CHUNKED "FFFFFFFFFFFFFFFFFFFFFF\r\n", 0, "{}", "413", "" },
    { BEGIN, 0, "", "408", "request_timeout" },
    { "GET /health", 0, "", "408", "request_timeout" },
    { "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{", 0, "", "408",
      "request_timeout" },
};

static size_t count_requests(struct json_object **last) {
    char *log = server_log(&server), *rest = log, *text;
    size_t count = 0;
    while ((text = strsep(&rest, "\n")) != NULL) {
        struct json_object *line = json_tokener_parse(text);
        if (line != NULL && strcmp(text_in(line, "event"), "request") == 0 &&
            strcmp(text_in(line, "route"), "/health/ready") != 0) { /* by which the start is awaited */
            json_object_put(*last);
            *last = json_object_get(line);
            count++;
        }
        json_object_put(line);
    }
    free(log);
    return count;
}

/* Also when only refusals are wanted. What the metrics count is the same. */
START_TEST(a_request_that_is_refused_before_its_route_is_known_has_one_line_too) {
    static char bytes[32768];
    static struct raw_reply reply;
    struct json_object *line = NULL;
    server = server_start((const char *const[]){ "log.requests=refused", "ops.listen=127.0.0.1:0", "server.header_timeout=1s",
                                                 "server.body_timeout=1s", NULL });
    struct server operations = server_operations(&server);
    int len = snprintf(bytes, sizeof bytes, "%s", refused_early[_i].bytes);
    memset(bytes + len, 'x', refused_early[_i].filler);
    len += (int)refused_early[_i].filler;
    len += snprintf(bytes + len, sizeof bytes - (size_t)len, "%s", refused_early[_i].end);
    raw_exchange_replies(&server, bytes, (size_t)len, 1, &reply);
    ck_assert_int_eq(reply.statuses[0], strtol(refused_early[_i].status, NULL, 10));
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    while (count_requests(&line) == 0 && clock_monotonic_us() < until_us)
        usleep(5000);
    ck_assert_ptr_nonnull(line);
    ck_assert_str_eq(text_in(line, "status"), refused_early[_i].status);
    ck_assert_str_eq(text_in(line, "code"), refused_early[_i].code);
    ck_assert_str_eq(text_in(line, "address"), "127.0.0.1");
    ck_assert_str_ne(text_in(line, "request_id"), "");
    ck_assert_str_eq(text_in(line, "complete"), ""); /* the reply was sent whole */
    double counted = 0;
    char series[128], *text = metrics_text(&operations, NULL), *rest = text, *sample;
    snprintf(series, sizeof series, ",status=\"%s\"}", refused_early[_i].status);
    while ((sample = strsep(&rest, "\n")) != NULL)
        if (strncmp(sample, "jwtd_http_requests_total{", 25) == 0 && strstr(sample, series) != NULL)
            counted += strtod(strrchr(sample, ' '), NULL);
    free(text);
    ck_assert_double_eq(counted, 1);
    ck_assert_int_eq(server_stop(&server, SIGTERM), 0);
    ck_assert_uint_eq(count_requests(&line), 1);
    json_object_put(line);
    finish();
}
END_TEST

/* The status is the library's own; 0: it closes the connection without a reply. */
static const struct {
    const char *bytes, *status;
} lines_refused[] = {
    { "GET /a b HTTP/2.0\r\nHost: x\r\n\r\n", "505" },
    { "GET  / HTTP/2.0\r\nHost: x\r\n\r\n", "505" },
    { "\nGET / HTTP/2.0\nHost: x\n\n", "505" },
    { "\rGET / HTTP/2.0\r\nHost: x\r\n\r\n", "505" },
    { "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "400" },
    { "GET HTTP/1.1\r\nHost: x\r\n\r\n", "400" },
    { "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", "400" },
    { "GET / HTTP/2.0\r \nHost: x\r\n\r\n", "400" },
    { "GET /a b\r\n\r\n", "400" },
    { "GET\r\n", "0" },
    { " / HTTP/1.1\r\nHost: x\r\n\r\n", "0" },
    { "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "0" },
};

START_TEST(a_refused_request_line_has_the_status_that_the_client_has_received) {
    static struct raw_reply reply;
    struct json_object *line = NULL;
    server = server_start((const char *const[]){ "log.requests=refused", NULL });
    for (size_t i = 0; i < ARRAY_LEN(lines_refused); i++) {
        raw_exchange_replies(&server, lines_refused[i].bytes, strlen(lines_refused[i].bytes), 1, &reply);
        ck_assert_int_eq(reply.statuses[0], strtol(lines_refused[i].status, NULL, 10));
        ck_assert(reply.closed && (reply.len == 0) == (lines_refused[i].status[0] == '0'));
        int64_t until_us = clock_monotonic_us() + WAIT_US;
        while (count_requests(&line) <= i && clock_monotonic_us() < until_us)
            usleep(5000);
        ck_assert_uint_eq(count_requests(&line), i + 1);
        ck_assert_msg(strcmp(text_in(line, "status"), lines_refused[i].status) == 0, "%s", lines_refused[i].bytes);
    }
    ck_assert_int_eq(server_stop(&server, SIGTERM), 0);
    ck_assert_uint_eq(count_requests(&line), ARRAY_LEN(lines_refused));
    json_object_put(line);
    finish();
}
END_TEST

START_TEST(scrapes_and_probes_of_the_operators_listener_have_no_line_while_all_is_well) {
    struct json_object *line = NULL;
    server = server_start((const char *const[]){ "ops.listen=127.0.0.1:0", NULL });
    struct server operations = server_operations(&server);
    expect_status(http_send(&operations, "GET", "/metrics", NULL, NULL), 200);
    expect_status(http_send(&operations, "GET", "/health/live", NULL, NULL), 200);
    expect_status(http_send(&operations, "GET", "/nothing", NULL, NULL), 404);
    ck_assert_int_eq(server_stop(&server, SIGTERM), 0);
    ck_assert_uint_eq(count_requests(&line), 1);
    ck_assert_str_eq(text_in(line, "status"), "404");
    json_object_put(line);
    finish();
}
END_TEST

/* ---- events ---- */

static struct reply log_in(struct asked *asked, const struct account *account, const char *password) {
    static char body[BODY_SIZE];
    return ask(asked, "POST", "/auth/login", NULL, NULL, credentials(account, password, body));
}

static void expect_failed_login(const struct account *account, const char *password, long status, const char *reason) {
    struct asked asked;
    struct reply reply = log_in(&asked, account, password);
    ck_assert_int_eq(reply.status, status);
    ck_assert_ptr_null(strstr(reply.body, reason));
    http_free(&reply);
    struct json_object *line = await_line("login_failed", asked.id);
    ck_assert_str_eq(text_in(line, "reason"), reason);
    ck_assert_str_eq(text_in(line, "user_id"), account->id);
    ck_assert_str_eq(text_in(line, "address"), "127.0.0.1");
    const char *domain = strchr(account->email, '@') + 1;
    char masked[16];
    snprintf(masked, sizeof masked, "%c***@%c***", account->email[0], domain[0]);
    ck_assert_str_eq(text_in(line, "email"), masked);
    json_object_put(line);
}

START_TEST(a_failed_login_has_a_reason_that_the_client_does_not_get) {
    struct account account = account_register(&server), disabled = account_register(&server), unknown = account_new();
    char ignored[8];
    unknown.id[0] = '\0';
    database_value("UPDATE users SET disabled_at = now() WHERE id = $1::uuid", disabled.id, ignored, sizeof ignored);
    expect_failed_login(&unknown, PASSWORD, 401, "unknown");
    expect_failed_login(&disabled, PASSWORD, 401, "disabled");
    expect_failed_login(&account, "not the passphrase", 401, "wrong_password");
    expect_failed_login(&account, "not the passphrase", 401, "wrong_password");
    /* the words of the reply are those of the code, not of the reason */
    struct asked asked;
    struct account obsolete = account_register(&server);
    database_value("UPDATE users SET password_change_required = true WHERE id = $1::uuid", obsolete.id, ignored, sizeof ignored);
    expect_problem(log_in(&asked, &obsolete, PASSWORD), 403, "password_change_required");
    struct json_object *required = await_line("login_failed", asked.id);
    ck_assert_str_eq(text_in(required, "reason"), "password_change_required");
    json_object_put(required);
    expect_problem(log_in(&asked, &account, PASSWORD), 429, "account_locked");
    struct json_object *line = await_line("login_failed", asked.id);
    ck_assert_str_eq(text_in(line, "reason"), "locked");
    json_object_put(line);
}
END_TEST

START_TEST(whole_addresses_are_logged_only_when_asked_for) {
    struct account unknown = account_new();
    struct asked asked;
    server = server_start((const char *const[]){ "log.emails=whole", NULL });
    expect_status(log_in(&asked, &unknown, PASSWORD), 401);
    struct json_object *line = await_line("login_failed", asked.id);
    ck_assert_str_eq(text_in(line, "email"), unknown.email);
    json_object_put(line);
    finish();
}
END_TEST

START_TEST(a_logout_by_an_access_token_is_logged_with_its_user) {
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    struct asked asked;
    expect_status(ask(&asked, "POST", "/auth/logout", tokens.access, NULL, "{\"all\":true}"), 204);
    struct json_object *line = await_line("logged_out_everywhere", asked.id);
    ck_assert_str_eq(text_in(line, "user_id"), account.id);
    json_object_put(line);
}
END_TEST

static void run_user_command(const char *subcommand, const struct account *account, const char *role) {
    static char setting[512], output[4096];
    snprintf(setting, sizeof setting, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    const char *const words[] = { "--set", setting, "user", subcommand, account->email, role, NULL };
    ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
}

/* Each event once, though the service reads the last seconds again and again. */
START_TEST(what_a_command_does_is_in_the_log_of_the_service) {
    char disabled[128], enabled[128], ended[128];
    server = server_start(NULL);
    struct account account = account_register(&server);
    account_login(&server, &account);
    run_user_command("disable", &account, NULL);
    snprintf(disabled, sizeof disabled, "\"event\":\"user_disabled\",\"user_id\":\"%s\",\"actor\":\"shell:", account.id);
    snprintf(ended, sizeof ended, "\"event\":\"session_ended\",\"user_id\":\"%s\"", account.id);
    snprintf(enabled, sizeof enabled, "\"event\":\"user_enabled\",\"user_id\":\"%s\"", account.id);
    ck_assert(server_log_contains(&server, disabled));
    run_user_command("enable", &account, NULL);
    ck_assert(server_log_contains(&server, enabled));
    server_check_log_count(&server, disabled, 1);
    server_check_log_count(&server, ended, 1);
    ck_assert(server_log_contains(&server, "\"reason\":\"user_disabled\""));
    ck_assert(server_log_contains(&server, "\"at\":\"20")); /* when: another process may have logged it already */
    finish();
}
END_TEST

START_TEST(the_log_says_which_key_or_roles_a_command_has_changed) {
    char database[512], keys[128], refresh[128], output[4096], changed[256], added[256];
    server = server_start(NULL);
    struct account account = account_register(&server);
    run_user_command("set-roles", &account, "editor");
    snprintf(changed, sizeof changed,
             "\"event\":\"roles_changed\",\"user_id\":\"%s\",\"from\":\"[]\",\"to\":\"[\\\"editor\\\"]\",", account.id);
    ck_assert(server_log_contains(&server, changed));
    snprintf(database, sizeof database, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", server.directory);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s/refresh.key", server.directory);
    const char *const words[] = { "--set", database, "--set", keys, "--set", refresh, "key", "add", NULL };
    ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
    snprintf(added, sizeof added, "\"event\":\"key_changed\",\"reason\":\"added\",\"kid\":\"%.*s\",", (int)strcspn(output, "\n"),
             output);
    ck_assert_msg(server_log_contains(&server, added), "%s", added);
    finish();
}
END_TEST

/* ---- one request in detail ---- */

#define WORD "a word that nobody guesses"
/* printf %s "a word that nobody guesses" | sha256sum */
#define WORD_DIGEST "aa5eb21bd5905546db67db759c34a3b7ed952f933616b0c4e38e6f6e888f764e"

static int lines_of(const char *request_id) {
    char text[64];
    snprintf(text, sizeof text, "\"request_id\":\"%s\"", request_id);
    return server_log_count(&server, text);
}

START_TEST(one_request_is_logged_in_detail_by_whoever_knows_the_word) {
    struct asked known, wrong, without;
    server =
        server_start((const char *const[]){ "log.level=info", "log.requests=refused", "log.detail_digest=" WORD_DIGEST, NULL });
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    expect_status(ask(&wrong, "GET", "/auth/me", tokens.access, "X-Log-Detail: " WORD "!", NULL), 200);
    expect_status(ask(&without, "GET", "/auth/me", tokens.access, NULL, NULL), 200);
    expect_status(ask(&known, "GET", "/auth/me", tokens.access, "X-Log-Detail: " WORD, NULL), 200);
    struct json_object *line = await_line("request", known.id), *step = await_line("step_waits", known.id);
    ck_assert_str_eq(text_in(line, "path"), "/auth/me");
    ck_assert_str_eq(text_in(step, "executor"), "database");
    ck_assert_str_ne(text_in(step, "step"), "");
    json_object_put(line);
    json_object_put(step);
    ck_assert_int_gt(lines_of(known.id), 2);
    ck_assert_int_eq(lines_of(wrong.id) + lines_of(without.id), 0);
    ck_assert_int_eq(server_log_count(&server, WORD), 0);
    finish();
}
END_TEST

START_TEST(without_a_digest_no_request_is_logged_in_detail) {
    struct asked asked;
    server = server_start((const char *const[]){ "log.requests=refused", NULL });
    expect_status(ask(&asked, "GET", "/health/live", NULL, "X-Log-Detail: ", NULL), 200);
    expect_status(ask(&asked, "GET", "/health/live", NULL, "X-Log-Detail: " WORD, NULL), 200);
    int detailed = lines_of(asked.id);
    expect_status(ask(&asked, "GET", "/auth/me", NULL, NULL, NULL), 401);
    json_object_put(await_line("request", asked.id));
    ck_assert_int_eq(detailed, 0);
    finish();
}
END_TEST

Suite *request_log_suite(void) {
    Suite *suite = suite_create("request_log");
    TCase *refusals = tcase_create("refusals");
    tcase_set_timeout(refusals, 60);
    tcase_add_checked_fixture(refusals, start_limited, finish);
    tcase_add_test(refusals, one_line_says_of_every_refusal_whose_it_was_where_why_and_by_which_limit);
    tcase_add_test(refusals, a_failed_login_has_a_reason_that_the_client_does_not_get);
    tcase_add_test(refusals, a_logout_by_an_access_token_is_logged_with_its_user);
    suite_add_tcase(suite, refusals);
    TCase *own = tcase_create("servers of their own");
    tcase_set_timeout(own, 60);
    tcase_add_test(own, a_database_that_is_away_is_named_in_the_line);
    tcase_add_test(own, a_request_that_succeeds_has_one_line_and_only_if_all_are_wanted);
    tcase_add_test(own, a_long_path_hides_nothing_of_a_line_in_detail);
    tcase_add_loop_test(own, a_request_that_is_refused_before_its_route_is_known_has_one_line_too, 0,
                        (int)ARRAY_LEN(refused_early));
    tcase_add_test(own, a_refused_request_line_has_the_status_that_the_client_has_received);
    tcase_add_test(own, scrapes_and_probes_of_the_operators_listener_have_no_line_while_all_is_well);
    tcase_add_test(own, whole_addresses_are_logged_only_when_asked_for);
    tcase_add_test(own, what_a_command_does_is_in_the_log_of_the_service);
    tcase_add_test(own, the_log_says_which_key_or_roles_a_command_has_changed);
    tcase_add_test(own, one_request_is_logged_in_detail_by_whoever_knows_the_word);
    tcase_add_test(own, without_a_digest_no_request_is_logged_in_detail);
    suite_add_tcase(suite, own);
    return suite;
}
