#include "config_fixture.h"

#include "jwtd/hasher.h"
#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *config_values_suite(void);

/* ---- values ---- */

/* --set, and the line that config_print shows then; NULL: an error that contains `error` */
static const struct {
    const char *set, *printed, *error;
} value_cases[] = {
    { "server.listen=127.0.0.1:0", "listen = 127.0.0.1:0", NULL },
    { "server.listen=[::1]:8080", "listen = [::1]:8080", NULL },
    { "server.listen=0.0.0.0:65535", "listen = 0.0.0.0:65535", NULL },
    { "server.listen=unix:/run/jwtd.sock", "listen = unix:/run/jwtd.sock", NULL },
    { "server.listen=[2001:DB8:0:0::1]:080", "listen = [2001:db8::1]:80", NULL },
    { "server.listen=unix:/run/\xff", NULL, "address:port" },
    { "server.listen=unix:/run/jwtd.sock ", NULL, "address:port" },
    { "server.listen=[127.0.0.1]:80", NULL, "address:port" },
    { "server.listen=127.0.0.1:000080", NULL, "address:port" },
    { "server.listen=", NULL, "address:port" },
    { "ops.listen=", "listen = ", NULL },
    { "ops.listen=[::1]:1", "listen = [::1]:1", NULL },
    { "ops.listen=9464", NULL, "address:port" },
    { "server.listen=8080", NULL, "address:port" },
    { "server.listen=:8080", NULL, "address:port" },
    { "server.listen=127.0.0.1", NULL, "address:port" },
    { "server.listen=127.0.0.1:", NULL, "address:port" },
    { "server.listen=127.0.0.1:65536", NULL, "address:port" },
    { "server.listen=[::1]", NULL, "address:port" },
    { "server.listen=::1", NULL, "address:port" },
    { "server.listen=::1:8080", NULL, "address:port" },
    { "server.listen=localhost:8080", NULL, "address:port" },
    { "server.listen=unix:relative", NULL, "address:port" },
    { "server.listen=unix:", NULL, "address:port" },
    { "server.listen=unix:/"
      "23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678",
      NULL, "address:port" },

    { "server.threads=1024", "threads = 1024", NULL },
    { "server.threads=1025", NULL, "must be from 0 to 1024" },
    { "server.threads=-1", NULL, "must be a whole number from 0 to 1024" },
    { "server.threads=+1", NULL, "must be a whole number from 0 to 1024" },
    { "server.threads=1.5", NULL, "must be a whole number from 0 to 1024" },
    { "server.threads=0x10", NULL, "must be a whole number from 0 to 1024" },
    { "server.threads= 1", NULL, "must be a whole number from 0 to 1024" },
    { "server.threads=1 ", NULL, "must be a whole number from 0 to 1024" },
    { "server.threads=", NULL, "must be a whole number from 0 to 1024" },
    { "server.threads=4294967297", NULL, "must be from" },
    { "server.threads=18446744073709551617", NULL, "must be a whole number from 0 to 1024" },
    { "server.max_connections=0", NULL, "must be from 1" },
    { "password.nice=0", "nice = 0", NULL },
    { "password.nice=20", NULL, "must be from 0 to 19" },

    { "trace.sample=0", "sample = 0", NULL },
    { "trace.sample=1", "sample = 1", NULL },
    { "trace.sample=1.0", "sample = 1", NULL },
    { "trace.sample=0.5", "sample = 0.5", NULL },
    { "trace.sample=0.010", "sample = 0.01", NULL },
    { "trace.sample=0.000001", "sample = 0.000001", NULL },
    { "trace.sample=0.0000001", NULL, "must be a number from 0 to 1" },
    { "trace.sample=1.000001", NULL, "must be a number from 0 to 1" },
    { "trace.sample=2", NULL, "must be a number from 0 to 1" },
    { "trace.sample=-0", NULL, "must be a number from 0 to 1" },
    { "trace.sample=.5", NULL, "must be a number from 0 to 1" },
    { "trace.sample=0.", NULL, "must be a number from 0 to 1" },
    { "trace.sample=00.5", NULL, "must be a number from 0 to 1" },
    { "trace.sample=0.5x", NULL, "must be a number from 0 to 1" },
    { "trace.sample=1%", NULL, "must be a number from 0 to 1" },
    { "trace.sample=", NULL, "must be a number from 0 to 1" },

    { "server.request_timeout=1500ms", "request_timeout = 1500ms", NULL },
    { "server.request_timeout=60s", "request_timeout = 1m", NULL },
    { "server.request_timeout=10m", "request_timeout = 10m", NULL },
    { "server.request_timeout=0", NULL, "must be from 10ms to 10m" },
    { "server.request_timeout=11m", NULL, "must be from 10ms to 10m" },
    { "server.request_timeout=5", NULL, "unit of ms, s, m, h or d" },
    { "server.request_timeout=s", NULL, "unit of ms, s, m, h or d" },
    { "server.request_timeout=5 s", NULL, "unit of ms, s, m, h or d" },
    { "server.request_timeout=5S", NULL, "unit of ms, s, m, h or d" },
    { "server.request_timeout=5sec", NULL, "unit of ms, s, m, h or d" },
    { "server.request_timeout=1m30s", NULL, "unit of ms, s, m, h or d" },
    { "server.request_timeout=9223372036854775807d", NULL, "unit of ms, s, m, h or d" },
    { "server.shutdown_grace=0", "shutdown_grace = 0", NULL },
    { "server.shutdown_grace=0s", "shutdown_grace = 0", NULL },
    { "token.refresh_idle=24h", "refresh_idle = 1d", NULL },
    { "token.refresh_idle=36h", "refresh_idle = 36h", NULL },
    { "token.access_ttl=1500ms", NULL, "must be a multiple of 1s" },

    { "server.body_limit=1MiB", "body_limit = 1MiB", NULL },
    { "server.body_limit=1025B", "body_limit = 1025B", NULL },
    { "server.body_limit=1023B", NULL, "must be from 1KiB to 1MiB" },
    { "server.body_limit=16K", NULL, "unit of B, KiB, MiB or GiB" },
    { "server.body_limit=16KB", NULL, "unit of B, KiB, MiB or GiB" },
    { "server.body_limit=16384", NULL, "unit of B, KiB, MiB or GiB" },
    { "server.body_limit=9223372036854775807GiB", NULL, "unit of B, KiB, MiB or GiB" },
    { "password.memory=1GiB", "memory = 1GiB", NULL },
    { "password.memory=1025MiB", NULL, "must be from 8KiB to 1GiB" },
    { "password.operations=64", "operations = 64", NULL },
    { "password.operations=65", NULL, "must be from 1 to 64" },
    { "password.memory=20000001B", NULL, "must be a multiple of 1KiB" },

    { "password.allow_weak=true", "allow_weak = true", NULL },
    { "database.prepared=off", "prepared = false", NULL },
    { "database.prepared=on", "prepared = true", NULL },
    { "password.allow_weak=yes", NULL, "must be one of: false true" },
    { "log.level=debug", "level = debug", NULL },
    { "log.level=error", "level = error", NULL },
    { "log.level=INFO", NULL, "must be one of: debug info warn error" },
    { "log.format=json", "format = json", NULL },
    { "log.format=xml", NULL, "must be one of: auto text json" },

    { "server.trusted_proxies=10.0.0.0/8,::1 192.0.2.1 , fc00::/7", "trusted_proxies = 10.0.0.0/8 ::1/128 192.0.2.1/32 fc00::/7",
      NULL },
    { "server.trusted_proxies= , ", "trusted_proxies = ", NULL },
    { "server.trusted_proxies=10.0.0.1/8", NULL, "must be networks" },
    { "server.trusted_proxies=10.0.0.0/8 proxy", NULL, "must be networks" },

    { "token.claims=", "claims = ", NULL },
    { "token.claims=admin_metadata,name, name", "claims = name admin_metadata", NULL },
    { "token.claims=metadata", "claims = metadata", NULL },
    { "token.claims=Name", NULL, "must be claims of name, metadata and admin_metadata" },
    { "token.claims=name;metadata", NULL, "must be claims of" },
    { "token.claims=email", NULL, "must be claims of" },

    { "cors.allowed_origins=https://a.example, http://localhost:3000",
      "allowed_origins = https://a.example http://localhost:3000", NULL },
    { "cors.allowed_origins=http://[::1]:3000", "allowed_origins = http://[::1]:3000", NULL },
    { "cors.allowed_origins=http://[::1]", "allowed_origins = http://[::1]", NULL },
    { "cors.allowed_origins=http://127.0.0.1:5173", "allowed_origins = http://127.0.0.1:5173", NULL },
    { "cors.allowed_origins=capacitor://localhost", "allowed_origins = capacitor://localhost", NULL },
    { "cors.allowed_origins=http://a.example:443", "allowed_origins = http://a.example:443", NULL },
    { "cors.allowed_origins=*", NULL, "no wildcard" },
    { "cors.allowed_origins=https://*.example", NULL, "no wildcard" },
    { "cors.allowed_origins=null", NULL, "must be origins" },
    { "cors.allowed_origins=a.example", NULL, "must be origins" },
    { "cors.allowed_origins=://a.example", NULL, "must be origins" },
    { "cors.allowed_origins=https://", NULL, "must be origins" },
    { "cors.allowed_origins=https://a.example/", NULL, "no path" },
    { "cors.allowed_origins=https://a.example/app", NULL, "no path" },
    { "cors.allowed_origins=https://a.example?x", NULL, "must be origins" },
    { "cors.allowed_origins=https://u@a.example", NULL, "must be origins" },
    { "cors.allowed_origins=https://A.example", NULL, "lower case" },
    { "cors.allowed_origins=HTTPS://a.example", NULL, "lower case" },
    { "cors.allowed_origins=https://a.example:443", NULL, "no default port" },
    { "cors.allowed_origins=http://a.example:80", NULL, "no default port" },
    { "cors.allowed_origins=https://a.example:", NULL, "must be origins" },
    { "cors.allowed_origins=https://a.example:0", NULL, "must be origins" },
    { "cors.allowed_origins=https://a.example:08443", NULL, "must be origins" },
    { "cors.allowed_origins=https://a.example:65536", NULL, "must be origins" },
    { "cors.allowed_origins=https://:8443", NULL, "must be origins" },
    { "cors.allowed_origins=https://[::1", NULL, "must be origins" },
    { "cors.allowed_origins=https://[a.example]", NULL, "must be origins" },
    { "cors.allowed_origins=https://a.example https://b.example/", NULL, "must be origins" },

    { "server.public_url=https://auth.example.com", "public_url = https://auth.example.com", NULL },
    { "server.public_url=http://[::1]:8080/auth", "public_url = http://[::1]:8080/auth", NULL },
    { "server.public_url=auth.example.com", NULL, "must be a URL" },
    { "server.public_url=ftp://auth.example.com", NULL, "must be a URL" },
    { "server.public_url=https://", NULL, "must be a URL" },
    { "server.public_url=https:///auth", NULL, "must be a URL" },
    { "server.public_url=https://ada:secret@auth.example.com", NULL, "without user or password" },
    { "server.public_url=https://@auth.example.com/auth", NULL, "without user or password" },
    { "server.public_url=https://auth.example.com/@auth", "public_url = https://auth.example.com/@auth", NULL },
    { "server.public_url=https://auth.example.com/", NULL, "without a slash at its end" },
    { "server.public_url=https://auth.example.com?x", NULL, "without query" },
    { "server.public_url=https://auth.example.com/\"", NULL, "must be a URL" },
    { "trace.otlp_endpoint=http://127.0.0.1:4318", "otlp_endpoint = http://127.0.0.1:4318", NULL },
    { "trace.otlp_endpoint=https://gateway.example/v1/traces/otlp", "otlp_endpoint = https://gateway.example/v1/traces/otlp",
      NULL },
    { "trace.otlp_endpoint=127.0.0.1:4318", NULL, "must be a URL like http://127.0.0.1:4318" },
    { "trace.otlp_endpoint=http://127.0.0.1:4318/", NULL, "without a slash at its end" },
    { "trace.otlp_endpoint=http://127.0.0.1:4318/v1/traces", NULL, "without /v1/traces, which is appended" },

    { "token.issuer=https://id.example", "issuer = https://id.example", NULL },
    { "token.issuer=a=b;c#d", "issuer = a=b;c#d", NULL },
    { "token.issuer=Käthe", "issuer = Käthe", NULL },
    { "token.issuer=", NULL, "must not be empty" },
    { "token.issuer= jwtd", NULL, "begin or end with a space" },
    { "token.issuer=jwtd ", NULL, "begin or end with a space" },
    { "token.issuer=a\nb", NULL, "control characters" },
    { "token.issuer=a\x7f", NULL, "control characters" },
    { "token.issuer=\xff", NULL, "must be UTF-8" },
    { "token.keys_dir=", NULL, "must not be empty" },
    { "token.active_kid=2026-11.a_B", "active_kid = 2026-11.a_B", NULL },
    { "token.active_kid=../x", NULL, "must consist of" },
    { "token.active_kid=12345678901234567890123456789012345678901234567890123456789012345", NULL, "longer than 64" },

    { "limit.login=10/min", "login = 10/min", NULL },
    { "limit.login=10/min burst 20", "login = 10/min burst 20", NULL },
    { "limit.login=10/min burst 10", "login = 10/min", NULL },
    { "limit.login=1/s", "login = 1/s", NULL },
    { "limit.login=5/15min", "login = 5/15min", NULL },
    { "limit.login=5/60min", "login = 5/h", NULL },
    { "limit.login=5/90s", "login = 5/90s", NULL },
    { "limit.login=1000000/1000h burst 1000000", "login = 1000000/1000h", NULL },
    { "limit.login=off", "login = off", NULL },
    { "limit.login=", NULL, "must be a rate" },
    { "limit.login=0/min", NULL, "must be a rate" },
    { "limit.login=10", NULL, "must be a rate" },
    { "limit.login=10/", NULL, "must be a rate" },
    { "limit.login=10/minute", NULL, "must be a rate" },
    { "limit.login=10/0min", NULL, "must be a rate" },
    { "limit.login=10/1001h", NULL, "must be a rate" },
    { "limit.login=1000001/min", NULL, "must be a rate" },
    { "limit.login=-1/min", NULL, "must be a rate" },
    { "limit.login=10 / min", NULL, "must be a rate" },
    { "limit.login=10/min burst", NULL, "must be a rate" },
    { "limit.login=10/min burst 0", NULL, "must be a rate" },
    { "limit.login=10/min burst 20 ", NULL, "must be a rate" },
    { "limit.login=10/min  burst 20", NULL, "must be a rate" },
    { "limit.table_size=1023", NULL, "must be from 1024" },

    { "server.nothing=1", NULL, "there is no such setting" },
    { "nothing=1", NULL, "there is no such setting" },
    { "=1", NULL, "there is no such setting" },
    { "", NULL, "must be section.key=value" },
    { "server.listen", NULL, "must be section.key=value" },
    { "SERVER.LISTEN=127.0.0.1:1", NULL, "there is no such setting" },
};

