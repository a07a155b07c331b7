#include "src/base/settings.h"

#include "jwtd/db.h"
#include "jwtd/macros.h"

#include "config_fixture.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *config_suite(void);

#define SHIPPED_FILE "config/jwtd.conf"

/* ---- defaults and the shipped file ---- */

START_TEST(the_defaults_are_those_of_the_contract) {
    struct outcome outcome = load_set(NULL);
    const struct config *config = &outcome.config;
    ck_assert_msg(outcome.loaded, "%s", outcome.errors);
    char listen[ENDPOINT_TEXT_SIZE];
    ck_assert_str_eq(endpoint_text(&config->server.listen, listen), "127.0.0.1:8080");
    ck_assert_str_eq(endpoint_text(&config->ops.listen, listen), "127.0.0.1:9464");
    ck_assert_str_eq(config->server.public_url, "");
    ck_assert_uint_eq(config->server.threads, 0);
    ck_assert_uint_eq(config->server.max_connections, 10000);
    ck_assert_uint_eq(config->server.max_connections_per_address, 1000);
    ck_assert_uint_eq(config->server.max_streams, 1024);
    ck_assert_int_eq(config->server.header_timeout_ms, 10000);
    ck_assert_int_eq(config->server.body_timeout_ms, 10000);
    ck_assert_int_eq(config->server.request_timeout_ms, 5000);
    ck_assert_uint_eq(config->server.body_limit, 16384);
    ck_assert_uint_eq(config->server.trusted_proxies.count, 0);
    ck_assert_int_eq(config->server.drain_delay_ms, 0);
    ck_assert_int_eq(config->server.shutdown_grace_ms, 30000);
    ck_assert_str_eq(config->database.url, "");
    ck_assert_uint_eq(config->database.connections, 8);
    ck_assert_uint_eq(config->database.threads, 1);
    ck_assert_int_eq(config->database.statement_timeout_ms, 2000);
    ck_assert_int_eq(config->database.cleanup_interval_ms, 60000);
    ck_assert_uint_eq(config->password.memory, 19 * 1024 * 1024);
    ck_assert_uint_eq(config->password.operations, 2);
    ck_assert(!config->password.allow_weak);
    ck_assert_uint_eq(config->password.workers, 0);
    ck_assert_uint_eq(config->password.min_length, 8);
    ck_assert_int_eq(config->password.nice, 5);
    ck_assert_str_eq(config->token.keys_dir, "keys");
    ck_assert_str_eq(config->token.active_kid, "");
    ck_assert_str_eq(config->token.refresh_key_file, "refresh.key");
    ck_assert_str_eq(config->token.issuer, "jwtd");
    ck_assert_str_eq(config->token.audience, "jwtd");
    ck_assert_int_eq(config->token.access_ttl_ms, INT64_C(15) * 60 * 1000);
    ck_assert_int_eq(config->token.refresh_ttl_ms, INT64_C(30) * 24 * 3600 * 1000);
    ck_assert_int_eq(config->token.refresh_idle_ms, INT64_C(7) * 24 * 3600 * 1000);
    ck_assert_int_eq(config->token.refresh_retry_window_ms, 10000);
    ck_assert_int_eq(config->token.max_stale_ms, 60000);
    ck_assert(config->limit.enabled);
    ck_assert_uint_eq(config->limit.table_size, 65536);
    ck_assert_uint_eq(config->limit.login.amount, 10);
    ck_assert_int_eq(config->limit.login.period_ms, 60000);
    ck_assert_uint_eq(config->limit.login.burst, 20);
    ck_assert_uint_eq(config->limit.login_failures.amount, 10);
    ck_assert_int_eq(config->limit.login_failures.period_ms, INT64_C(10) * 3600 * 1000);
    ck_assert_uint_eq(config->limit.login_failures.burst, 10);
    ck_assert_uint_eq(config->limit.address_failures.amount, 30);
    ck_assert_int_eq(config->limit.address_failures.period_ms, INT64_C(15) * 60 * 1000);
    ck_assert_uint_eq(config->limit.account_failures.amount, 100);
    ck_assert_int_eq(config->limit.account_failures.period_ms, INT64_C(24) * 3600 * 1000);
    ck_assert_int_eq(config->limit.lock_ms, 60000);
    ck_assert_int_eq(config->limit.lock_max_ms, 3600000);
    ck_assert_int_eq(config->audit.keep_ms, INT64_C(400) * 24 * 3600 * 1000);
    ck_assert_uint_eq(config->cors.allowed_origins.count, 0);
    ck_assert(!config->admin.enabled);
    ck_assert(config->docs.enabled);
    ck_assert_int_eq(config->log.level, LOG_INFO);
    ck_assert_int_eq(config->log.format, LOG_AUTO);
    outcome_fini(&outcome);
}
END_TEST

