/* SIGHUP: what changes while the service runs, and what does not. */
#include "support/account.h"
#include "support/metrics.h"
#include "tests/runner.h"

#include "jwtd/macros.h"

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *reload_suite(void);

#define TRIES 200
#define PAUSE_US 25000

static struct server keeper, server; /* the first has the directory, in which the second finds its configuration */

static void write_config(const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/" SERVER_CONFIG, keeper.directory);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void start_with(const char *config, const char *const *settings) {
    keeper = server_start(NULL);
    write_config(config);
    server = server_start_beside(&keeper, settings);
}

static void finish(void) {
    server_finish(&server);
    server_finish(&keeper);
}

/* The last lines of the log, for the message of a test that fails. */
static const char *last_lines(void) {
    static char lines[1024];
    char *log = server_log(&server);
    size_t len = strlen(log);
    snprintf(lines, sizeof lines, "%s", log + (len < sizeof lines ? 0 : len - sizeof lines + 1));
    free(log);
    return lines;
}

static void reload(const char *expected) {
    int before = server_log_count(&server, expected);
    kill(server.pid, SIGHUP);
    for (int i = 0; i < TRIES && server_log_count(&server, expected) == before; i++)
        usleep(PAUSE_US);
    ck_assert_msg(server_log_count(&server, expected) == before + 1, "not in the log: %s\n%s", expected, last_lines());
}

static void reload_config(const char *config, const char *expected) {
    write_config(config);
    reload(expected);
}

static void make_key(void) {
    server_make_key(&keeper);
}

/* The path of the oldest key file by name. */
static void oldest_key(char path[256]) {
    char oldest[128] = "";
    snprintf(path, 256, "%s/keys", keeper.directory);
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.' && (oldest[0] == '\0' || strcmp(entry->d_name, oldest) < 0))
            snprintf(oldest, sizeof oldest, "%.100s", entry->d_name);
    closedir(directory);
    snprintf(path, 256, "%s/keys/%s", keeper.directory, oldest);
}

static void remove_old_key(void) {
    char path[256];
    oldest_key(path);
    ck_assert_int_eq(unlink(path), 0);
}

static long verify_status(const char *token) {
    char bearer[TOKEN_SIZE + 32];
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", token);
    struct reply reply = http_send(&server, "GET", "/auth/verify", (const char *const[]){ bearer, NULL }, NULL);
    long status = reply.status;
    http_free(&reply);
    return status;
}

/* ---- keys ---- */

static const char *kid_of(const char *token, char kid[256]) {
    size_t len = strcspn(token, ".");
    ck_assert_uint_lt(len, 256);
    memcpy(kid, token, len); /* the header in base64url names it: two headers differ when their kids do */
    kid[len] = '\0';
    return kid;
}

START_TEST(a_new_key_signs_and_the_old_one_still_verifies_until_it_has_gone) {
    start_with("", NULL);
    struct account account = account_register(&server);
    struct tokens before = account_login(&server, &account);
    make_key();
    reload("\"event\":\"keys_read\",\"count\":2,");
    struct tokens after = account_login(&server, &account);
    char old_kid[256], new_kid[256];
    ck_assert_str_ne(kid_of(before.access, old_kid), kid_of(after.access, new_kid));
    ck_assert_int_eq(verify_status(before.access), 200);
    ck_assert_int_eq(verify_status(after.access), 200);
    remove_old_key();
    reload("\"event\":\"keys_read\",\"count\":1,");
    ck_assert_int_eq(verify_status(before.access), 401);
    ck_assert_int_eq(verify_status(after.access), 200);
    expect_status(refresh_with(&server, before.refresh), 200);
    finish();
}
END_TEST

#define CLIENTS 6

struct load {
    struct account account;
    atomic_bool over;
    atomic_uint refused, answered;
};

static void use_tokens(size_t index, void *context) {
    struct load *load = context;
    if (index == CLIENTS) {
        for (int i = 0; i < 10; i++) {
            make_key();
            reload("\"event\":\"reloaded\"");
        }
        atomic_store(&load->over, true);
        return;
    }
    struct tokens tokens = account_login(&server, &load->account);
    while (!atomic_load(&load->over)) {
        if (verify_status(tokens.access) != 200)
            atomic_fetch_add(&load->refused, 1);
        struct reply reply = refresh_with(&server, tokens.refresh);
        if (reply.status == 200) {
            snprintf(tokens.access, sizeof tokens.access, "%s", http_member(&reply, "access_token"));
            snprintf(tokens.refresh, sizeof tokens.refresh, "%s", http_member(&reply, "refresh_token"));
        } else {
            atomic_fetch_add(&load->refused, 1);
        }
        http_free(&reply);
        atomic_fetch_add(&load->answered, 2);
    }
}

