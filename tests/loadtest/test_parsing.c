/* What a person writes: URLs, objectives, durations, options, API files. */
#include "jwtd/macros.h"
#include "loadtest/api.h"
#include "loadtest/duration.h"
#include "loadtest/objective.h"
#include "loadtest/options.h"
#include "loadtest/target.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *parsing_suite(void);

static char error[256];

START_TEST(urls_are_taken_apart) {
    static const struct {
        const char *url, *host, *prefix;
        unsigned port;
        bool tls, loopback;
    } cases[] = {
        { "http://127.0.0.1:8080", "127.0.0.1:8080", "", 8080, false, true },
        { "http://127.0.0.1:8080/", "127.0.0.1:8080", "", 8080, false, true },
        { "http://127.0.0.1/base//", "127.0.0.1", "/base", 80, false, true },
        { "https://192.0.2.7/a/b", "192.0.2.7", "/a/b", 443, true, false },
        { "http://[::1]:99", "[::1]:99", "", 99, false, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct target target;
        ck_assert_msg(target_init(&target, cases[i].url, error, sizeof error), "%s: %s", cases[i].url, error);
        ck_assert_str_eq(target.host, cases[i].host);
        ck_assert_str_eq(target.prefix, cases[i].prefix);
        ck_assert_uint_eq(target.port, cases[i].port);
        ck_assert_int_eq(target.tls, cases[i].tls);
        ck_assert_int_eq(target.loopback4, cases[i].loopback);
    }
}
END_TEST

START_TEST(what_is_no_url_is_refused) {
    const char *const urls[] = { "",
                                 "127.0.0.1:8080",
                                 "ftp://127.0.0.1",
                                 "http://",
                                 "http://:80",
                                 "http://127.0.0.1:0",
                                 "http://127.0.0.1:65536",
                                 "http://127.0.0.1:8x",
                                 "http://[::1",
                                 "http://[::1]x",
                                 "http://u:p@127.0.0.1",
                                 "http://127.0.0.1/a b",
                                 "http://127.0.0.1/?q",
                                 "http://127.0.0.1/\r\nX: y" };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct target target;
        ck_assert_msg(!target_init(&target, urls[i], error, sizeof error), "%s", urls[i]);
    }
}
END_TEST

START_TEST(objectives_are_read) {
    struct objectives objectives;
    ck_assert(objectives_parse("p99<=250ms,err<=0.1% login.p99.9<=2s,p50<=900us", &objectives, error, sizeof error));
    ck_assert_uint_eq(objectives.count, 4);
    ck_assert_double_eq_tol(objectives.items[0].share_allowed, 0.01, 1e-9);
    ck_assert_int_eq(objectives.items[0].limit_ns, 250000000);
    ck_assert(objectives.items[1].of_errors);
    ck_assert_double_eq_tol(objectives.items[1].share_allowed, 0.001, 1e-9);
    ck_assert_int_eq(objectives.items[2].endpoint, ENDPOINT_LOGIN);
    ck_assert_double_eq_tol(objectives.items[2].share_allowed, 0.001, 1e-9);
    ck_assert_int_eq(objectives.items[3].limit_ns, 900000);
    ck_assert_int_eq(objectives_latency_ns(&objectives), 900000);
    const char *const wrong[] = { "",        "p99",    "p99<250ms", "p99<=250",       "p99<=-1s", "p100<=1s",
                                  "p20<=1s", "err<=1", "err<=60%",  "nobody.p99<=1s", "q99<=1s" };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        ck_assert_msg(!objectives_parse(wrong[i], &objectives, error, sizeof error), "%s", wrong[i]);
}
END_TEST