/* Writes the line by which a setting shows in a file or in config_print. */
static void write_line(char line[256], const char *name, const char *value) {
    snprintf(line, 256, "%s =%s%s", strchr(name, '.') + 1, value[0] != '\0' ? " " : "", value);
}

START_TEST(every_default_is_printed_as_the_table_has_it) {
    struct outcome outcome = load_set(NULL);
    for (size_t i = 0; i < settings_count; i++) {
        char line[256];
        snprintf(line, sizeof line, "%s = %s", strchr(settings[i].name, '.') + 1, settings[i].value);
        ck_assert_msg(has_line(outcome.printed, line), "%s", line);
        ck_assert_uint_gt(strlen(settings[i].help), 0);
    }
    outcome_fini(&outcome);
}
END_TEST

static char *read_file(const char *path) {
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s: run from the top of the checkout", path);
    char *text = calloc(1, 65536);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_lt(fread(text, 1, 65535, file), 65535);
    fclose(file);
    return text;
}

/* An empty default is shown as a comment. */
START_TEST(the_shipped_file_shows_every_setting_with_its_default) {
    char *shipped = read_file(SHIPPED_FILE);
    for (size_t i = 0; i < settings_count; i++) {
        const char *value = settings[i].value;
        char line[256], commented[260];
        write_line(line, settings[i].name, value);
        snprintf(commented, sizeof commented, "# %s", line);
        ck_assert_msg(has_line(shipped, value[0] != '\0' ? line : commented), "%s lacks: %s", SHIPPED_FILE, line);
    }
    free(shipped);
}
END_TEST

/* "# key =" becomes "key =": what is commented out must load as well. */
static void uncomment_empty_settings(char *text) {
    for (char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        size_t len = strcspn(line, "\n");
        if (len > 3 && line[0] == '#' && memcmp(line + len - 2, " =", 2) == 0)
            line[0] = ' ';
    }
}

static int count_assignments(const char *text) {
    int count = 0;
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        size_t len = strcspn(line, "\n");
        count += line[0] != '#' && memchr(line, '=', len) != NULL;
    }
    return count;
}

START_TEST(the_shipped_file_holds_nothing_but_the_defaults) {
    struct outcome defaults = load_set(NULL);
    struct outcome shipped = load(&(struct config_source){ .file = SHIPPED_FILE });
    ck_assert_msg(shipped.loaded, "%s", shipped.errors);
    ck_assert_str_eq(shipped.printed, defaults.printed);
    outcome_fini(&shipped);

    char *text = read_file(SHIPPED_FILE);
    uncomment_empty_settings(text);
    struct outcome uncommented = load_file(text);
    ck_assert_msg(uncommented.loaded, "%s", uncommented.errors);
    ck_assert_str_eq(uncommented.printed, defaults.printed);
    ck_assert_int_eq(count_assignments(text), (int)settings_count);
    free(text);
    outcome_fini(&uncommented);
    outcome_fini(&defaults);
}
END_TEST

/* ---- sources ---- */