START_TEST(keys_are_rotated_under_load_without_one_refusal) {
    start_with("", NULL);
    static struct load load;
    load.account = account_register(&server);
    run_parallel(CLIENTS + 1, use_tokens, &load);
    ck_assert_uint_eq(load.refused, 0);
    ck_assert_uint_ge(load.answered, 20);
    finish();
}
END_TEST

START_TEST(the_key_that_signs_can_be_named_before_and_after) {
    start_with("", NULL);
    make_key();
    reload_config("[token]\nactive_kid = nobody\n", "\"event\":\"reload_failed\"");
    struct account account = account_register(&server);
    account_login(&server, &account);
    finish();
}
END_TEST

/* ---- settings ---- */

START_TEST(limits_change_at_once) {
    start_with("[limit]\nlogin = 100/h\n", (const char *const[]){ "limit.enabled=true", NULL });
    expect_problem(http_json(&server, "POST", "/auth/login", NULL, "{}"), 422, "validation_failed");
    reload_config("[limit]\nlogin = 1/h\n", "\"changed\":\"limit.login\",\"needs_restart\":\"\"");
    expect_problem(http_json(&server, "POST", "/auth/login", NULL, "{}"), 429, "rate_limited");
    reload_config("[limit]\nlogin = off\n", "\"changed\":\"limit.login\"");
    expect_problem(http_json(&server, "POST", "/auth/login", NULL, "{}"), 422, "validation_failed");
    finish();
}
END_TEST

START_TEST(the_level_of_the_log_changes_at_once) {
    static const char at_debug[] = "\"path\":\"/health/live\"";
    start_with("[log]\nlevel = info\n", NULL);
    expect_status(http_send(&server, "GET", "/health/live", NULL, NULL), 200);
    ck_assert(server_log_count(&server, at_debug) == 0);
    reload_config("[log]\nlevel = debug\n", "\"changed\":\"log.level\"");
    expect_status(http_send(&server, "GET", "/health/live", NULL, NULL), 200);
    /* the line is written after the reply is sent */
    server_await_log(&server, at_debug, 10000);
    finish();
}
END_TEST

static bool is_allowed(const char *origin) {
    char header[128], value[128];
    snprintf(header, sizeof header, "Origin: %s", origin);
    struct reply reply = http_send(&server, "GET", "/health/live", (const char *const[]){ header, NULL }, NULL);
    bool allowed = strcmp(http_header(&reply, "Access-Control-Allow-Origin", value, sizeof value), origin) == 0;
    http_free(&reply);
    return allowed;
}

START_TEST(allowed_origins_change_at_once) {
    start_with("[cors]\nallowed_origins = https://a.example\n", NULL);
    ck_assert(is_allowed("https://a.example") && !is_allowed("https://b.example"));
    reload_config("[cors]\nallowed_origins = https://b.example\n", "\"changed\":\"cors.allowed_origins\"");
    ck_assert(!is_allowed("https://a.example") && is_allowed("https://b.example"));
    finish();
}
END_TEST

static void ask_for_origins(size_t index, void *context) {
    static const char *const origins[] = { "https://a.example", "https://b.example" };
    struct load *load = context;
    if (index == CLIENTS) {
        for (int i = 0; i < 20; i++)
            reload_config(i % 2 == 0 ? "[cors]\nallowed_origins = https://b.example\n[server]\nbody_limit = 2KiB\n"
                                     : "[cors]\nallowed_origins = https://a.example\n",
                          "\"event\":\"reloaded\"");
        atomic_store(&load->over, true);
        return;
    }
    while (!atomic_load(&load->over))
        atomic_fetch_add(is_allowed(origins[index % 2]) ? &load->answered : &load->refused, 1);
}

START_TEST(settings_are_reloaded_while_requests_read_them) {
    start_with("[cors]\nallowed_origins = https://a.example\n", NULL);
    static struct load load;
    run_parallel(CLIENTS + 1, ask_for_origins, &load);
    ck_assert_uint_gt(load.answered, 0);
    ck_assert_uint_gt(load.refused, 0);
    ck_assert(is_allowed("https://a.example") && !is_allowed("https://b.example"));
    finish();
}
END_TEST

