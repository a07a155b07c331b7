#include "jwtd/macros.h"
#include "loadtest/run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *run_suite(void);

#define TEMPLATE "/tmp/failpoint-test-XXXXXX"

static char path[sizeof TEMPLATE];
static char error[256];

static void open_file(void) {
    snprintf(path, sizeof path, "%s", TEMPLATE);
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void remove_file(void) {
    unlink(path);
}

static void write_text(const char *text) {
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void fill(struct run *run) {
    run_init(run);
    run_read_machine(&run->machine);
    snprintf(run->options.line, sizeof run->options.line, "failpoint 'a \"quoted\" word' \\ \xc3\xa4");
    run->verdict = (struct run_verdict){ .exit_code = 5, .limit = 231.25, .beyond = COLLAPSE_SHEDS, .recovered = true };
    run->verdict.cause = (struct cause){ CAUSE_LISTEN_QUEUE, 1, "the listen queue overflows" };
    run->options.by = BY_USERS;
    run->options.arrivals = ARRIVALS_UNIFORM;
    snprintf(run->verdict.headline, sizeof run->verdict.headline, "login fails at 231 req/s");
    for (int i = 0; i < 5; i++) {
        struct run_step *step = run_add_step(run);
        ck_assert_ptr_nonnull(step);
        step->phase = PHASE_HOLD;
        step->verdict = STEP_BAD;
        step->load = 10.5 * i;
        step->usage.groups_count = 1;
        step->usage.groups[0] = (struct usage_group){ "crypto", 2, 1.93 };
        struct tally *tally = &step->tallies[ENDPOINT_LOGIN];
        tally->due = 1000;
        tally->classes[REPLY_OK] = 999;
        tally->classes[REPLY_BAD] = 1;
        tally->statuses[200] = 1000;
        for (int64_t j = 0; j < 999; j++)
            histogram_record(&tally->latency, j * j * 1000);
    }
    struct run_second *second = run_add_second(run);
    struct run_trend *trend = run_add_trend(run);
    ck_assert(second != NULL && trend != NULL);
    second->figures.p99 = 1e-3;
    second->usage.rss_mib = 12.25;
    *trend = (struct run_trend){ .name = "memory", .unit = "MiB", .slope = -3.5, .grows = true };
}

START_TEST(what_was_written_is_read_back) {
    struct run run, again;
    fill(&run);
    open_file();
    ck_assert_msg(run_write(&run, path, error, sizeof error), "%s", error);
    run_init(&again);
    ck_assert_msg(run_read(&again, path, error, sizeof error), "%s", error);
    ck_assert_str_eq(again.options.line, run.options.line);
    ck_assert_str_eq(again.machine.cpu, run.machine.cpu);
    ck_assert_double_eq_tol(again.machine.memory_mib, run.machine.memory_mib, 1e-3);
    ck_assert_str_eq(again.verdict.headline, run.verdict.headline);
    ck_assert_int_eq(again.verdict.exit_code, 5);
    ck_assert_int_eq(again.verdict.beyond, COLLAPSE_SHEDS);
    ck_assert_int_eq(again.verdict.cause.kind, CAUSE_LISTEN_QUEUE);
    ck_assert_str_eq(again.verdict.cause.text, "the listen queue overflows");
    ck_assert_int_eq(again.options.by, BY_USERS);
    ck_assert_int_eq(again.options.arrivals, ARRIVALS_UNIFORM);
    ck_assert(again.verdict.recovered && !again.verdict.interrupted);
    ck_assert_double_eq_tol(again.started, run.started, 1e-2);
    ck_assert_uint_eq(again.steps_count, 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(again.steps[i].phase, PHASE_HOLD);
        ck_assert_int_eq(again.steps[i].verdict, STEP_BAD);
        ck_assert_double_eq(again.steps[i].load, run.steps[i].load);
        ck_assert_mem_eq(again.steps[i].tallies, run.steps[i].tallies, ENDPOINTS * sizeof(struct tally));
        ck_assert_str_eq(again.steps[i].usage.groups[0].name, "crypto");
        ck_assert_uint_eq(again.steps[i].usage.groups[0].threads, 2);
    }
    ck_assert_double_eq(again.seconds_list[0].figures.p99, 1e-3);
    ck_assert_double_eq(again.seconds_list[0].usage.rss_mib, 12.25);
    ck_assert_double_eq(again.trends[0].slope, -3.5);
    ck_assert(again.trends[0].grows);
    run_fini(&run);
    run_fini(&again);
    remove_file();
}
END_TEST

START_TEST(a_growth_that_is_called_steady_does_not_read_like_a_leak) {
    static const struct {
        struct run_trend trend;
        const char *text;
    } cases[] = {
        { { .unit = "MiB", .slope = 15.2, .low = 4.91, .high = 22.9, .begin = 51.1, .end = 66.2, .worth = 0.5, .grows = true },
          "grows: 51.1 to 66.2 MiB, by 15.2 MiB an hour (95 %: 4.91 to 22.9 MiB)" },
        { { .unit = "MiB", .slope = 15.2, .low = 4.91, .high = 22.9, .begin = 51.1, .end = 51.35, .worth = 0.5 },
          "steady: 51.1 to 51.35 MiB (less than the 0.5 MiB that count as growth)" },
        { { .unit = "threads", .slope = 2, .low = -1, .high = 5, .begin = 17, .end = 17, .worth = 1.7 },
          "steady: 17 to 17 threads" },
        { { .unit = "MiB", .slope = 30, .low = 2, .high = 50, .begin = 51.09, .end = 51.75, .worth = 0.5 },
          "steady: 51.09 to 51.75 MiB (in steps; an even growth counts from 0.5 MiB on)" },
        { { .unit = "ms", .slope = 9, .low = -1, .high = 50, .begin = 7.487, .end = 5016, .worth = 3.7 },
          "uneven: 7.49 ms to 5.02 s (more at the end, without an even growth)" },
        { { .unit = "MiB", .slope = -9, .low = -20, .high = -1, .begin = 53.12, .end = 35.03, .worth = 0.5 },
          "falls: 53.12 to 35.03 MiB" },
        { { .unit = "ms", .slope = -9, .low = -20, .high = 1, .begin = 45.96, .end = 14.24, .worth = 5 },
          "falls: 46 ms to 14.2 ms" },
        { { .unit = "ms", .slope = 601000, .low = 12345, .high = 9e6, .begin = 7.487, .end = 12345, .worth = 3.7, .grows = true },
          "grows: 7.49 ms to 12.3 s, by 10 min an hour (95 %: 12.3 s to 2.5 h)" },
        { { .unit = "descriptors",
            .slope = 38123,
            .low = 12300,
            .high = 1.5e7,
            .begin = 29,
            .end = 14321,
            .worth = 5,
            .grows = true },
          "grows: 29 to 14320 descriptors, by 38100 descriptors an hour (95 %: 12300 to 15000000 descriptors)" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[RUN_TEXT_SIZE];
        run_describe_trend(&cases[i].trend, text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(what_is_no_record_is_refused_with_a_sentence) {
    const char *const texts[] = {
        "", "{", "[]", "{}", "{\"version\": 2}", "{\"version\": 1}", "{\"version\": 1, \"started\": \"now\"}"
    };
    open_file();
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct run run;
        run_init(&run);
        error[0] = '\0';
        write_text(texts[i]);
        ck_assert(!run_read(&run, path, error, sizeof error));
        ck_assert(error[0] != '\0');
        run_fini(&run);
    }
    remove_file();
}
END_TEST

/* Replaces the first occurrence in the file. */
static void replace_text(const char *old, const char *new) {
    static char text[1 << 20];
    FILE *file = fopen(path, "r+");
    ck_assert_ptr_nonnull(file);
    size_t len = fread(text, 1, sizeof text - 1, file);
    text[len] = '\0';
    const char *found = strstr(text, old);
    ck_assert_msg(found != NULL, "%s is not in the record", old);
    rewind(file);
    fprintf(file, "%.*s%s%s", (int)(found - text), text, new, found + strlen(old));
    ck_assert_int_eq(ftruncate(fileno(file), ftell(file)), 0);
    fclose(file);
}

/* Its cause and what came above the limit are numbers, and what was added since is missing. */
START_TEST(a_record_from_before_enums_had_names_is_read) {
    static const char *const later[] = {
        "core_price", "recovering", "overload_p50", "uncertainty", "errors_per_million", "worth"
    };
    struct run run;
    char member[64], other[64];
    fill(&run);
    open_file();
    ck_assert(run_write(&run, path, error, sizeof error));
    run_fini(&run);
    replace_text("\"cause_kind\":\"listen queue\"", "\"cause_kind\":7.0");
    replace_text("\"beyond\":\"sheds\"", "\"beyond\":1");
    for (size_t i = 0; i < ARRAY_LEN(later); i++) {
        snprintf(member, sizeof member, "\"%s\":", later[i]);
        snprintf(other, sizeof other, "\"not %s\":", later[i]);
        replace_text(member, other);
    }
    run_init(&run);
    ck_assert_msg(run_read(&run, path, error, sizeof error), "%s", error);
    ck_assert_int_eq(run.options.by, BY_USERS);
    ck_assert_int_eq(run.options.arrivals, ARRIVALS_UNIFORM);
    ck_assert_int_eq(run.verdict.cause.kind, CAUSE_LISTEN_QUEUE);
    ck_assert_int_eq(run.verdict.beyond, COLLAPSE_SHEDS);
    ck_assert_int_eq(run.steps[0].phase, PHASE_HOLD);
    ck_assert_int_eq(run.steps[0].verdict, STEP_BAD);
    ck_assert(!run.verdict.recovering);
    run_fini(&run);
    remove_file();
}
END_TEST

static const struct {
    const char *old, *new;
} damages[] = {
    { "\"load\":10.5", "\"load\":\"many\"" },
    { "\"phase\":\"hold\"", "\"phase\":\"held\"" },
    { "\"phase\":\"hold\"", "\"phase\":null" },
    { "\"verdict\":\"bad\"", "\"verdict\":true" },
    { "\"by\":\"users\"", "\"by\":2" },
    { "\"by\":\"users\"", "\"by\":-1" },
    { "\"cause_kind\":\"listen queue\"", "\"cause_kind\":9" },
    { "\"beyond\":\"sheds\"", "\"beyond\":\"\"" },
    { "\"due\":1000", "\"due\":1000,\"due\":1" },
    { "\"recovered\":true", "\"recovered\":1" },
};

START_TEST(a_record_with_a_member_of_another_type_is_refused_and_nothing_leaks) {
    struct run run;
    fill(&run);
    open_file();
    ck_assert(run_write(&run, path, error, sizeof error));
    run_fini(&run);
    replace_text(damages[_i].old, damages[_i].new);
    run_init(&run);
    error[0] = '\0';
    ck_assert(!run_read(&run, path, error, sizeof error));
    ck_assert(error[0] != '\0');
    run_fini(&run);
    remove_file();
}
END_TEST

START_TEST(a_path_that_cannot_be_written_is_said) {
    struct run run;
    run_init(&run);
    ck_assert(!run_write(&run, "/nowhere/at/all", error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "/nowhere/at/all"));
    run_fini(&run);
}
END_TEST

Suite *run_suite(void) {
    Suite *suite = suite_create("run");
    TCase *tests = tcase_create("run");
    tcase_add_test(tests, what_was_written_is_read_back);
    tcase_add_test(tests, a_record_from_before_enums_had_names_is_read);
    tcase_add_test(tests, a_growth_that_is_called_steady_does_not_read_like_a_leak);
    tcase_add_test(tests, what_is_no_record_is_refused_with_a_sentence);
    tcase_add_loop_test(tests, a_record_with_a_member_of_another_type_is_refused_and_nothing_leaks, 0, (int)ARRAY_LEN(damages));
    tcase_add_test(tests, a_path_that_cannot_be_written_is_said);
    suite_add_tcase(suite, tests);
    return suite;
}