START_TEST(set_takes_precedence_over_the_environment_and_that_over_the_file) {
    char *environment[] = { "HOME=/root", "JWTD_TOKEN_ISSUER=environment", "JWTD_TOKEN_AUDIENCE=environment", "NOT_JWTD_X=1",
                            NULL };
    const char *const sets[] = { "token.audience=first", "token.audience=last" };
    static const char text[] = "[token]\naudience = file\nissuer = file\nkeys_dir = file\n";
    struct config_source source = {
        .file = write_file(text, strlen(text)), .environment = environment, .set = sets, .set_count = 2
    };
    struct outcome outcome = load(&source);
    unlink(file_name);
    ck_assert_msg(outcome.loaded, "%s", outcome.errors);
    ck_assert_str_eq(outcome.config.token.keys_dir, "file");
    ck_assert_str_eq(outcome.config.token.issuer, "environment");
    ck_assert_str_eq(outcome.config.token.audience, "last");
    outcome_fini(&outcome);
}
END_TEST

START_TEST(a_wrong_value_stays_an_error_when_a_source_of_higher_precedence_has_a_valid_one) {
    char *environment[] = { "JWTD_SERVER_THREADS=many", NULL };
    const char *const sets[] = { "server.threads=2" };
    struct outcome outcome = load(&(struct config_source){ .environment = environment, .set = sets, .set_count = 1 });
    ck_assert(!outcome.loaded);
    ck_assert_str_eq(outcome.errors, "environment JWTD_SERVER_THREADS = \"many\" must be a whole number from 0 to 1024\n");
    outcome_fini(&outcome);
}
END_TEST

static const struct {
    const char *variable, *error; /* NULL: no error */
} variable_cases[] = {
    { "JWTD_PASSWORD_MIN_LENGTH=15", NULL },
    { "JWTD_DATABASE_URL=", NULL },
    { "JWTDX=1", NULL },
    { "jwtd_server_threads=x", NULL },
    { "JWTD_NO_EQUALS_SIGN", NULL },
    { "JWTD_=1", "environment JWTD_: there is no such setting\n" },
    { "JWTD_SERVER=1", "environment JWTD_SERVER: there is no such setting\n" },
    { "JWTD_SERVER_THREAD=1", "environment JWTD_SERVER_THREAD: there is no such setting\n" },
    { "JWTD_SERVER_THREADSS=1", "environment JWTD_SERVER_THREADSS: there is no such setting\n" },
    { "JWTD_server_threads=1", "environment JWTD_server_threads: there is no such setting\n" },
    { "JWTD_SERVER.THREADS=1", "environment JWTD_SERVER.THREADS: there is no such setting\n" },
    { "JWTD_DATABASE_URLS=postgres://u:hunter2@h/d", "environment JWTD_DATABASE_URLS: there is no such setting\n" },
    { "JWTD_\x1b[2J=1", "environment JWTD_?[2J: there is no such setting\n" },
};

START_TEST(a_variable_with_our_prefix_that_names_no_setting_is_an_error) {
    char variable[128];
    snprintf(variable, sizeof variable, "%s", variable_cases[_i].variable);
    char *environment[] = { variable, NULL };
    struct outcome outcome = load(&(struct config_source){ .environment = environment });
    ck_assert_str_eq(outcome.errors, variable_cases[_i].error != NULL ? variable_cases[_i].error : "");
    ck_assert(outcome.loaded == (variable_cases[_i].error == NULL));
    outcome_fini(&outcome);
}
END_TEST

/* ---- the file ---- */