START_TEST(an_api_file_changes_what_it_names) {
    char path[] = "/tmp/failpoint-api-XXXXXX";
    struct api api;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    static const struct {
        const char *text;
        bool right;
    } cases[] = {
        { "{\"login\": {\"path\": \"/v1/token\", \"status\": [200, 201], \"fields\": {\"email\": \"user\"}, \"reply\": "
          "{\"refresh_token\": \"\"}}}",
          true },
        { "{\"login\": {\"path\": \"v1\"}}", false },
        { "{\"login\": {\"path\": \"/v1\\r\\nX: y\"}}", false },
        { "{\"login\": {\"status\": []}}", false },
        { "{\"login\": {\"speed\": 3}}", false },
        { "{\"fly\": {}}", false },
        { "[]", false },
        { "{", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        FILE *file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        fputs(cases[i].text, file);
        fclose(file);
        ck_assert_msg(api_init(&api, path, error, sizeof error) == cases[i].right, "%s", cases[i].text);
        if (!cases[i].right)
            continue;
        const struct api_call *login = &api.calls[ENDPOINT_LOGIN];
        ck_assert_str_eq(login->path, "/v1/token");
        ck_assert_str_eq(login->fields[FIELD_EMAIL], "user");
        ck_assert_str_eq(login->fields[FIELD_PASSWORD], "password");
        ck_assert_str_eq(login->reply[FIELD_REFRESH_TOKEN], "");
        ck_assert(api_status_is_ok(login, 201) && !api_status_is_ok(login, 204));
        ck_assert_str_eq(api.calls[ENDPOINT_ME].path, "/auth/me");
        api_fini(&api);
    }
    unlink(path);
}
END_TEST

START_TEST(durations_have_a_unit_and_a_bound) {
    static const struct {
        const char *text;
        bool bare;
        double seconds; /* 0: refused */
    } cases[] = {
        { "500us", false, 5e-4 }, { "250ms", false, 0.25 }, { "1.5s", false, 1.5 }, { "5m", false, 300 }, { "8h", true, 28800 },
        { "10", true, 10 },       { "10", false, 0 },       { "", true, 0 },        { "s", true, 0 },     { "5y", true, 0 },
        { "-1s", true, 0 },       { "0s", true, 0 },        { "1e9h", true, 0 },    { "infs", true, 0 },  { "nan", true, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double seconds = 0;
        ck_assert_msg(duration_parse(cases[i].text, cases[i].bare, &seconds) == (cases[i].seconds > 0), "%s", cases[i].text);
        if (cases[i].seconds > 0)
            ck_assert_double_eq_tol(seconds, cases[i].seconds, 1e-12);
    }
}
END_TEST

START_TEST(a_duration_that_is_advised_is_one_that_is_read_and_long_enough) {
    static const struct {
        double seconds;
        const char *text;
    } cases[] = { { 5.76, "6s" }, { 96, "96s" },        { 96.2, "97s" },      { 300, "5m" }, { 960, "16m" },
                  { 961, "17m" }, { 24 * 3600, "24h" }, { 96 * 1000, "27h" }, { 0.1, "1s" }, { 960.0 * 3, "48m" } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[DURATION_TEXT_SIZE];
        double seconds;
        ck_assert_str_eq(duration_write(cases[i].seconds, text), cases[i].text);
        ck_assert(duration_parse(text, false, &seconds));
        ck_assert_double_ge(seconds, cases[i].seconds);
    }
}
END_TEST

/* `words` without the name of the program. */
static bool parse(struct options *options, unsigned command, char **words) {
    char *argv[16] = { "failpoint" };
    int argc = 1;
    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = words[argc - 1];
    error[0] = '\0';
    return options_parse(options, command, argc, argv, error, sizeof error);
}

START_TEST(options_are_read_by_the_table) {
    struct options options;
    char *good[] = { "--rate=100", "http://x", "--duration", "5m", "--once", "--scenario", "me", "--arrivals", "uniform", NULL };
    ck_assert_msg(parse(&options, FOR_HOLD, good), "%s", error);
    ck_assert_uint_eq(options.operands_count, 1);
    ck_assert_str_eq(options.operands[0], "http://x");
    ck_assert_double_eq(options.rate, 100);
    ck_assert_double_eq(options.duration_s, 300);
    ck_assert(options.once);
    ck_assert_str_eq(options.scenario, "me");
    ck_assert_int_eq(options.arrivals, ARRIVALS_UNIFORM);
    ck_assert_int_eq(options.retry_after, RETRY_IGNORE);
    ck_assert_int_eq(options.by, BY_RATE);
}
END_TEST

static const struct {
    char *words[4];
    const char *error;
} wrong_options[] = {
    { { "--nothing", "1" }, "there is no option \"--nothing\" here; --help lists them" },
    { { "--to", "5" }, "there is no option \"--to\" here; --help lists them" },   /* of another command */
    { { "--rat", "5" }, "there is no option \"--rat\" here; --help lists them" }, /* no abbreviations */
    { { "--rat=5" }, "there is no option \"--rat=5\" here; --help lists them" },
    { { "--onc=5" }, "there is no option \"--onc=5\" here; --help lists them" },
    { { "http://x", "-xy" }, "there is no option \"-xy\" here; --help lists them" },
    { { "--rate", "x" }, "--rate takes a number from 0 to 1000000000, not \"x\"" },
    { { "--rate", "-1" }, "--rate takes a number from 0 to 1000000000, not \"-1\"" },
    { { "--rate" }, "--rate takes a value: N" },
    { { "--duration", "5y" }, "--duration takes a time like 500ms, 10s, 5m or 8h, not \"5y\"" },
    { { "--once=1" }, "--once takes no value" },
    { { "--arrivals", "often" }, "--arrivals is poisson or uniform" },
    { { "a", "b", "c" }, "\"c\" is one word too many" },
};

START_TEST(what_is_no_option_is_refused_with_a_sentence) {
    struct options options;
    char *words[5] = { NULL };
    memcpy(words, wrong_options[_i].words, sizeof wrong_options[_i].words);
    ck_assert(!parse(&options, FOR_HOLD, words));
    ck_assert_str_eq(error, wrong_options[_i].error);
}
END_TEST

static const struct {
    unsigned command;
    char *name;
} options_of_others[] = {
    { FOR_RAMP, "--retry-after" }, { FOR_RAMP, "--users" }, { FOR_IDLE, "--accounts" }, { FOR_IDLE, "--seeded" },
    { FOR_IDLE, "--password" },    { FOR_IDLE, "--email" }, { FOR_IDLE, "--api" },
};

START_TEST(a_command_refuses_an_option_that_would_have_no_effect) {
    struct options options;
    char *words[5] = { options_of_others[_i].name, "1" };
    ck_assert(!parse(&options, options_of_others[_i].command, words));
    ck_assert_msg(strstr(error, "there is no option") != NULL, "%s", error);
}
END_TEST

static const struct {
    char *words[4];
    const char *line;
} quoted_lines[] = {
    { { "find", "--slo", "p99<=1s" }, "find --slo 'p99<=1s'" },
    { { "find", "--email", "it's-{}@x" }, "find --email 'it'\\''s-{}@x'" },
    { { "find", "--password", "secret" }, "find --password '***'" },
    { { "find", "--password=secret" }, "find '--password=***'" },
    { { "find", "--pg", "postgres://me:secret@db/jwtd" }, "find --pg 'user=me password=*** dbname=jwtd host=db'" },
    { { "find", "--pg=postgres://db/jwtd?password=%73ecret" }, "find '--pg=password=*** dbname=jwtd host=db'" },
    { { "find", "--pg", "host=db password='a secret' dbname='a b'" }, "find --pg 'password=*** dbname='\\''a b'\\'' host=db'" },
    { { "find", "--pg", "password=s dbname=it\\'s host=db" }, "find --pg 'password=*** dbname='\\''it\\'\\''s'\\'' host=db'" },
    { { "find", "--pg", "postgres:///jwtd?host=/run" }, "find --pg 'postgres:///jwtd?host=/run'" },
    { { "find", "--pg", "jwtd" }, "find --pg jwtd" },
    { { "find", "--pg", "me:secret@db" }, "find --pg '***'" },
    { { "find", "--metrics", "http://me:secret@host/metrics" }, "find --metrics 'http://***@host/metrics'" },
    { { "--quiet", "http://x", "--pg=" }, "--quiet http://x --pg=" },
};

START_TEST(a_command_line_can_be_pasted_again_and_keeps_no_password) {
    char line[256];
    int count = 0;
    while (count < 4 && quoted_lines[_i].words[count] != NULL)
        count++;
    options_quote_line(count, (char **)(uintptr_t)quoted_lines[_i].words, line, sizeof line);
    ck_assert_str_eq(line, quoted_lines[_i].line);
    options_quote_line(count, (char **)(uintptr_t)quoted_lines[_i].words, line, 16);
    ck_assert_uint_lt(strlen(line), 16);
}
END_TEST

Suite *parsing_suite(void) {
    Suite *suite = suite_create("parsing");
    TCase *tests = tcase_create("parsing");
    tcase_add_test(tests, urls_are_taken_apart);
    tcase_add_test(tests, what_is_no_url_is_refused);
    tcase_add_test(tests, objectives_are_read);
    tcase_add_test(tests, an_api_file_changes_what_it_names);
    tcase_add_test(tests, durations_have_a_unit_and_a_bound);
    tcase_add_test(tests, a_duration_that_is_advised_is_one_that_is_read_and_long_enough);
    tcase_add_test(tests, options_are_read_by_the_table);
    tcase_add_loop_test(tests, what_is_no_option_is_refused_with_a_sentence, 0, (int)ARRAY_LEN(wrong_options));
    tcase_add_loop_test(tests, a_command_refuses_an_option_that_would_have_no_effect, 0, (int)ARRAY_LEN(options_of_others));
    tcase_add_loop_test(tests, a_command_line_can_be_pasted_again_and_keeps_no_password, 0, (int)ARRAY_LEN(quoted_lines));
    suite_add_tcase(suite, tests);
    return suite;
}