START_TEST(a_value_is_accepted_or_rejected_with_the_reason_by_its_type) {
    struct outcome outcome = load_set(value_cases[_i].set);
    ck_assert_msg(outcome.loaded == (value_cases[_i].error == NULL), "%s: %s", value_cases[_i].set, outcome.errors);
    if (outcome.loaded) {
        ck_assert_str_eq(outcome.errors, "");
        ck_assert_msg(has_line(outcome.printed, value_cases[_i].printed), "%s", outcome.printed);
    } else {
        ck_assert_msg(strstr(outcome.errors, value_cases[_i].error) != NULL, "%s", outcome.errors);
        ck_assert_msg(strncmp(outcome.errors, "--set ", 6) == 0, "%s", outcome.errors);
        ck_assert_int_eq(count_lines(outcome.errors), 1);
    }
    outcome_fini(&outcome);
}
END_TEST

/* The settings cannot ask the hasher, which stands above them. */
_Static_assert(HASH_MEMORY_MAX == (size_t)1024 * 1024 * 1024, "password.memory goes as far as the hasher");
_Static_assert(HASH_OPERATIONS_MAX == 64, "password.operations goes as far as the hasher");

START_TEST(a_list_may_be_full_but_not_overflow) {
    char set[2048] = "server.trusted_proxies=";
    for (size_t i = 0, at = strlen(set); i < CIDR_LIST_MAX; i++, at = strlen(set))
        snprintf(set + at, sizeof set - at, " 10.0.0.%zu", i);
    struct outcome full = load_set(set);
    ck_assert(full.loaded);
    ck_assert_uint_eq(full.config.server.trusted_proxies.count, CIDR_LIST_MAX);
    outcome_fini(&full);
    snprintf(set + strlen(set), sizeof set - strlen(set), " 10.0.1.0");
    struct outcome over = load_set(set);
    ck_assert(!over.loaded);
    ck_assert_ptr_nonnull(strstr(over.errors, "more than 64 networks"));
    outcome_fini(&over);
}
END_TEST