START_TEST(all_errors_of_a_file_are_reported_at_once_each_with_its_line) {
    static const char text[] = "listen = 127.0.0.1:1\n" /* 1: no section */
                               "[server]\n"
                               "threads = many\n" /* 3 */
                               "listen\n"         /* 4: no value */
                               "threads = 2\n"    /* 5: again */
                               "\n"
                               "[token\n"         /* 7: no end */
                               "[token] issuer\n" /* 8: something behind it */
                               "; comment\n"
                               "# comment\n"
                               "body_limit = 1KB\n" /* 11: still server */
                               "[nothing]\n"
                               "issuer = x\n" /* 13 */
                               "[token]\n"
                               "  access_ttl = 40d"; /* 15: longer than refresh_ttl, and out of bounds */
    struct outcome outcome = load_file(text);
    char expected[2048], *at = expected;
    static const struct {
        int line;
        const char *error;
    } errors[] = {
        { 1, "listen: there is no such setting" },
        { 3, "server.threads = \"many\" must be a whole number from 0 to 1024" },
        { 4, "this line is neither a section, a comment nor \"key = value\"" },
        { 5, "server.threads: is set in line 3 already" },
        { 7, "this line is not a section: it must end with \"]\"" },
        { 8, "this line is not a section: it must end with \"]\"" },
        { 11, "server.body_limit = \"1KB\" must be a whole number with a unit of B, KiB, MiB or GiB, like 16KiB" },
        { 13, "nothing.issuer: there is no such setting" },
        { 15, "token.access_ttl = \"40d\" must be from 1s to 1d" },
    };
    for (int i = 0; i < (int)ARRAY_LEN(errors); i++)
        at += snprintf(at, sizeof expected - (size_t)(at - expected), "%s:%d: %s\n", file_name, errors[i].line, errors[i].error);
    ck_assert(!outcome.loaded);
    ck_assert_str_eq(outcome.errors, expected);
    outcome_fini(&outcome);
}
END_TEST

static const struct {
    const char *text, *issuer; /* NULL: an error */
} form_cases[] = {
    { "[token]\nissuer=x\n", "x" },
    { "[token]\nissuer = x", "x" },
    { "[token]\r\nissuer = x\r\n", "x" },
    { "\xef\xbb\xbf[token]\nissuer = x\n", "x" },
    { "[token]  \n\tissuer\t=\tx y \n", "x y" },
    { "[token]\nissuer: x\n", "x" },
    { "[token]\nissuer = a ; no comment\n", "a ; no comment" },
    { "[token]\nissuer = a # no comment\n", "a # no comment" },
    { "[token]\nissuer = a\n  audience = b\n", "a" },
    { "[token]\nissuer = a\n  b\n", NULL },
    { "[token]\nissuer = a\n[token]\naudience = b\n", "a" },
    { "[token]\nissuer = a\n[server]\n[token]\nissuer = a\n", NULL },
    { "", "jwtd" },
    { "\n\n# only\n; comments\n", "jwtd" },
    { "[ token ]\nissuer = x\n", NULL },
    { "[Token]\nissuer = x\n", NULL },
    { "[token]\nIssuer = x\n", NULL },
};

START_TEST(a_file_may_be_written_in_the_usual_ways) {
    struct outcome outcome = load_file(form_cases[_i].text);
    ck_assert_msg(outcome.loaded == (form_cases[_i].issuer != NULL), "%s: %s", form_cases[_i].text, outcome.errors);
    if (outcome.loaded)
        ck_assert_str_eq(outcome.config.token.issuer, form_cases[_i].issuer);
    outcome_fini(&outcome);
}
END_TEST

START_TEST(a_long_line_is_read_whole_and_one_that_is_too_long_is_an_error) {
    char text[10000] = "[token]\nkeys_dir = ";
    size_t start = strlen(text);
    memset(text + start, 'k', 4000);
    struct outcome whole = load_file(text);
    ck_assert_msg(whole.loaded, "%s", whole.errors);
    ck_assert_uint_eq(strlen(whole.config.token.keys_dir), 4000);
    outcome_fini(&whole);
    memset(text + start, 'k', 9000);
    memcpy(text + start + 9000, "\n[log]\nlevel = debug\n", 22);
    struct outcome over = load_file(text);
    ck_assert(!over.loaded);
    ck_assert_int_eq(count_lines(over.errors), 1);
    ck_assert_ptr_nonnull(strstr(over.errors, ":2: this line is too long\n"));
    ck_assert_int_eq(over.config.log.level, LOG_DEBUG);
    outcome_fini(&over);
}
END_TEST

START_TEST(a_nul_does_not_hide_the_rest_of_its_line) {
    static const char text[] = "[token]\nissuer = x\0y\naudience = z\n";
    struct outcome outcome = load(&(struct config_source){ .file = write_file(text, sizeof text - 1) });
    unlink(file_name);
    ck_assert(!outcome.loaded);
    ck_assert_int_eq(count_lines(outcome.errors), 1);
    ck_assert_ptr_nonnull(strstr(outcome.errors, ":2: this line contains a NUL byte\n"));
    ck_assert_str_eq(outcome.config.token.audience, "z");
    outcome_fini(&outcome);
}
END_TEST

