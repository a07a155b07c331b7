/* /metrics: that parsers of others read it, that what happens is counted where it belongs, and that no client can add a series.
 */
#include "support/account.h"
#include "support/database.h"
#include "support/metrics.h"
#include "support/raw.h"

#include "jwtd/macros.h"
#include "jwtd/status.h"

#include "src/base/metric_table.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *metrics_suite(void);

#define OPENMETRICS "application/openmetrics-text; version=1.0.0"

static struct server server, operations;

static void start(void) {
    server = server_start_from_file((const char *const[]){
        "ops.listen=127.0.0.1:0", "limit.enabled=true", "limit.account=off", "limit.refresh=off", "limit.login=off",
        "limit.register=off", "limit.login_failures=2/min", "limit.account_failures=off", "limit.address_failures=off", NULL });
    operations = server_operations(&server);
}

static void finish(void) {
    server_finish(&server);
}

static struct reply log_in(const struct account *account, const char *password) {
    char body[BODY_SIZE];
    return http_json(&server, "POST", "/auth/login", NULL, credentials(account, password, body));
}

/* Runs `work`, and checks that the series has grown by one. */
static void expect_one_more(const char *series, void (*work)(struct account *account), struct account *account) {
    double before = metrics_value(&operations, series);
    work(account);
    ck_assert_msg(metrics_value(&operations, series) == before + 1, "%s was %g", series, before);
}

/* ---- what reads it ---- */

static const struct {
    const char *accept;
    const char *command;
    const char *output; /* NULL: any */
} parsers[] = {
    { NULL, "promtool check metrics", "" },
    { NULL,
      "/usr/bin/python3 -c 'import sys; from prometheus_client.parser import text_string_to_metric_families as parse;"
      " names = [family.name for family in parse(sys.stdin.read())]; assert len(names) == len(set(names)) > 30'",
      "" },
    { OPENMETRICS,
      "/usr/bin/python3 -c 'import sys; from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse;"
      " names = [family.name for family in parse(sys.stdin.read())]; assert len(names) == len(set(names)) > 30'",
      "" },
};

START_TEST(parsers_of_others_read_it) {
    struct account account = account_register(&server);
    account_login(&server, &account);
    char output[2048], *text = metrics_text(&operations, parsers[_i].accept);
    int code = command_run((const char *const[]){ "/bin/sh", "-c", parsers[_i].command, NULL }, text, output, sizeof output);
    ck_assert_msg(code == 0 && strcmp(output, parsers[_i].output) == 0, "%s: %d\n%s", parsers[_i].command, code, output);
    free(text);
}
END_TEST