START_TEST(what_needs_a_restart_is_named_and_stays) {
    start_with("", NULL);
    reload_config("[server]\nbody_limit = 2KiB\n[limit]\ntable_size = 2048\nlogin = 1/h\n",
                  "\"changed\":\"limit.login\",\"needs_restart\":\"server.body_limit limit.table_size\"");
    reload("\"changed\":\"\",\"needs_restart\":\"server.body_limit limit.table_size\"");
    finish();
}
END_TEST

/* Every setting, with a value that it does not have in these tests. HERE is the server's directory, KID its one key. */
static const struct {
    const char *name, *value;
    bool applied;
} changes[] = {
    { "server.listen", "127.0.0.1:1", false },
    { "server.public_url", "https://auth.example.com", false },
    { "server.threads", "3", false },
    { "server.max_connections", "100", false },
    { "server.max_connections_per_address", "10", false },
    { "server.max_streams", "10", false },
    { "server.header_timeout", "9s", false },
    { "server.body_timeout", "9s", false },
    { "server.request_timeout", "9s", false },
    { "server.body_limit", "2KiB", false },
    { "server.trusted_proxies", "127.0.0.0/8", false },
    { "server.drain_delay", "1s", false },
    { "server.shutdown_grace", "1s", false },
    { "database.url", "postgres://nobody@127.0.0.1:1/nothing", false },
    { "database.connections", "2", false },
    { "database.threads", "2", false },
    { "database.statement_timeout", "1s", false },
    { "database.prepared", "off", false },
    { "database.cleanup_interval", "1s", false },
    { "password.memory", "9MiB", false },
    { "password.operations", "9", false },
    { "password.allow_weak", "false", false },
    { "password.workers", "3", false },
    { "password.min_length", "64", false },
    { "password.nice", "19", false },
    { "token.keys_dir", "HERE/other-keys", false },
    { "token.active_kid", "KID", true },
    { "token.publish_before_use", "1h", true },
    { "token.refresh_key_file", "HERE/other-refresh.key", false },
    { "token.issuer", "somebody", false },
    { "token.audience", "somebody", false },
    { "token.access_ttl", "1m", false },
    { "token.refresh_ttl", "8d", false },
    { "token.refresh_idle", "1d", false },
    { "token.refresh_retry_window", "0", false },
    { "token.max_stale", "7s", true },
    { "token.claims", "name", false },
    { "limit.enabled", "true", true },
    { "limit.table_size", "2048", false },
    { "limit.register", "1/h", true },
    { "limit.login", "1/h", true },
    { "limit.refresh", "1/h", true },
    { "limit.account", "1/h", true },
    { "limit.address_failures", "1/h", true },
    { "limit.login_failures", "1/h", true },
    { "limit.lock", "2m", true },
    { "limit.lock_max", "2h", true },
    { "limit.account_failures", "1/h", true },
    { "limit.service", "1/h", true },
    { "services.credentials_file", "HERE/other.credentials", false },
    { "audit.keep", "90d", false },
    { "cors.allowed_origins", "https://c.example", true },
    { "ops.listen", "127.0.0.1:1", false },
    { "admin.enabled", "true", true },
    { "docs.enabled", "false", true },
    { "trace.otlp_endpoint", "http://127.0.0.1:4318", false },
    { "trace.sample", "0.7", true },
    { "trace.sample_callers", "7/min", true },
    { "log.level", "debug", true },
    { "log.format", "text", false },
    { "log.requests", "refused", true },
    { "log.emails", "whole", true },
    { "log.detail_digest", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", true },
};
#define CHANGES ARRAY_LEN(changes)

static void expect_a_change_for_every_setting(void) {
    static char output[16384];
    ck_assert_int_eq(program_run((const char *const[]){ "check-config", NULL }, NULL, output, sizeof output), 0);
    size_t settings = 0;
    for (const char *at = strstr(output, " = "); at != NULL; at = strstr(at + 1, " = "))
        settings++;
    ck_assert_uint_eq(settings, CHANGES);
}

static char *read_config(void) {
    char text[8192];
    char path[128];
    snprintf(path, sizeof path, "%s/" SERVER_CONFIG, keeper.directory);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    size_t len = fread(text, 1, sizeof text - 1, file);
    text[len] = '\0';
    fclose(file);
    return strdup(text);
}

/* What a client sees of keys and tokens is what it was. */
static void expect_tokens_as_before(const char *access, struct tokens *latest) {
    struct reply reply = refresh_with(&server, latest->refresh);
    char before[256], after[256];
    ck_assert_int_eq(verify_status(access), 200);
    ck_assert_int_eq(reply.status, 200);
    snprintf(latest->refresh, sizeof latest->refresh, "%s", http_member(&reply, "refresh_token"));
    ck_assert_str_eq(kid_of(http_member(&reply, "access_token"), after), kid_of(access, before));
    ck_assert_int_eq(json_integer_at(reply.json, "expires_in"), 900);
    http_free(&reply);
}

static void fill_in(const char *value, char filled[256]) {
    char path[256];
    if (strncmp(value, "HERE", 4) == 0) {
        snprintf(filled, 256, "%s%s", keeper.directory, value + 4);
        return;
    }
    snprintf(filled, 256, "%s", value);
    if (strcmp(value, "KID") != 0)
        return;
    oldest_key(path);
    size_t len = strcspn(strrchr(path, '/') + 1, ".");
    snprintf(filled, 256, "%.*s", (int)len, strrchr(path, '/') + 1);
}

/* The configuration with this setting in place of the one that it has, if it has one. */
static void set_in(const char *config, const char *name, const char *value, char *text, size_t size) {
    char old[128];
    int section_len = (int)strcspn(name, ".");
    snprintf(old, sizeof old, "[%.*s]\n%s = ", section_len, name, name + section_len + 1);
    const char *before = strstr(config, old);
    size_t kept = before != NULL ? (size_t)(before - config) : strlen(config);
    const char *rest = before != NULL ? strchr(before + strlen(old), '\n') : "";
    snprintf(text, size, "%.*s%s\n%s%s\n", (int)kept, config, rest, old, value);
}

static void change_one(size_t index, const char *config) {
    static char text[16384];
    char value[256], expected[256];
    fill_in(changes[index].value, value);
    set_in(config, changes[index].name, value, text, sizeof text);
    snprintf(expected, sizeof expected, "\"changed\":\"%s\",\"needs_restart\":\"%s\"",
             changes[index].applied ? changes[index].name : "", changes[index].applied ? "" : changes[index].name);
    reload_config(text, expected);
}

static void make_other_keys(void) {
    char keys[128], refresh[128], output[1024];
    snprintf(keys, sizeof keys, "token.keys_dir=%s/other-keys", keeper.directory);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s/other-refresh.key", keeper.directory);
    const char *const words[] = { "--set", keys, "--set", refresh, "keygen", NULL };
    ck_assert_int_eq(program_run(words, "", output, sizeof output), 0);
}

/* No setting is on the command line, where it would be stronger than that of the file. */
static void start_from_file(const char *const *settings) {
    server = server_start_from_file(settings);
    keeper = server;
    keeper.pid = 0;
    server.owns_directory = false;
}

START_TEST(each_setting_is_applied_or_named_for_a_restart_and_then_has_no_effect) {
    expect_a_change_for_every_setting();
    start_from_file((const char *const[]){ "password.operations=5", NULL }); /* no weak hashing, so that all may change */
    make_other_keys();
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account), latest = tokens;
    char *config = read_config();
    for (size_t i = 0; i < CHANGES; i++) {
        if (strcmp(changes[i].name, "database.prepared") == 0 && getenv("JWTD_DATABASE_PREPARED") != NULL) {
            test_leaves_out(__func__, "database.prepared, which the environment sets for the pooler");
            continue;
        }
        change_one(i, config);
        if (!changes[i].applied)
            expect_tokens_as_before(tokens.access, &latest);
        reload_config(config, "\"event\":\"reloaded\"");
    }
    expect_tokens_as_before(tokens.access, &latest);
    free(config);
    finish();
}
END_TEST