static const struct {
    const char *file, *error;
} unreadable_cases[] = {
    { "/nonexistent/jwtd.conf", "/nonexistent/jwtd.conf: No such file or directory\n" },
    { "/tmp", "/tmp: Is a directory\n" },
};

START_TEST(a_file_that_cannot_be_read_is_an_error) {
    struct outcome outcome = load(&(struct config_source){ .file = unreadable_cases[_i].file });
    ck_assert(!outcome.loaded);
    ck_assert_str_eq(outcome.errors, unreadable_cases[_i].error);
    outcome_fini(&outcome);
}
END_TEST

START_TEST(an_error_contains_no_control_characters) {
    struct outcome outcome = load_set("token.issuer=\x1b[2J");
    ck_assert_ptr_null(strchr(outcome.errors, '\x1b'));
    outcome_fini(&outcome);
}
END_TEST

/* ---- secrets ---- */

/* As db_print_url has it (test_db_url.c). */
START_TEST(the_database_url_is_printed_without_its_password) {
    struct outcome outcome = load_set("database.url=postgres://jwtd:hunter2@db/jwtd");
    ck_assert_msg(outcome.loaded, "%s", outcome.errors);
    ck_assert_str_eq(outcome.config.database.url, "postgres://jwtd:hunter2@db/jwtd");
    ck_assert_msg(has_line(outcome.printed, "url = user=jwtd password=*** dbname=jwtd host=db"), "%s", outcome.printed);
    outcome_fini(&outcome);
}
END_TEST

START_TEST(an_error_in_the_database_url_does_not_quote_it) {
    struct outcome outcome = load_set("database.url=postgres://u:hunter2@h\n");
    ck_assert_str_eq(outcome.errors, "--set database.url must not contain control characters\n");
    outcome_fini(&outcome);
}
END_TEST

static const char *const misplaced_passwords[] = {
    "trace.otlp_endpoint=http://u:hunter2@h:4318/?x", "server.public_url=https://u:hunter2@h",
    "server.listen=postgres://u:hunter2@h/db",        "server.threads=host=h password=hunter2",
    "limit.login=host=h PASSWORD = hunter2",          "postgres://u:hunter2@h/db",
    "postgres://u:hunter2@h/db?sslmode=require",
};

START_TEST(no_error_quotes_a_value_that_may_hold_a_password) {
    struct outcome outcome = load_set(misplaced_passwords[_i]);
    ck_assert(!outcome.loaded);
    ck_assert_msg(strstr(outcome.errors, "--set") != NULL && strstr(outcome.errors, "hunter2") == NULL, "%s", outcome.errors);
    outcome_fini(&outcome);
}
END_TEST

static const char *const misplaced_in_a_file[] = {
    "[database]\npostgres://u:hunter2@h/db\n",        "[database]\npostgres://u:hunter2@h/db?sslmode=require\n",
    "[postgres://u:hunter2@h/db]\nconnections = 4\n", "[database]\nurl = postgres://u:\n  hunter2@h/db?sslmode=require\n",
    "[database]\nhost=h password=hunter2\n",
};

START_TEST(no_error_quotes_a_line_of_a_file_that_may_hold_a_password) {
    struct outcome outcome = load_file(misplaced_in_a_file[_i]);
    ck_assert(!outcome.loaded);
    ck_assert_msg(strstr(outcome.errors, ": there is no such setting\n") != NULL && strstr(outcome.errors, "hunter2") == NULL,
                  "%s", outcome.errors);
    outcome_fini(&outcome);
}
END_TEST

