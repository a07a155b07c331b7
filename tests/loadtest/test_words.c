/* What a person writes: URLs, objectives, options, API files; and what is made of a cause. */
#include "loadtest/api.h"
#include "loadtest/cause.h"
#include "loadtest/display.h"
#include "loadtest/objective.h"
#include "loadtest/options.h"
#include "loadtest/target.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *words_suite(void);

static char mistake[256];

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
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct target target;
        ck_assert_msg(target_init(&target, cases[i].url, mistake, sizeof mistake), "%s: %s", cases[i].url, mistake);
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
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct target target;
        ck_assert_msg(!target_init(&target, urls[i], mistake, sizeof mistake), "%s", urls[i]);
    }
}
END_TEST

START_TEST(objectives_are_read) {
    struct objectives objectives;
    ck_assert(objectives_parse("p99<=250ms,err<=0.1% login.p99.9<=2s,p50<=900us", &objectives, mistake, sizeof mistake));
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
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!objectives_parse(wrong[i], &objectives, mistake, sizeof mistake), "%s", wrong[i]);
}
END_TEST

START_TEST(an_objective_counts_what_breaks_it_and_says_so) {
    struct objectives objectives;
    struct tally *tallies = calloc(ENDPOINTS, sizeof *tallies);
    ck_assert_ptr_nonnull(tallies);
    ck_assert(objectives_parse("p99<=1s,err<=0.1%", &objectives, mistake, sizeof mistake));
    struct tally *tally = &tallies[ENDPOINT_LOGIN];
    tally->due = tally->classes[REPLY_OK] = 1000;
    for (int i = 0; i < 1000; i++) {
        histogram_record(&tally->latency, i < 985 ? 100000000 : INT64_C(2000000000));
        histogram_record(&tally->service, 100000000);
    }
    struct objective_count count = objective_count(&objectives.items[0], tallies);
    ck_assert_uint_eq(count.requests, 1000);
    ck_assert_uint_eq(count.bad, 15);
    ck_assert_uint_eq(count.bad_without_generator, 0);
    ck_assert_ptr_eq(objectives_first_missed(&objectives, tallies), &objectives.items[0]);
    ck_assert_uint_eq(objectives_goodput(&objectives, tallies), 985);
    char text[OBJECTIVE_TEXT_SIZE];
    ck_assert_str_eq(objective_describe(&objectives.items[0], tallies, text), "p99 2 s > 1 s");
    tally->classes[REPLY_SHED] = 10;
    ck_assert_str_eq(objective_describe(&objectives.items[1], tallies, text), "errors 0.99 % > 0.1 %");
    free(tallies);
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
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        FILE *file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        fputs(cases[i].text, file);
        fclose(file);
        ck_assert_msg(api_init(&api, path, mistake, sizeof mistake) == cases[i].right, "%s", cases[i].text);
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

START_TEST(options_are_read_by_the_table) {
    struct options options;
    char *good[] = { "http://x", "--rate=100", "--duration", "5m", "--once", "--scenario", "me" };
    ck_assert(options_parse(&options, FOR_HOLD, 7, good, mistake, sizeof mistake));
    ck_assert_str_eq(options.words[0], "http://x");
    ck_assert_double_eq(options.rate, 100);
    ck_assert_double_eq(options.duration_s, 300);
    ck_assert(options.once);
    ck_assert_str_eq(options.scenario, "me");
    static char *wrong[][2] = { { "--nothing", "1" }, { "--rate", "x" },  { "--rate", "-1" }, { "--duration", "5y" },
                                { "--once=1", "x" },  { "--rate", NULL }, { "--to", "5" } };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!options_parse(&options, FOR_HOLD, wrong[i][1] == NULL ? 1 : 2, wrong[i], mistake, sizeof mistake), "%s",
                      wrong[i][0]);
}
END_TEST

START_TEST(a_command_line_can_be_pasted_again_and_keeps_no_password) {
    char line[256];
    char *words[] = {
        "build/failpoint", "find", "--slo", "p99<=1s", "--password", "it's", "--pg", "postgres://me:secret@db/jwtd"
    };
    options_quote_line(8, words, line, sizeof line);
    ck_assert_str_eq(line, "build/failpoint find --slo 'p99<=1s' --password '***' --pg 'postgres://me:***@db/jwtd'");
    words[7] = "host=db password=secret dbname=it's";
    options_quote_line(8, words, line, sizeof line);
    ck_assert_ptr_null(strstr(line, "secret"));
    ck_assert_ptr_nonnull(strstr(line, "'host=db password=*** dbname=it'\\''s'"));
    options_quote_line(8, words, line, 20);
    ck_assert_uint_lt(strlen(line), 20);
}
END_TEST