START_TEST(a_list_of_origins_may_be_full_but_not_overflow) {
    char set[4096] = "cors.allowed_origins=";
    for (size_t i = 0, at = strlen(set); i < 64; i++, at = strlen(set))
        snprintf(set + at, sizeof set - at, " https://a%zu.example", i);
    struct outcome full = load_set(set);
    ck_assert(full.loaded);
    ck_assert_uint_eq(full.config.cors.allowed_origins.count, 64);
    ck_assert_str_eq(full.config.cors.allowed_origins.items[63], "https://a63.example");
    outcome_fini(&full);
    snprintf(set + strlen(set), sizeof set - strlen(set), " https://b.example");
    struct outcome over = load_set(set);
    ck_assert(!over.loaded);
    ck_assert_ptr_nonnull(strstr(over.errors, "more than 64 origins"));
    outcome_fini(&over);
}
END_TEST

START_TEST(what_is_printed_loads_again_as_the_same) {
    const char *const sets[] = { "server.trusted_proxies=10.0.0.0/8 ::1",
                                 "cors.allowed_origins=https://a.example,https://b.example", "token.issuer=a = b ; c # d",
                                 "server.listen=unix:/tmp/a b", "log.level=warn" };
    struct outcome first = load(&(struct config_source){ .set = sets, .set_count = (int)ARRAY_LEN(sets) });
    ck_assert_msg(first.loaded, "%s", first.errors);
    struct outcome second = load_file(first.printed);
    ck_assert_msg(second.loaded, "%s", second.errors);
    ck_assert_str_eq(first.printed, second.printed);
    outcome_fini(&first);
    outcome_fini(&second);
}
END_TEST