/* Of the database's URL: where it stands, and who may read that. */
static const struct {
    const char *text, *set, *variable;
    mode_t mode;
    bool is_exposed;
} exposure_cases[] = {
    { "[database]\nurl = postgres://u:p@h\n", NULL, NULL, 0644, true },
    { "[database]\nurl = postgres://u:p@h\n", NULL, NULL, 0604, true },
    { "[database]\nurl = postgres://u@h\n", NULL, NULL, 0644, false },
    { "[database]\nurl = host=h password=p\n", NULL, NULL, 0644, true },
    { "[database]\nurl = host=h password=''\n", NULL, NULL, 0644, false },
    { "[database]\nurl = host=h sslpassword=p\n", NULL, NULL, 0644, true },
    { "[database]\nurl = postgres://u:p@h\n", NULL, NULL, 0640, false },
    { "[database]\nurl = postgres://u:p@h\n", NULL, NULL, 0600, false },
    { "[log]\nlevel = info\n", NULL, "JWTD_DATABASE_URL=postgres://u:p@h", 0644, false },
    { "[log]\nlevel = info\n", "database.url=postgres://u:p@h", NULL, 0644, false },
    { "[database]\nurl = postgres://u@h\n", "database.url=postgres://u:p@h", NULL, 0644, false },
};

START_TEST(a_password_in_a_file_that_every_user_may_read_is_exposed) {
    char *environment[] = { (char *)(uintptr_t)exposure_cases[_i].variable, NULL };
    const char *path = write_file(exposure_cases[_i].text, strlen(exposure_cases[_i].text));
    ck_assert_int_eq(chmod(path, exposure_cases[_i].mode), 0);
    struct outcome outcome = load(&(struct config_source){ .file = path,
                                                           .environment = environment,
                                                           .set = &exposure_cases[_i].set,
                                                           .set_count = exposure_cases[_i].set != NULL ? 1 : 0 });
    unlink(path);
    ck_assert_msg(outcome.loaded, "%s", outcome.errors);
    ck_assert_int_eq(db_password_is_exposed(&outcome.config), exposure_cases[_i].is_exposed);
    outcome_fini(&outcome);
}
END_TEST

START_TEST(a_configuration_may_be_ended_twice) {
    struct outcome outcome = load_set("cors.allowed_origins=https://a.example");
    config_fini(&outcome.config);
    ck_assert_ptr_null(outcome.config.database.url);
    outcome_fini(&outcome);
}
END_TEST

/* ---- copies and reloads ---- */

/* A value for each setting that is not its default. */
static const char *const others[] = {
    "server.listen=unix:/run/other.sock",
    "server.public_url=https://auth.example.com",
    "server.threads=3",
    "server.max_connections=77",
    "server.max_connections_per_address=7",
    "server.max_streams=9",
    "server.header_timeout=7s",
    "server.body_timeout=7s",
    "server.request_timeout=7s",
    "server.body_limit=7KiB",
    "server.trusted_proxies=192.0.2.7/32 10.0.0.0/8",
    "server.drain_delay=7s",
    "server.shutdown_grace=7s",
    "database.url=postgres://u:hunter2@h/d",
    "database.connections=7",
    "database.threads=7",
    "database.statement_timeout=7s",
    "database.prepared=false",
    "database.cleanup_interval=7s",
    "password.memory=64MiB",
    "password.operations=7",
    "password.allow_weak=true",
    "password.workers=7",
    "password.min_length=17",
    "password.nice=7",
    "token.keys_dir=other",
    "token.active_kid=other",
    "token.publish_before_use=7m",
    "token.refresh_key_file=other",
    "token.issuer=other",
    "token.audience=other",
    "token.claims=name metadata",
    "token.access_ttl=7m",
    "token.refresh_ttl=17d",
    "token.refresh_idle=2d",
    "token.refresh_retry_window=7s",
    "token.max_stale=7s",
    "limit.enabled=false",
    "limit.table_size=2048",
    "limit.register=7/min",
    "limit.login=7/min",
    "limit.refresh=7/min",
    "limit.account=7/min",
    "limit.address_failures=7/min",
    "limit.login_failures=7/min",
    "limit.lock=7m",
    "limit.lock_max=7h",
    "limit.account_failures=7/min",
    "limit.service=7/min",
    "services.credentials_file=other",
    "audit.keep=90d",
    "cors.allowed_origins=https://a.example https://b.example",
    "ops.listen=",
    "admin.enabled=true",
    "docs.enabled=false",
    "trace.otlp_endpoint=http://127.0.0.1:4318",
    "trace.sample=0.7",
    "trace.sample_callers=7/min",
    "log.level=debug",
    "log.format=json",
    "log.requests=refused",
    "log.emails=whole",
    "log.detail_digest=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
};

