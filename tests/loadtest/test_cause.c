/* What explains a figure: the objective that it missed, the resource that was used up. */
#include "jwtd/macros.h"
#include "loadtest/cause.h"
#include "loadtest/display.h"
#include "loadtest/objective.h"
#include "loadtest/trial.h"

#include <check.h>
#include <stdlib.h>

Suite *cause_suite(void);

static char error[256];

START_TEST(an_objective_counts_what_breaks_it_and_says_so) {
    struct objectives objectives;
    struct tally *tallies = calloc(ENDPOINTS, sizeof *tallies);
    ck_assert_ptr_nonnull(tallies);
    ck_assert(objectives_parse("p99<=1s,err<=0.1%", &objectives, error, sizeof error));
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

START_TEST(a_value_and_its_limit_are_never_written_alike_unless_they_are) {
    static const struct {
        int64_t latency_ns;
        uint64_t shed;
        size_t item;
        const char *text;
    } cases[] = {
        { INT64_C(999000000), 0, 0, "p99 1 s <= 1 s" },    { INT64_C(1004000000), 0, 0, "p99 1.005 s > 1 s" },
        { INT64_C(1020000000), 0, 0, "p99 1.02 s > 1 s" }, { INT64_C(995000000), 0, 0, "p99 996 ms <= 1 s" },
        { 1000, 100000, 1, "errors 10 % > 1 %" },          { 1000, 9092, 1, "errors 1.0001 % > 1 %" },
        { 1000, 9090, 1, "errors 0.9999 % <= 1 %" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct objectives objectives;
        struct tally *tallies = calloc(ENDPOINTS, sizeof *tallies);
        char text[OBJECTIVE_TEXT_SIZE];
        ck_assert(tallies != NULL && objectives_parse("p99<=1s,err<=1%", &objectives, error, sizeof error));
        struct tally *tally = &tallies[ENDPOINT_LOGIN];
        tally->due = 1;
        tally->classes[REPLY_OK] = 900000;
        tally->classes[REPLY_SHED] = cases[i].shed;
        for (int k = 0; k < 100; k++)
            histogram_record(&tally->latency, cases[i].latency_ns);
        ck_assert_str_eq(objective_describe(&objectives.items[cases[i].item], tallies, text), cases[i].text);
        free(tallies);
    }
}
END_TEST

START_TEST(a_growing_queue_is_said_in_a_sentence) {
    char text[TRIAL_PILE_SIZE];
    ck_assert_str_eq(trial_describe_pile(16.31, text), "every second 16.3 more requests arrive than are answered");
    ck_assert_str_eq(trial_describe_pile(12345, text), "every second 12300 more requests arrive than are answered");
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
        { { .machine_cores = 2, .machine_busy = 1, .server_known = true, .server_cores = 0.9 },
          0,
          CAUSE_NONE,
          "of something that failpoint cannot see: no resource is used up (1.00 of 2 cores, of which the server 0.90)" },
        { { .machine_cores = 2, .machine_busy = 1 },
          0,
          CAUSE_UNKNOWN,
          "of something that failpoint cannot see: nothing on this machine is used up, and the server's process is not here" },
        { { .machine_cores = 2, .machine_busy = 2 },
          500,
          CAUSE_LIMITER,
          "a rate limiter answers 429: it lets 50 a second through, and refuses 50 %" },
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
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
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

/* Without an exponent, however large or small. */
START_TEST(numbers_are_written_for_people) {
    static const struct {
        double number;
        const char *text;
    } times[] = { { 0.083, "83 us" },      { 0.9996, "1 ms" },        { 250, "250 ms" },    { 999.6, "1 s" },
                  { 1020, "1.02 s" },      { 12345, "12.3 s" },       { 90000, "90 s" },    { 119000, "119 s" },
                  { 601000, "10 min" },    { 1.23e6, "20.5 min" },    { 3600e3, "60 min" }, { 9e6, "2.5 h" },
                  { 3.6e12, "1000000 h" }, { 3.6e30, "very many h" }, { -5016, "-5.02 s" } },
      loads[] = { { 0, "0" },           { 0.5, "0.5" },     { 0.00001234, "0.0000123" }, { 0.9996, "1" },
                  { 99.96, "100" },     { 230.7, "231" },   { 999.6, "1000" },           { 1234.4, "1230" },
                  { 139456, "139000" }, { 38100, "38100" }, { 1e9, "1000000000" },       { -3.5, "-3.5" },
                  { -0.0, "0" } },
      spans[] = { { 3, "10 s" }, { 84, "80 s" }, { 100, "2 min" }, { 1440, "24 min" }, { 24 * 3600, "24 h" } };
    char text[DISPLAY_NUMBER_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        ck_assert_str_eq(display_ms(times[i].number, text), times[i].text);
    for (size_t i = 0; i < ARRAY_LEN(loads); i++)
        ck_assert_str_eq(display_load(loads[i].number, text), loads[i].text);
    for (size_t i = 0; i < ARRAY_LEN(spans); i++)
        ck_assert_str_eq(display_duration(spans[i].number, text), spans[i].text);
}
END_TEST

Suite *cause_suite(void) {
    Suite *suite = suite_create("cause");
    TCase *tests = tcase_create("cause");
    tcase_add_test(tests, an_objective_counts_what_breaks_it_and_says_so);
    tcase_add_test(tests, a_value_and_its_limit_are_never_written_alike_unless_they_are);
    tcase_add_test(tests, a_growing_queue_is_said_in_a_sentence);
    tcase_add_test(tests, the_cause_is_what_is_at_ninety_percent_or_nothing);
    tcase_add_test(tests, numbers_are_written_for_people);
    suite_add_tcase(suite, tests);
    return suite;
}