/* Of /health, which stays 200: what was in force is served. */
static void await_check_of_reload(const char *result) {
    char expected[32];
    bool is_there = false;
    snprintf(expected, sizeof expected, "\"reload\":\"%s\"", result);
    for (int i = 0; i < TRIES && !is_there; i++) {
        struct reply reply = http_send(&server, "GET", "/health/ready", NULL, NULL);
        ck_assert_int_eq(reply.status, 200);
        is_there = strstr(reply.body, expected) != NULL;
        http_free(&reply);
        usleep(PAUSE_US);
    }
    ck_assert_msg(is_there, "%s", expected);
}

START_TEST(a_file_with_an_error_changes_nothing_and_shows_until_a_reload_succeeds) {
    static const char config[] = "[limit]\nlogin = 100/h\n[cors]\nallowed_origins = https://a.example\n";
    start_with(config, (const char *const[]){ "limit.enabled=true", NULL });
    await_check_of_reload("ok");
    reload_config("[limit]\nlogin = 1/h\n[cors]\nallowed_origins = https://b.example\n[log]\nlevel = loud\n",
                  "\"event\":\"reload_failed\"");
    ck_assert(server_log_contains(&server, "log.level"));
    for (int i = 0; i < 3; i++)
        expect_problem(http_json(&server, "POST", "/auth/login", NULL, "{}"), 422, "validation_failed");
    ck_assert(is_allowed("https://a.example"));
    await_check_of_reload("failed");
    reload_config(config, "\"event\":\"reloaded\"");
    await_check_of_reload("ok");
    finish();
}
END_TEST