static struct outcome load_others(void) {
    struct outcome outcome = load(&(struct config_source){ .set = others, .set_count = ARRAY_LEN(others) });
    ck_assert_msg(outcome.loaded, "%s", outcome.errors);
    return outcome;
}

static char *print(const struct config *config) {
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    config_print(config, db_print_url, out);
    fclose(out);
    return text;
}

START_TEST(a_copy_has_every_value_and_outlives_its_origin) {
    ck_assert_uint_eq(ARRAY_LEN(others), settings_count);
    struct outcome outcome = load_others();
    struct config copy;
    ck_assert(config_copy(&outcome.config, &copy));
    config_fini(&outcome.config);
    char *printed = print(&copy);
    ck_assert_str_eq(printed, outcome.printed);
    ck_assert_str_eq(copy.database.url, "postgres://u:hunter2@h/d");
    free(printed);
    config_fini(&copy);
    outcome_fini(&outcome);
}
END_TEST

struct visits {
    size_t applied, waiting;
};

static void count_visit(const char *name, bool takes_effect, void *context) {
    struct visits *visits = context;
    const struct setting *setting = setting_find(name);
    ck_assert_ptr_nonnull(setting);
    ck_assert_int_eq(takes_effect, (setting->flags & RELOADABLE) != 0);
    visits->applied += takes_effect;
    visits->waiting += !takes_effect;
}

/* Of two configurations that differ everywhere. */
START_TEST(a_reload_takes_what_is_reloadable_and_keeps_the_rest) {
    struct outcome in_force = load_set(NULL), loaded = load_others();
    struct config next;
    struct visits visits = { 0, 0 };
    ck_assert(config_reload(&in_force.config, &loaded.config, &next, count_visit, &visits));
    ck_assert_uint_eq(visits.applied + visits.waiting, settings_count);
    ck_assert_uint_gt(visits.applied, 0);
    ck_assert_uint_gt(visits.waiting, 0);
    config_fini(&in_force.config);
    config_fini(&loaded.config);
    char *printed = print(&next);
    ck_assert(has_line(printed, "login = 7/min"));
    ck_assert(has_line(printed, "lock_max = 7h"));
    ck_assert(has_line(printed, "enabled = false"));
    ck_assert(has_line(printed, "level = debug"));
    ck_assert(has_line(printed, "active_kid = other"));
    ck_assert(has_line(printed, "allowed_origins = https://a.example https://b.example"));
    ck_assert(has_line(printed, "table_size = 65536"));
    ck_assert(has_line(printed, "listen = 127.0.0.1:8080"));
    ck_assert(has_line(printed, "keys_dir = keys"));
    ck_assert(has_line(printed, "url = "));
    ck_assert(has_line(printed, "format = auto"));
    free(printed);
    config_fini(&next);
    outcome_fini(&in_force);
    outcome_fini(&loaded);
}
END_TEST

START_TEST(a_reload_of_the_same_changes_nothing) {
    struct outcome in_force = load_others(), loaded = load_others();
    struct config next;
    struct visits visits = { 0, 0 };
    ck_assert(config_reload(&in_force.config, &loaded.config, &next, count_visit, &visits));
    ck_assert_uint_eq(visits.applied + visits.waiting, 0);
    char *printed = print(&next);
    ck_assert_str_eq(printed, in_force.printed);
    free(printed);
    config_fini(&next);
    outcome_fini(&in_force);
    outcome_fini(&loaded);
}
END_TEST

