/* Which requests are traced. What becomes of their spans: tests/service/test_traces.c. */
#include "src/trace/curl_library.h"

#include "tests/runner.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/tracer.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *tracer_suite(void);

static struct tracer *tracer;

/* Where nobody listens: nothing is sent here. */
static void start(void) {
    tracer = tracer_start("http://127.0.0.1:1");
    ck_assert_ptr_nonnull(tracer);
}

static void stop(void) {
    tracer_stop(tracer);
}

#define REQUESTS 100000u

static unsigned count_sampled(const struct config *config, bool is_asked_for) {
    unsigned count = 0;
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct trace_context own = trace_context_create();
        memset(own.trace_id, i % 2 == 0 ? 0x01 : 0xff, sizeof own.trace_id); /* the caller's choice */
        count += tracer_samples(tracer, config, &own, is_asked_for);
    }
    return count;
}

/* More than six standard deviations from what is expected do not happen. */
static const struct {
    unsigned millionths, least, most;
} samples[] = { { 0, 0, 0 }, { 1000000, REQUESTS, REQUESTS }, { 500000, 49000, 51000 }, { 10000, 810, 1190 } };

START_TEST(so_many_requests_are_traced_as_the_setting_says) {
    struct config config = { .trace.sample = samples[_i].millionths };
    unsigned count = count_sampled(&config, false);
    ck_assert_msg(samples[_i].least <= count && count <= samples[_i].most, "%u", count);
}
END_TEST

static const struct {
    struct limit_rate rate;
    unsigned traced;
} callers[] = {
    { { .amount = 0, .period_ms = 1000 }, 0 },
    { { .amount = 1, .period_ms = 3600000, .burst = 1 }, 1 },
    { { .amount = 5, .period_ms = 3600000, .burst = 5 }, 5 },
    { { .amount = 10, .period_ms = 3600000, .burst = 3 }, 3 },
};

START_TEST(what_callers_ask_for_is_traced_within_their_rate) {
    struct config config = { .trace.sample_callers = callers[_i].rate };
    ck_assert_uint_eq(count_sampled(&config, true), callers[_i].traced);
}
END_TEST

START_TEST(what_is_traced_by_chance_takes_nothing_from_the_callers_rate) {
    struct config config = { .trace.sample = 1000000, .trace.sample_callers = { .amount = 5, .period_ms = 3600000, .burst = 5 } };
    ck_assert_uint_eq(count_sampled(&config, true), REQUESTS);
    config.trace.sample = 0;
    ck_assert_uint_eq(count_sampled(&config, true), 5);
}
END_TEST

/* libcurl takes no text of more than eight million bytes. */
START_TEST(an_option_that_libcurl_refuses_is_named_in_the_log) {
    enum { TOO_LONG = 9000000 };
    if (curl_library_load() == NULL)
        SKIP_TEST("libcurl cannot be loaded");
    char *endpoint = malloc(TOO_LONG + 1), log[1024] = "";
    FILE *file = tmpfile();
    ck_assert(endpoint != NULL && file != NULL);
    memset(endpoint, 'a', TOO_LONG);
    endpoint[TOO_LONG] = '\0';
    int saved = dup(STDERR_FILENO);
    log_init(LOG_INFO, LOG_JSON);
    dup2(fileno(file), STDERR_FILENO);
    struct tracer *refused = tracer_start(endpoint);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ck_assert_ptr_null(refused);
    ck_assert_int_gt(pread(fileno(file), log, sizeof log - 1, 0), 0);
    ck_assert_msg(strstr(log, "\"event\":\"exporter_failed\",\"curl_option\":\"URL\",\"error\":") != NULL, "%s", log);
    fclose(file);
    free(endpoint);
}
END_TEST

Suite *tracer_suite(void) {
    Suite *suite = suite_create("tracer");
    TCase *tcase = tcase_create("tracer");
    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_loop_test(tcase, so_many_requests_are_traced_as_the_setting_says, 0, (int)ARRAY_LEN(samples));
    tcase_add_loop_test(tcase, what_callers_ask_for_is_traced_within_their_rate, 0, (int)ARRAY_LEN(callers));
    tcase_add_test(tcase, what_is_traced_by_chance_takes_nothing_from_the_callers_rate);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("exporter");
    tcase_add_test(tcase, an_option_that_libcurl_refuses_is_named_in_the_log);
    suite_add_tcase(suite, tcase);
    return suite;
}