/* ---- settings that must fit each other ---- */

static const struct {
    const char *sets[3];
    const char *error; /* NULL: fine */
} fit_cases[] = {
    { { "password.memory=19MiB", "password.operations=2" }, NULL },
    { { "password.memory=46MiB", "password.operations=1" }, NULL },
    { { "password.memory=12MiB", "password.operations=3" }, NULL },
    { { "password.memory=9MiB", "password.operations=4" }, NULL },
    { { "password.memory=7MiB", "password.operations=5" }, NULL },
    { { "password.memory=64MiB", "password.operations=3" }, NULL },
    { { "password.memory=19MiB", "password.operations=1" }, "--set password.memory = \"19MiB\" is too weak" },
    { { "audit.keep=29d" }, "--set audit.keep = \"29d\" must be 30d at least, or 0, which is for ever" },
    { { "password.memory=47103KiB", "password.operations=1" }, "is too weak" },
    { { "password.memory=19455KiB" }, "is too weak" },
    { { "password.memory=12287KiB", "password.operations=3" }, "is too weak" },
    { { "password.memory=7167KiB", "password.operations=64" }, "is too weak" },
    { { "password.operations=1" }, "default: password.memory = \"19MiB\" is too weak" },
    { { "password.memory=8KiB", "password.operations=1", "password.allow_weak=true" }, NULL },
    { { "password.memory=8191B", "password.operations=1", "password.allow_weak=true" }, "must be from 8KiB" },
    { { "password.memory=weak", "password.operations=1" }, "must be a whole number" },
    { { "token.access_ttl=10s" }, "default: token.refresh_retry_window = \"10s\" must be shorter than token.access_ttl" },
    { { "token.access_ttl=11s" }, NULL },
    { { "token.access_ttl=1s", "token.refresh_retry_window=1001ms" }, "must be shorter than token.access_ttl" },
    { { "token.access_ttl=1s", "token.refresh_retry_window=0" }, NULL },
    { { "token.refresh_idle=31d" }, "--set token.refresh_idle = \"31d\" must not be longer than token.refresh_ttl" },
    { { "token.refresh_idle=30d" }, NULL },
    { { "token.refresh_idle=30d", "token.refresh_ttl=much" }, "must be a whole number" },
    { { "token.access_ttl=short", "token.refresh_ttl=10m", "token.refresh_idle=10m" }, "must be a whole number" },
    { { "token.refresh_idle=20m", "token.refresh_ttl=20m", "token.access_ttl=21m" }, "token.access_ttl = \"21m\"" },
    { { "limit.lock=2h" }, "must not be longer than limit.lock_max" },
    { { "token.refresh_retry_window=31s", "token.refresh_idle=30s" }, "must not be longer than token.refresh_idle" },
};