/* It is not printed, but it is a difference. */
START_TEST(a_new_password_of_the_database_waits_for_a_restart) {
    struct outcome in_force = load_set("database.url=postgres://u:one@h"), loaded = load_set("database.url=postgres://u:two@h");
    struct config next;
    struct visits visits = { 0, 0 };
    ck_assert_str_eq(in_force.printed, loaded.printed);
    ck_assert(config_reload(&in_force.config, &loaded.config, &next, count_visit, &visits));
    ck_assert_uint_eq(visits.waiting, 1);
    ck_assert_str_eq(next.database.url, "postgres://u:one@h");
    config_fini(&next);
    outcome_fini(&in_force);
    outcome_fini(&loaded);
}
END_TEST

/* ---- help ---- */

START_TEST(the_help_has_a_line_for_each_setting) {
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    config_print_help(out);
    fclose(out);
    for (size_t i = 0; i < settings_count; i++) {
        ck_assert_ptr_nonnull(strstr(text, settings[i].name));
        ck_assert_ptr_nonnull(strstr(text, settings[i].value));
        ck_assert_ptr_nonnull(strstr(text, settings[i].help));
    }
    ck_assert_int_eq(count_lines(text), (int)settings_count);
    free(text);
}
END_TEST

Suite *config_suite(void) {
    Suite *suite = suite_create("config");
    TCase *shipped = tcase_create("defaults");
    tcase_add_test(shipped, the_defaults_are_those_of_the_contract);
    tcase_add_test(shipped, every_default_is_printed_as_the_table_has_it);
    tcase_add_test(shipped, the_shipped_file_shows_every_setting_with_its_default);
    tcase_add_test(shipped, the_shipped_file_holds_nothing_but_the_defaults);
    tcase_add_test(shipped, the_help_has_a_line_for_each_setting);
    suite_add_tcase(suite, shipped);
    TCase *sources = tcase_create("sources");
    tcase_add_test(sources, set_takes_precedence_over_the_environment_and_that_over_the_file);
    tcase_add_test(sources, a_wrong_value_stays_an_error_when_a_source_of_higher_precedence_has_a_valid_one);
    tcase_add_loop_test(sources, a_variable_with_our_prefix_that_names_no_setting_is_an_error, 0, (int)ARRAY_LEN(variable_cases));
    suite_add_tcase(suite, sources);
    TCase *reloads = tcase_create("copies and reloads");
    tcase_add_test(reloads, a_copy_has_every_value_and_outlives_its_origin);
    tcase_add_test(reloads, a_reload_takes_what_is_reloadable_and_keeps_the_rest);
    tcase_add_test(reloads, a_reload_of_the_same_changes_nothing);
    tcase_add_test(reloads, a_new_password_of_the_database_waits_for_a_restart);
    suite_add_tcase(suite, reloads);
    TCase *files = tcase_create("files");
    tcase_add_test(files, all_errors_of_a_file_are_reported_at_once_each_with_its_line);
    tcase_add_loop_test(files, a_file_may_be_written_in_the_usual_ways, 0, (int)ARRAY_LEN(form_cases));
    tcase_add_test(files, a_long_line_is_read_whole_and_one_that_is_too_long_is_an_error);
    tcase_add_test(files, a_nul_does_not_hide_the_rest_of_its_line);
    tcase_add_loop_test(files, a_file_that_cannot_be_read_is_an_error, 0, (int)ARRAY_LEN(unreadable_cases));
    tcase_add_test(files, an_error_contains_no_control_characters);
    suite_add_tcase(suite, files);
    TCase *secrets = tcase_create("secrets");
    tcase_add_test(secrets, the_database_url_is_printed_without_its_password);
    tcase_add_test(secrets, an_error_in_the_database_url_does_not_quote_it);
    tcase_add_loop_test(secrets, no_error_quotes_a_value_that_may_hold_a_password, 0, (int)ARRAY_LEN(misplaced_passwords));
    tcase_add_loop_test(secrets, no_error_quotes_a_line_of_a_file_that_may_hold_a_password, 0,
                        (int)ARRAY_LEN(misplaced_in_a_file));
    tcase_add_loop_test(secrets, a_password_in_a_file_that_every_user_may_read_is_exposed, 0, (int)ARRAY_LEN(exposure_cases));
    tcase_add_test(secrets, a_configuration_may_be_ended_twice);
    suite_add_tcase(suite, secrets);
    return suite;
}