/* Which a start would refuse, too. */
static const char *const wrong_urls[] = {
    "postgres://jwtd:SECRETPW@x@db/jwtd",
    "postgres://db/jwtd?sslmode=verify-fulll",
    "host=db port=70000",
};

START_TEST(a_wrong_url_of_the_database_fails_the_reload) {
    static char text[16384];
    start_from_file((const char *const[]){ "ops.listen=127.0.0.1:0", NULL });
    struct server operations = server_operations(&server);
    char *config = read_config();
    for (size_t i = 0; i < ARRAY_LEN(wrong_urls); i++) {
        set_in(config, "database.url", wrong_urls[i], text, sizeof text);
        reload_config(text, "\"event\":\"reload_failed\",\"errors\":\"database.url");
        await_check_of_reload("failed");
        metrics_await_at_most(&operations, "jwtd_reload_last_success", 0);
        reload_config(config, "\"event\":\"reloaded\",\"changed\":\"\",\"needs_restart\":\"\"");
        await_check_of_reload("ok");
        metrics_await_at_least(&operations, "jwtd_reload_last_success", 1);
    }
    ck_assert_int_eq(server_log_count(&server, "SECRETPW"), 0);
    free(config);
    finish();
}
END_TEST

/* How often the log has warned of it. */
static void check_warnings(int count) {
    server_check_log_count(&server, "\"event\":\"password_exposed\",\"setting\":\"database.url\",\"file\":\"", count);
}

static void check_remark(bool is_there) {
    char path[128], output[16384];
    snprintf(path, sizeof path, "%s/" SERVER_CONFIG, keeper.directory);
    ck_assert_int_eq(program_run((const char *const[]){ "--config", path, "check-config", NULL }, NULL, output, sizeof output),
                     0);
    ck_assert_msg((strstr(output, "\n# database.url has a password, and every user") != NULL) == is_there, "%s", output);
}

static void allow(mode_t mode) {
    char path[128];
    snprintf(path, sizeof path, "%s/" SERVER_CONFIG, keeper.directory);
    ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(a_password_that_every_user_may_read_is_warned_of) {
    static char text[16384];
    char url[512];
    server = keeper = server_prepare(NULL);
    server.owns_directory = false;
    char *config = read_config();
    snprintf(url, sizeof url, "%s password=SECRETPW", getenv("JWTD_TEST_DATABASE"));
    set_in(config, "database.url", url, text, sizeof text);
    write_config(text);
    free(config);
    allow(0644);
    server_launch(&server, NULL);
    server_await(&server);
    check_remark(true);
    check_warnings(1);
    reload("\"event\":\"reloaded\"");
    check_warnings(2);
    allow(0640);
    reload("\"event\":\"reloaded\"");
    check_warnings(2);
    check_remark(false);
    ck_assert_int_eq(server_log_count(&server, "SECRETPW"), 0);
    finish();
}
END_TEST

Suite *reload_suite(void) {
    Suite *suite = suite_create("reload");
    TCase *tcase = tcase_create("reload");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_new_key_signs_and_the_old_one_still_verifies_until_it_has_gone);
    tcase_add_test(tcase, keys_are_rotated_under_load_without_one_refusal);
    tcase_add_test(tcase, the_key_that_signs_can_be_named_before_and_after);
    tcase_add_test(tcase, limits_change_at_once);
    tcase_add_test(tcase, the_level_of_the_log_changes_at_once);
    tcase_add_test(tcase, allowed_origins_change_at_once);
    tcase_add_test(tcase, settings_are_reloaded_while_requests_read_them);
    tcase_add_test(tcase, what_needs_a_restart_is_named_and_stays);
    tcase_add_test(tcase, each_setting_is_applied_or_named_for_a_restart_and_then_has_no_effect);
    tcase_add_test(tcase, a_file_with_an_error_changes_nothing_and_shows_until_a_reload_succeeds);
    tcase_add_test(tcase, a_wrong_url_of_the_database_fails_the_reload);
    tcase_add_test(tcase, a_password_that_every_user_may_read_is_warned_of);
    suite_add_tcase(suite, tcase);
    return suite;
}