START_TEST(settings_that_do_not_fit_each_other_are_an_error_of_one_of_them) {
    size_t count = 0;
    while (count < 3 && fit_cases[_i].sets[count] != NULL)
        count++;
    struct outcome outcome = load(&(struct config_source){ .set = fit_cases[_i].sets, .set_count = count });
    ck_assert_msg(outcome.loaded == (fit_cases[_i].error == NULL), "%s", outcome.errors);
    if (!outcome.loaded) {
        ck_assert_msg(strstr(outcome.errors, fit_cases[_i].error) != NULL, "%s", outcome.errors);
        ck_assert_int_eq(count_lines(outcome.errors), 1);
    }
    outcome_fini(&outcome);
}
END_TEST

Suite *config_values_suite(void) {
    Suite *suite = suite_create("config_values");
    TCase *values = tcase_create("values");
    tcase_add_loop_test(values, a_value_is_accepted_or_rejected_with_the_reason_by_its_type, 0, (int)ARRAY_LEN(value_cases));
    tcase_add_test(values, a_list_may_be_full_but_not_overflow);
    tcase_add_test(values, a_list_of_origins_may_be_full_but_not_overflow);
    tcase_add_test(values, what_is_printed_loads_again_as_the_same);
    tcase_add_loop_test(values, settings_that_do_not_fit_each_other_are_an_error_of_one_of_them, 0, (int)ARRAY_LEN(fit_cases));
    suite_add_tcase(suite, values);
    return suite;
}