START_TEST(the_cause_is_what_is_at_ninety_percent_or_nothing) {
    static const struct {
        struct usage usage;
        uint64_t limited;
        enum cause_kind kind;
        const char *text;
    } cases[] = {
        { { .machine_cores = 2,
            .machine_busy = 1.98,
            .server_known = true,
            .server_cores = 1.95,
            .groups = { { "crypto", 2, 1.93 } },
            .groups_count = 1 },
          0,
          CAUSE_CPU,
          "CPU saturates: hashing uses 1.93 of 2 cores" },
        { { .machine_cores = 8,
            .machine_busy = 1.1,
            .server_known = true,
            .server_cores = 1,
            .groups = { { "node", 1, 0.99 } },
            .groups_count = 1 },
          0,
          CAUSE_CPU,
          "CPU saturates: node uses 0.99 cores with 1 thread (of 8 cores)" },
        { { .machine_cores = 2, .machine_busy = 1, .server_known = true, .server_cores = 0.9 }, 0, CAUSE_NONE, NULL },
        { { .machine_cores = 2, .machine_busy = 1 }, 0, CAUSE_UNKNOWN, NULL },
        { { .machine_cores = 2, .machine_busy = 2 }, 500, CAUSE_LIMITER, NULL },
        { { .machine_cores = 8, .server_known = true, .server_cores = 0.49, .cgroup_known = true, .quota_cores = 0.5 },
          0,
          CAUSE_QUOTA,
          NULL },
        { { .machine_cores = 2, .server_known = true, .descriptors = 1000, .descriptors_max = 1024 },
          0,
          CAUSE_DESCRIPTORS,
          NULL },
        { { .machine_cores = 2,
            .server_known = true,
            .database_known = true,
            .database_connections = 99,
            .database_connections_max = 100 },
          0,
          CAUSE_DATABASE,
          NULL },
        { { .machine_cores = 2, .server_known = true, .listen_overflows = 12 }, 0, CAUSE_LISTEN_QUEUE, NULL },
        { { .machine_cores = 2, .server_known = true, .rss_mib = 95, .cgroup_known = true, .memory_limit_mib = 100 },
          0,
          CAUSE_MEMORY,
          NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cause cause;
        struct tally tally = { .due = 1000 };
        tally.classes[REPLY_OK] = 1000 - cases[i].limited;
        tally.classes[REPLY_SHED] = tally.statuses[429] = cases[i].limited;
        cause_find(&cause, &cases[i].usage, &tally, 10);
        ck_assert_msg(cause.kind == cases[i].kind, "case %zu: %d, %s", i, (int)cause.kind, cause.text);
        if (cases[i].text != NULL)
            ck_assert_str_eq(cause.text, cases[i].text);
        ck_assert(cause.text[0] != '\0');
    }
}
END_TEST

START_TEST(numbers_are_written_for_people) {
    char text[DISPLAY_NUMBER_SIZE];
    ck_assert_str_eq(display_ms(1020, text), "1.02 s");
    ck_assert_str_eq(display_ms(999.6, text), "1 s");
    ck_assert_str_eq(display_ms(250, text), "250 ms");
    ck_assert_str_eq(display_ms(0.083, text), "83 us");
    ck_assert_str_eq(display_load(230.7, text), "231");
    ck_assert_str_eq(display_load(139456, text), "139000");
    ck_assert_str_eq(display_load(0.5, text), "0.5");
    ck_assert_str_eq(display_load(0, text), "0");
}
END_TEST

Suite *words_suite(void) {
    Suite *suite = suite_create("words");
    TCase *tests = tcase_create("words");
    tcase_add_test(tests, urls_are_taken_apart);
    tcase_add_test(tests, what_is_no_url_is_refused);
    tcase_add_test(tests, objectives_are_read);
    tcase_add_test(tests, an_objective_counts_what_breaks_it_and_says_so);
    tcase_add_test(tests, an_api_file_changes_what_it_names);
    tcase_add_test(tests, options_are_read_by_the_table);
    tcase_add_test(tests, a_command_line_can_be_pasted_again_and_keeps_no_password);
    tcase_add_test(tests, the_cause_is_what_is_at_ninety_percent_or_nothing);
    tcase_add_test(tests, numbers_are_written_for_people);
    suite_add_tcase(suite, tests);
    return suite;
}