START_TEST(the_format_is_said_in_content_type_and_a_strange_accept_is_answered_with_the_text) {
    static const struct {
        const char *accept, *type;
    } cases[] = {
        { "Accept: " OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8" },
        { "Accept: application/json", "text/plain; version=0.0.4; charset=utf-8" },
        { "Accept: application/openmetrics-text; version=9.0.0", "text/plain; version=0.0.4; charset=utf-8" },
        { "Accept: ;;=,\"", "text/plain; version=0.0.4; charset=utf-8" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reply reply = http_send(&operations, "GET", "/metrics", (const char *const[]){ cases[i].accept, NULL }, NULL);
        char type[96];
        ck_assert_int_eq(reply.status, 200);
        ck_assert_str_eq(http_header(&reply, "Content-Type", type, sizeof type), cases[i].type);
        http_free(&reply);
    }
}
END_TEST

/* ---- series ---- */

/* So that a row that nobody records or reads is noticed. */
START_TEST(a_service_that_is_used_has_a_sample_of_each_row) {
    struct account account = account_register(&server);
    account_login(&server, &account);
    char *text = metrics_text(&operations, NULL);
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
        const struct metric_row *row = &metric_rows[metric];
        char line[128];
        snprintf(line, sizeof line, "\n%s%s", row->name,
                 row->type == METRIC_COUNTER     ? "_total"
                 : row->type == METRIC_INFO      ? "_info"
                 : row->type == METRIC_HISTOGRAM ? "_count"
                                                 : "");
        const char *sample = strstr(text, line);
        ck_assert_msg(sample != NULL && strchr(" {", sample[strlen(line)]) != NULL, "%s has no sample", row->name);
    }
    free(text);
}
END_TEST

static size_t count_lines_of(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void send_hostile_requests(unsigned round) {
    static const char *const methods[] = { "GET", "POST", "OPTIONS", "BREW" };
    for (unsigned i = 0; i < 12; i++) {
        char path[128], header[128];
        snprintf(path, sizeof path, "/%u/%u\"}%%0a{x=\"/../auth/login?route=%u", round, i, i);
        snprintf(header, sizeof header, "X-Request-Id: %u-%u", round, i);
        http_free(&(struct reply[]){
            http_send(&server, methods[i % ARRAY_LEN(methods)], path, (const char *const[]){ header, NULL }, NULL) }[0]);
    }
}

START_TEST(no_client_can_add_a_series) {
    send_hostile_requests(0);
    char *before = metrics_text(&operations, NULL);
    for (unsigned round = 1; round <= 5; round++)
        send_hostile_requests(round);
    char *after = metrics_text(&operations, NULL);
    ck_assert_uint_eq(count_lines_of(after), count_lines_of(before));
    free(before);
    free(after);
}
END_TEST

START_TEST(requests_are_counted_by_the_route_that_matched_and_their_status) {
    static const struct {
        const char *method, *path, *requests, *duration;
    } cases[] = {
        { "GET", "/auth/me", "jwtd_http_requests_total{route=\"GET /auth/me\",status=\"401\"}",
          "jwtd_http_request_duration_seconds_count{route=\"GET /auth/me\"}" },
        { "HEAD", "/health/live", "jwtd_http_requests_total{route=\"GET /health/live\",status=\"200\"}",
          "jwtd_http_request_duration_seconds_count{route=\"GET /health/live\"}" },
        { "POST", "/auth/verify", "jwtd_http_requests_total{route=\"/auth/verify\",status=\"401\"}",
          "jwtd_http_request_duration_seconds_count{route=\"/auth/verify\"}" },
        { "GET", "/nowhere", "jwtd_http_requests_total{route=\"none\",status=\"404\"}",
          "jwtd_http_request_duration_seconds_count{route=\"none\"}" },
        { "DELETE", "/auth/login", "jwtd_http_requests_total{route=\"none\",status=\"405\"}",
          "jwtd_http_request_duration_seconds_count{route=\"none\"}" },
    };
    double requests = metrics_value(&operations, cases[_i].requests), durations = metrics_value(&operations, cases[_i].duration);
    http_free(&(struct reply[]){ http_send(&server, cases[_i].method, cases[_i].path, NULL, NULL) }[0]);
    metrics_await_at_least(&operations, cases[_i].requests, requests + 1); /* it is counted when the reply has been sent */
    ck_assert_double_eq(metrics_value(&operations, cases[_i].requests), requests + 1);
    ck_assert_double_eq(metrics_value(&operations, cases[_i].duration), durations + 1);
}
END_TEST

START_TEST(what_is_answered_past_the_library_is_counted_too) {
    static const char series[] = "jwtd_http_requests_total{route=\"none\",status=\"431\"}";
    static char request[40000];
    static struct raw_reply reply;
    int len = snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: x\r\nX: %030000d\r\n\r\n", 0);
    double before = metrics_value(&operations, series);
    raw_exchange_replies(&server, request, (size_t)len, 1, &reply);
    ck_assert_int_eq(reply.statuses[0], 431);
    metrics_await_at_least(&operations, series, before + 1);
    ck_assert_double_eq(metrics_value(&operations, series), before + 1);
}
END_TEST

START_TEST(open_connections_are_counted_by_their_state) {
    static const char header[] = "GET / HTTP/1.1\r\nHost: x\r\n",
                      body[] = "POST /auth/login HTTP/1.1\r\nHost: x\r\n"
                               "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    double idle = metrics_value(&operations, "jwtd_http_connections{listener=\"public\",state=\"idle\"}");
    int fds[3] = { raw_connect(&server), raw_connect(&server), raw_connect(&server) };
    raw_send(fds[1], header, sizeof header - 1);
    raw_send(fds[2], body, sizeof body - 1);
    metrics_await_at_least(&operations, "jwtd_http_connections{listener=\"public\",state=\"header\"}", 1);
    metrics_await_at_least(&operations, "jwtd_http_connections{listener=\"public\",state=\"body\"}", 1);
    metrics_await_at_least(&operations, "jwtd_http_connections{listener=\"public\",state=\"idle\"}", idle + 1);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    metrics_await_at_most(&operations, "jwtd_http_connections{listener=\"public\",state=\"body\"}", 0);
    metrics_await_at_most(&operations, "jwtd_http_connections{listener=\"public\",state=\"header\"}", 0);
}
END_TEST

/* ---- accounts ---- */

static void log_in_well(struct account *account) {
    expect_status(log_in(account, PASSWORD), 200);
}

static void log_in_badly(struct account *account) {
    expect_problem(log_in(account, "not the password"), 401, "invalid_credentials");
}

static void log_in_disabled(struct account *account) {
    char ignored[8];
    database_value("UPDATE users SET disabled_at = now() WHERE id = $1::uuid", account->id, ignored, sizeof ignored);
    expect_problem(log_in(account, PASSWORD), 401, "invalid_credentials");
}

static void log_in_locked(struct account *account) {
    expect_problem(log_in(account, PASSWORD), 429, "account_locked");
}

static void log_in_without_the_new_password(struct account *account) {
    char ignored[8];
    database_value("UPDATE users SET password_change_required = true WHERE id = $1::uuid", account->id, ignored, sizeof ignored);
    expect_problem(log_in(account, PASSWORD), 403, "password_change_required");
}

START_TEST(logins_are_counted_by_outcome) {
    struct account account = account_register(&server), nobody = account_new(), other = account_register(&server);
    expect_one_more("jwtd_logins_total{outcome=\"ok\"}", log_in_well, &account);
    expect_one_more("jwtd_logins_total{outcome=\"refused\"}", log_in_badly, &nobody);
    expect_one_more("jwtd_logins_total{outcome=\"refused\"}", log_in_badly, &account);
    double lockouts = metrics_value(&operations, "jwtd_lockouts_total");
    expect_one_more("jwtd_logins_total{outcome=\"refused\"}", log_in_badly, &account);
    ck_assert_double_eq(metrics_value(&operations, "jwtd_lockouts_total"), lockouts + 1);
    expect_one_more("jwtd_logins_total{outcome=\"locked\"}", log_in_locked, &account);
    expect_one_more("jwtd_limiter_decisions_total{class=\"login_failures\",decision=\"refused\"}", log_in_locked, &account);
    expect_one_more("jwtd_logins_total{outcome=\"change_required\"}", log_in_without_the_new_password, &other);
    expect_one_more("jwtd_logins_total{outcome=\"refused\"}", log_in_disabled, &other);
    expect_one_more("jwtd_hash_duration_seconds_count", log_in_badly, &(struct account){ .email = "someone@example.org" });
    ck_assert_double_eq(metrics_value(&operations, "jwtd_hashes_in_flight"), 0);
}
END_TEST

#define CHANGES_SIZE 8192

/* The next line of `text`, without its newline, of a counter of what happens to accounts; NULL: there is none. */
static char *next_count(char **text) {
    static const char *const own[] = { "jwtd_http_", "jwtd_trace", "process_" };
    char *line;
    while ((line = strsep(text, "\n")) != NULL) {
        bool is_own = strstr(line, "_total") == NULL;
        for (size_t i = 0; i < ARRAY_LEN(own); i++)
            is_own = is_own || strncmp(line, own[i], strlen(own[i])) == 0;
        if (!is_own && line[0] != '#')
            return line;
    }
    return NULL;
}

/* Writes the counters that have grown by the work, with how much. */
static void write_changes(void (*work)(struct account *account), struct account *account, char changes[CHANGES_SIZE]) {
    static const char login[] = "jwtd_http_requests_total{route=\"POST /auth/login\",status=\"401\"}";
    double logins = metrics_value(&operations, login);
    char *before = metrics_text(&operations, NULL);
    size_t len = 0;
    work(account);
    metrics_await_at_least(&operations, login, logins + 1);
    char *after = metrics_text(&operations, NULL), *rest = after, *line;
    while ((line = next_count(&rest)) != NULL) {
        char series[256];
        int name_len = (int)(strrchr(line, ' ') - line);
        snprintf(series, sizeof series, "\n%.*s ", name_len, line);
        const char *old = strstr(before, series);
        double grown = strtod(line + name_len, NULL) - (old != NULL ? strtod(old + strlen(series), NULL) : 0);
        if (grown != 0)
            len += (size_t)snprintf(changes + len, CHANGES_SIZE - len, "%.*s %g\n", name_len, line, grown);
    }
    ck_assert_uint_gt(len, 0);
    free(before);
    free(after);
}

/* Whoever reads them could otherwise ask with one wrong password whether somebody has an account. */
START_TEST(metrics_do_not_tell_why_a_login_was_refused) {
    static char unknown[CHANGES_SIZE], wrong[CHANGES_SIZE], disabled[CHANGES_SIZE];
    struct account account = account_register(&server), nobody = account_new(), other = account_register(&server);
    write_changes(log_in_badly, &nobody, unknown);
    write_changes(log_in_badly, &account, wrong);
    write_changes(log_in_disabled, &other, disabled);
    ck_assert_str_eq(wrong, unknown);
    ck_assert_str_eq(disabled, unknown);
}
END_TEST

static struct reply register_with_key(const struct account *account) {
    char body[BODY_SIZE], key[160];
    snprintf(key, sizeof key, "Idempotency-Key: %s", account->email);
    return http_send(&server, "POST", "/auth/register", (const char *const[]){ "Content-Type: application/json", key, NULL },
                     credentials(account, PASSWORD, body));
}

static void register_well(struct account *account) {
    expect_status(register_with_key(account), 201);
}

static void register_again(struct account *account) {
    char body[BODY_SIZE];
    expect_problem(http_json(&server, "POST", "/auth/register", NULL, credentials(account, PASSWORD, body)), 409, "email_taken");
}

START_TEST(registrations_are_counted_by_outcome) {
    struct account account = account_new();
    expect_one_more("jwtd_registrations_total{outcome=\"created\"}", register_well, &account);
    expect_one_more("jwtd_registrations_total{outcome=\"repeated\"}", register_well, &account);
    expect_one_more("jwtd_registrations_total{outcome=\"email_taken\"}", register_again, &account);
}
END_TEST

static struct tokens first, second;

static void rotate(struct account *account) {
    (void)account;
    struct reply reply = refresh_with(&server, first.refresh);
    ck_assert_int_eq(reply.status, 200);
    snprintf(second.refresh, sizeof second.refresh, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
}

static void present_first(struct account *account) {
    (void)account;
    expect_status(refresh_with(&server, first.refresh), 200);
}

static void present_made_up(struct account *account) {
    (void)account;
    expect_problem(refresh_with(&server, "jr1_AAAA"), 401, "invalid_refresh_token");
}

static void reuse_first(struct account *account) {
    (void)account;
    expect_problem(refresh_with(&server, first.refresh), 401, "refresh_token_reused");
}

static void present_expired(struct account *account) {
    char ignored[8];
    database_value("UPDATE sessions SET expires_at = now() - interval '1 second' WHERE user_id = $1::uuid", account->id, ignored,
                   sizeof ignored);
    expect_problem(refresh_with(&server, first.refresh), 401, "session_expired");
}

START_TEST(refreshes_are_counted_by_outcome) {
    struct account account = account_register(&server), other = account_register(&server);
    first = account_login(&server, &account);
    expect_one_more("jwtd_refreshes_total{outcome=\"rotated\"}", rotate, NULL);
    expect_one_more("jwtd_refreshes_total{outcome=\"retried\"}", present_first, NULL);
    expect_status(refresh_with(&server, second.refresh), 200);
    expect_one_more("jwtd_refreshes_total{outcome=\"reused\"}", reuse_first, NULL);
    expect_one_more("jwtd_refreshes_total{outcome=\"invalid\"}", reuse_first, NULL); /* its session has ended */
    expect_one_more("jwtd_refreshes_total{outcome=\"invalid\"}", present_made_up, NULL);
    first = account_login(&server, &other);
    expect_one_more("jwtd_refreshes_total{outcome=\"expired\"}", present_expired, &other);
}
END_TEST

START_TEST(a_revoked_session_is_known_and_the_knowledge_is_young) {
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    double before = metrics_value(&operations, "jwtd_revoked_sessions");
    expect_status(http_json(&server, "POST", "/auth/logout", tokens.access, "{}"), 204);
    metrics_await_at_least(&operations, "jwtd_revoked_sessions", before + 1);
    metrics_await_at_most(&operations, "jwtd_revocations_age_seconds", 2);
}
END_TEST

/* ---- keys and reloads ---- */

static void write_public_key(void) {
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEkjfY/7E383Tj69m46M5fWNNpxJg/\n"
                              "ieXe32xX3QoVo2fwNE95KdqYAk9f4KG/2JITrJYP707tKjLUEQRkJ9oWAg==\n"
                              "-----END PUBLIC KEY-----\n";
    char path[128];
    snprintf(path, sizeof path, "%s/keys/0.es256", server.directory);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fchmod(fileno(file), 0600), 0);
    fputs(pem, file);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(keys_are_named_with_algorithm_and_state) {
    char *text = metrics_text(&operations, NULL);
    const char *key = strstr(text, "\njwtd_key_info{kid=\"");
    ck_assert_ptr_nonnull(key);
    ck_assert_ptr_nonnull(strstr(key, "alg=\"HS256\",state=\"active\"} 1\n"));
    free(text);
    ck_assert_double_gt(metrics_value(&operations, "jwtd_key_active_since_timestamp_seconds"), 1.7e9);
    ck_assert_double_eq(metrics_value(&operations, "jwtd_key_standby"), 0);
    write_public_key();
    kill(server.pid, SIGHUP);
    metrics_await_at_least(&operations, "jwtd_key_info{kid=\"0\",alg=\"ES256\",state=\"standby\"}", 1);
    ck_assert_double_eq(metrics_value(&operations, "jwtd_key_standby"), 0); /* it can never sign */
    server_make_key(&server);
    kill(server.pid, SIGHUP);
    metrics_await_at_least(&operations, "jwtd_key_standby", 1);
}
END_TEST

static void append_to_config(const char *line) {
    char path[128];
    snprintf(path, sizeof path, "%s/" SERVER_CONFIG, server.directory);
    FILE *file = fopen(path, "ae");
    ck_assert_ptr_nonnull(file);
    fputs(line, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void truncate_config(long len) {
    char path[128];
    snprintf(path, sizeof path, "%s/" SERVER_CONFIG, server.directory);
    ck_assert_int_eq(truncate(path, len), 0);
}

static long config_size(void) {
    char path[128];
    snprintf(path, sizeof path, "%s/" SERVER_CONFIG, server.directory);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    fclose(file);
    return size;
}

START_TEST(a_reload_that_fails_shows_until_one_succeeds) {
    long size = config_size();
    double failed = metrics_value(&operations, "jwtd_reloads_total{outcome=\"failed\"}");
    append_to_config("\n[server]\nno_such_setting = 1\n");
    kill(server.pid, SIGHUP);
    metrics_await_at_least(&operations, "jwtd_reloads_total{outcome=\"failed\"}", failed + 1);
    ck_assert_double_eq(metrics_value(&operations, "jwtd_reload_last_success"), 0);
    truncate_config(size);
    kill(server.pid, SIGHUP);
    metrics_await_at_least(&operations, "jwtd_reload_last_success", 1);
}
END_TEST

Suite *metrics_suite(void) {
    Suite *suite = suite_create("metrics");
    TCase *tcase = tcase_create("metrics");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, start, finish);
    tcase_add_loop_test(tcase, parsers_of_others_read_it, 0, ARRAY_LEN(parsers));
    tcase_add_test(tcase, the_format_is_said_in_content_type_and_a_strange_accept_is_answered_with_the_text);
    tcase_add_test(tcase, a_service_that_is_used_has_a_sample_of_each_row);
    tcase_add_test(tcase, no_client_can_add_a_series);
    tcase_add_loop_test(tcase, requests_are_counted_by_the_route_that_matched_and_their_status, 0, 5);
    tcase_add_test(tcase, what_is_answered_past_the_library_is_counted_too);
    tcase_add_test(tcase, open_connections_are_counted_by_their_state);
    tcase_add_test(tcase, logins_are_counted_by_outcome);
    tcase_add_test(tcase, metrics_do_not_tell_why_a_login_was_refused);
    tcase_add_test(tcase, registrations_are_counted_by_outcome);
    tcase_add_test(tcase, refreshes_are_counted_by_outcome);
    tcase_add_test(tcase, a_revoked_session_is_known_and_the_knowledge_is_young);
    tcase_add_test(tcase, keys_are_named_with_algorithm_and_state);
    tcase_add_test(tcase, a_reload_that_fails_shows_until_one_succeeds);
    suite_add_tcase(suite, tcase);
    return suite;
}
