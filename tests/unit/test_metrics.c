#include "src/base/metric_table.h"

#include "src/http/connection.h"
#include "src/store/link.h"

#include "tests/runner.h"

#include "jwtd/config.h"
#include "jwtd/executor.h"
#include "jwtd/macros.h"
#include "jwtd/options.h"
#include "jwtd/routes.h"
#include "jwtd/status.h"
#include "jwtd/thread.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

Suite *metrics_suite(void);

#define ARENA_LIMIT ((size_t)64 * 1024 * 1024)
#define THREADS 4
#define RECORDINGS 10000

static struct arena arena;

static void set_up(void) {
    arena_init(&arena, ARENA_LIMIT);
    metrics_register_process();
}

static void tear_down(void) {
    metrics_unregister_process();
    arena_fini(&arena);
}

/* NUL-terminated. */
static const char *text_in(enum metrics_format format) {
    struct text text = metrics_write(&arena, format);
    ck_assert_ptr_nonnull(text.bytes);
    return arena_copy(&arena, text.bytes, text.len);
}

/* What stands in the text behind this name with its labels; NULL: there is no such line. */
static const char *find_sample(const char *text, const char *series) {
    size_t len = strlen(series);
    for (const char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n'), line += line != NULL)
        if (strncmp(line, series, len) == 0 && line[len] == ' ')
            return line + len + 1;
    return NULL;
}

static double value_of(const char *series) {
    const char *value = find_sample(text_in(METRICS_TEXT), series);
    ck_assert_msg(value != NULL, "%s is missing", series);
    return strtod(value, NULL);
}

/* ---- the table ---- */

START_TEST(each_row_is_complete) {
    const struct metric_row *row = &metric_rows[_i];
    ck_assert_ptr_nonnull(row->name);
    ck_assert_msg(strlen(row->help) > 0 && row->help[strlen(row->help) - 1] == '.', "%s: help", row->name);
    ck_assert_msg(strpbrk(row->help, "\\\"\n") == NULL, "%s: help has what would be escaped", row->name);
    if (row->unit != NULL) {
        size_t len = strlen(row->name), unit = strlen(row->unit);
        ck_assert_msg(len > unit && strcmp(row->name + len - unit, row->unit) == 0, "%s does not end with its unit", row->name);
    }
    for (int i = 0; i < METRIC_COUNT; i++)
        ck_assert_msg(i == _i || strcmp(metric_rows[i].name, row->name) != 0, "%s is there twice", row->name);
    for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
        ck_assert_int_eq(row->labels[i].name == NULL, row->labels[i].set == METRIC_SET_NONE);
        ck_assert_msg(row->labels[i].name == NULL || row->is_read == (row->labels[i].set == METRIC_SET_READ), "%s", row->name);
    }
    ck_assert_msg(!row->is_read || row->type != METRIC_HISTOGRAM, "%s: a histogram is recorded", row->name);
}
END_TEST

START_TEST(each_row_has_its_help_and_type_in_both_formats) {
    const struct metric_row *row = &metric_rows[_i];
    char head[128];
    const char *suffix = row->type == METRIC_COUNTER ? "_total" : row->type == METRIC_INFO ? "_info" : "";
    for (enum metrics_format format = METRICS_TEXT; format <= METRICS_OPENMETRICS; format++) {
        const char *text = text_in(format);
        snprintf(head, sizeof head, "# TYPE %s%s ", row->name, format == METRICS_TEXT ? suffix : "");
        const char *first = strstr(text, head);
        ck_assert_msg(first != NULL, "%s is missing", head);
        ck_assert_msg(strstr(first + 1, head) == NULL, "%s is there twice", head);
        snprintf(head, sizeof head, "# HELP %s%s ", row->name, format == METRICS_TEXT ? suffix : "");
        ck_assert_msg(strstr(text, head) != NULL, "%s is missing", head);
    }
}
END_TEST

START_TEST(sets_have_the_values_of_the_enums_that_index_them) {
    ck_assert_uint_eq(metric_set_size(METRIC_SET_CONNECTION_STATE), CONNECTION_STATES);
    ck_assert_str_eq(metric_value(METRIC_SET_CONNECTION_STATE, CONNECTION_ANSWER), "answer");
    ck_assert_uint_eq(metric_set_size(METRIC_SET_LINK_STATE), LINK_BUSY + 1);
    ck_assert_str_eq(metric_value(METRIC_SET_LINK_STATE, LINK_CONNECTING), "connecting");
    ck_assert_str_eq(metric_value(METRIC_SET_LOGIN, METRIC_LOGIN_CHANGE_REQUIRED), "change_required");
    ck_assert_str_eq(metric_value(METRIC_SET_REGISTRATION, METRIC_REGISTRATION_EMAIL_TAKEN), "email_taken");
    ck_assert_str_eq(metric_value(METRIC_SET_REFRESH, METRIC_REFRESH_TOO_SOON), "too_soon");
    ck_assert_str_eq(metric_value(METRIC_SET_DECISION, METRIC_DECISION_REFUSED), "refused");
    ck_assert_str_eq(metric_value(METRIC_SET_RELOAD, METRIC_RELOAD_FAILED), "failed");
    ck_assert_str_eq(metric_value(METRIC_SET_SPAN, METRIC_SPAN_FAILED), "failed");
}
END_TEST

START_TEST(limit_classes_have_the_names_of_their_rules) {
    static const struct config config = { .limit.enabled = true };
    struct limit_rule rules[LIMIT_CLASS_COUNT];
    limit_rules_from_config(&config, rules);
    ck_assert_uint_eq(metric_set_size(METRIC_SET_LIMIT_CLASS), LIMIT_CLASS_COUNT - LIMIT_REGISTER);
    for (enum limit_class class = LIMIT_REGISTER; class < LIMIT_CLASS_COUNT; class ++)
        ck_assert_str_eq(metric_value(METRIC_SET_LIMIT_CLASS, class - LIMIT_REGISTER), rules[class].name);
}
END_TEST

static void expect_value_of_status(unsigned http_status) {
    char expected[8];
    snprintf(expected, sizeof expected, "%u", http_status);
    ck_assert_str_eq(metric_value(METRIC_SET_STATUS, metric_index_of_status(http_status)), expected);
}

START_TEST(each_http_status_that_the_service_sends_has_a_value) {
    for (enum status status = STATUS_OK; status < STATUS_COUNT; status++)
        expect_value_of_status(status_info(status)->http);
    for (size_t i = 0; i < routes_count; i++)
        for (size_t j = 0; j < ROUTE_REPLIES_MAX && routes[i].replies[j].http_status != 0; j++)
            expect_value_of_status(routes[i].replies[j].http_status);
    ck_assert_str_eq(metric_value(METRIC_SET_STATUS, metric_index_of_status(0)), "none");
    ck_assert_str_eq(metric_value(METRIC_SET_STATUS, metric_index_of_status(299)), "none");
}
END_TEST

/* Else it would be counted as the last of the set. */
START_TEST(each_reason_to_answer_503_is_one_for_the_metric_or_none) {
    static const char *const none[] = { "refresh_too_soon" }; /* the service is not short of anything */
    for (enum status status = STATUS_OK; status < STATUS_COUNT; status++) {
        const struct status_info *info = status_info(status);
        if (info->http != 503 || strcmp(info->name, none[0]) == 0)
            continue;
        unsigned index = metric_index_of(METRIC_SET_SHED_REASON, info->name);
        ck_assert_str_eq(metric_value(METRIC_SET_SHED_REASON, index), info->name);
    }
}
END_TEST

START_TEST(each_executor_that_requests_wait_for_has_a_value) {
    for (enum executor executor = ON_HTTP + 1; executor < EXECUTOR_COUNT; executor++) {
        const char *name = executor_name(executor);
        ck_assert_str_eq(metric_value(METRIC_SET_EXECUTOR, metric_index_of(METRIC_SET_EXECUTOR, name)), name);
    }
}
END_TEST

START_TEST(statements_have_an_index_by_their_name) {
    static char names[METRIC_STATEMENTS_MAX + 10][16];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        unsigned index = metric_index_of_statement(names[i]);
        ck_assert_uint_lt(index, METRIC_STATEMENTS_MAX);
        ck_assert_uint_eq(metric_index_of_statement(names[i]), index);
        ck_assert_int_eq(metric_value(METRIC_SET_STATEMENT, index) == names[i], index < METRIC_STATEMENTS_MAX - 1);
    }
    ck_assert_str_eq(metric_value(METRIC_SET_STATEMENT, metric_index_of_statement(names[METRIC_STATEMENTS_MAX])), "other");
}
END_TEST

/* ---- recording ---- */

struct recorder {
    struct thread thread;
    atomic_bool *may_end;
    atomic_uint *done;
};

static void record(void *context) {
    struct recorder *recorder = context;
    for (int i = 0; i < RECORDINGS; i++) {
        metric_add(METRIC_LOGINS, METRIC_LOGIN_REFUSED, 2);
        metric_observe(METRIC_HASH_DURATION, 0, 1000000);
        metric_change(METRIC_HASHES_IN_FLIGHT, 0, 1);
    }
    atomic_fetch_add(recorder->done, 1);
    while (!atomic_load(recorder->may_end))
        sched_yield();
    metric_change(METRIC_HASHES_IN_FLIGHT, 0, -RECORDINGS);
}

START_TEST(what_threads_record_adds_up_while_they_run_and_when_they_have_ended) {
    atomic_bool may_end = false;
    atomic_uint done = 0;
    struct recorder recorders[THREADS];
    double logins = value_of("jwtd_logins_total{outcome=\"refused\"}"), hashes = value_of("jwtd_hash_duration_seconds_count");
    double seconds = value_of("jwtd_hash_duration_seconds_sum");
    for (size_t i = 0; i < THREADS; i++) {
        recorders[i] = (struct recorder){ .may_end = &may_end, .done = &done };
        ck_assert_int_eq(thread_start(&recorders[i].thread, "recorder", record, &recorders[i]), STATUS_OK);
    }
    while (atomic_load(&done) < THREADS)
        sched_yield();
    for (int has_ended = 0; has_ended <= 1; has_ended++) {
        ck_assert_double_eq(value_of("jwtd_logins_total{outcome=\"refused\"}") - logins, 2.0 * THREADS * RECORDINGS);
        ck_assert_double_eq(value_of("jwtd_hash_duration_seconds_count") - hashes, 1.0 * THREADS * RECORDINGS);
        ck_assert_double_eq_tol(value_of("jwtd_hash_duration_seconds_sum") - seconds, 0.001 * THREADS * RECORDINGS, 1e-6);
        ck_assert_double_eq(value_of("jwtd_hashes_in_flight"), has_ended ? 0 : THREADS * RECORDINGS);
        atomic_store(&may_end, true);
        for (size_t i = 0; !has_ended && i < THREADS; i++)
            thread_join(&recorders[i].thread);
    }
}
END_TEST

static pthread_key_t late_key;

static void record_again(void *unused) {
    (void)unused;
    metric_add(METRIC_LOGINS, METRIC_LOGIN_OK, 1);
}

static void record_until_the_end(void *late_value) {
    metric_add(METRIC_LOGINS, METRIC_LOGIN_OK, 1);
    ck_assert_int_eq(pthread_setspecific(late_key, late_value), 0);
}

/* Destructors are called in the order of their keys: this one behind that of the thread's cells. */
START_TEST(what_a_thread_records_when_its_cells_have_been_added_counts_too) {
    struct thread thread;
    double before = value_of("jwtd_logins_total{outcome=\"ok\"}");
    metric_add(METRIC_LOGINS, METRIC_LOGIN_OK, 1); /* makes the key of the cells */
    ck_assert_int_eq(pthread_key_create(&late_key, record_again), 0);
    ck_assert_int_eq(thread_start(&thread, "recorder", record_until_the_end, &before), STATUS_OK);
    thread_join(&thread);
    ck_assert_double_eq(value_of("jwtd_logins_total{outcome=\"ok\"}"), before + 3);
}
END_TEST

#define SHARED_RECORDINGS 3000000

static pthread_barrier_t without_memory;

static void record_without_memory(void *context) {
    (void)context;
    pthread_barrier_wait(&without_memory);
    for (int i = 0; i < SHARED_RECORDINGS; i++)
        metric_add(METRIC_LOGINS, METRIC_LOGIN_LOCKED, 1);
    pthread_barrier_wait(&without_memory);
}

START_TEST(threads_without_memory_for_cells_of_their_own_lose_nothing) {
    if (test_is_sanitized() || test_is_emulated())
        SKIP_TEST("a sanitizer and an emulator map memory themselves");
    struct thread threads[THREADS];
    struct rlimit limit, none;
    double before = value_of("jwtd_logins_total{outcome=\"locked\"}");
    ck_assert_int_eq(pthread_barrier_init(&without_memory, NULL, THREADS + 1), 0);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(thread_start(&threads[i], "recorder", record_without_memory, NULL), STATUS_OK);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
    none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
    pthread_barrier_wait(&without_memory);
    pthread_barrier_wait(&without_memory);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    for (size_t i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    pthread_barrier_destroy(&without_memory);
    ck_assert_double_eq(value_of("jwtd_logins_total{outcome=\"locked\"}") - before, 1.0 * THREADS * SHARED_RECORDINGS);
}
END_TEST

START_TEST(a_time_is_in_the_bucket_that_it_does_not_exceed) {
    static const struct {
        int64_t ns;
        const char *first; /* the bucket that it is in, and all that follow */
        const char *below; /* NULL: none */
    } cases[] = {
        { 0, "0.0001", NULL },           { -5, "0.0001", NULL },        { 100000, "0.0001", NULL },
        { 100001, "0.00025", "0.0001" }, { 250000000, "0.25", "0.1" },  { 250000001, "0.5", "0.25" },
        { 5000000000, "5.0", "2.5" },    { 5000000001, "+Inf", "5.0" }, { INT64_MAX / 2, "+Inf", "5.0" },
    };
    char first[64], below[64];
    snprintf(first, sizeof first, "jwtd_hash_duration_seconds_bucket{le=\"%s\"}", cases[_i].first);
    snprintf(below, sizeof below, "jwtd_hash_duration_seconds_bucket{le=\"%s\"}", cases[_i].below);
    double first_before = value_of(first), below_before = cases[_i].below != NULL ? value_of(below) : 0;
    double all_before = value_of("jwtd_hash_duration_seconds_bucket{le=\"+Inf\"}");
    double sum_before = value_of("jwtd_hash_duration_seconds_sum");
    metric_observe(METRIC_HASH_DURATION, 0, cases[_i].ns);
    ck_assert_double_eq(value_of(first), first_before + 1);
    ck_assert_double_eq(cases[_i].below != NULL ? value_of(below) : 0, below_before);
    ck_assert_double_eq(value_of("jwtd_hash_duration_seconds_bucket{le=\"+Inf\"}"), all_before + 1);
    ck_assert_double_eq(value_of("jwtd_hash_duration_seconds_count"), all_before + 1);
    ck_assert_double_ge(value_of("jwtd_hash_duration_seconds_sum"), sum_before);
    ck_assert_double_le(value_of("jwtd_hash_duration_seconds_sum"), sum_before + 1e-9 * (double)llabs(cases[_i].ns) + 1e-3);
}
END_TEST

START_TEST(two_labels_are_one_index) {
    double before = value_of("jwtd_limiter_decisions_total{class=\"login\",decision=\"refused\"}");
    metric_add(METRIC_LIMITER_DECISIONS, metric_pair(METRIC_LIMITER_DECISIONS, 1, METRIC_DECISION_REFUSED), 3);
    ck_assert_double_eq(value_of("jwtd_limiter_decisions_total{class=\"login\",decision=\"refused\"}"), before + 3);
}
END_TEST

static void *increase(void *unused) {
    (void)unused;
    metric_move(METRIC_DATABASE_CONNECTIONS, LINK_CLOSED, LINK_IDLE);
    return NULL;
}

START_TEST(what_one_thread_has_raised_another_one_lowers) {
    pthread_t thread;
    double idle = value_of("jwtd_database_connections{state=\"idle\"}");
    ck_assert_int_eq(pthread_create(&thread, NULL, increase, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_double_eq(value_of("jwtd_database_connections{state=\"idle\"}"), idle + 1);
    metric_move(METRIC_DATABASE_CONNECTIONS, LINK_IDLE, LINK_CLOSED);
    ck_assert_double_eq(value_of("jwtd_database_connections{state=\"idle\"}"), idle);
}
END_TEST

/* ---- the text ---- */

START_TEST(series_of_routes_appear_with_their_first_request_only) {
    static const char *const names[] = { "GET /a", "POST /b" };
    metric_give_routes(names, ARRAY_LEN(names));
    const char *text = text_in(METRICS_TEXT);
    ck_assert_ptr_null(strstr(text, "route=\"POST /b\""));
    metric_add(METRIC_HTTP_REQUESTS, metric_pair(METRIC_HTTP_REQUESTS, METRIC_ROUTE_FIRST + 1, metric_index_of_status(503)), 1);
    metric_observe(METRIC_HTTP_REQUEST_DURATION, METRIC_ROUTE_FIRST + 1, 1);
    ck_assert_double_eq(value_of("jwtd_http_requests_total{route=\"POST /b\",status=\"503\"}"), 1);
    ck_assert_double_eq(value_of("jwtd_http_request_duration_seconds_count{route=\"POST /b\"}"), 1);
    ck_assert_ptr_null(strstr(text_in(METRICS_TEXT), "route=\"GET /a\""));
}
END_TEST

static void read_hostile_key(struct metric_samples *samples, void *context) {
    metric_sample(samples, 1, (const char *const[]){ context, "HS256", "active" });
}

START_TEST(label_values_are_escaped) {
    char hostile[] = "a\"b\\c\nd";
    metric_register(METRIC_KEY, read_hostile_key, hostile);
    ck_assert_double_eq(value_of("jwtd_key_info{kid=\"a\\\"b\\\\c\\nd\",alg=\"HS256\",state=\"active\"}"), 1);
    metric_unregister(METRIC_KEY);
    ck_assert_ptr_null(strstr(text_in(METRICS_TEXT), "jwtd_key_info{"));
}
END_TEST

static bool ends_with(const char *text, const char *end) {
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

START_TEST(formats_differ_in_what_describes_a_series_but_not_in_its_name) {
    const char *text = text_in(METRICS_TEXT), *open = text_in(METRICS_OPENMETRICS);
    ck_assert(ends_with(open, "\n# EOF\n"));
    ck_assert(ends_with(text, "\n") && strstr(text, "# EOF") == NULL && strstr(text, "# UNIT") == NULL);
    ck_assert_ptr_nonnull(strstr(text, "# TYPE jwtd_logins_total counter\n"));
    ck_assert_ptr_nonnull(strstr(open, "# TYPE jwtd_logins counter\n"));
    ck_assert_ptr_nonnull(strstr(text, "# TYPE jwtd_build_info gauge\n"));
    ck_assert_ptr_nonnull(strstr(open, "# TYPE jwtd_build info\n"));
    ck_assert_ptr_nonnull(strstr(open, "# UNIT jwtd_hash_duration_seconds seconds\n"));
    static const char *const series[] = { "jwtd_logins_total{outcome=\"ok\"}", "jwtd_hash_duration_seconds_bucket{le=\"1.0\"}",
                                          "process_cpu_seconds_total" };
    for (size_t i = 0; i < ARRAY_LEN(series); i++) {
        ck_assert_ptr_nonnull(find_sample(text, series[i]));
        ck_assert_ptr_nonnull(find_sample(open, series[i]));
    }
}
END_TEST

START_TEST(the_process_describes_itself) {
    ck_assert_double_gt(value_of("process_start_time_seconds"), 1.7e9);
    ck_assert_double_eq(value_of("process_start_time_seconds"), value_of("process_start_time_seconds"));
    if (test_is_emulated()) {
        test_leaves_out(__func__, "threads and memory: qemu writes /proc/self/stat without them");
    } else {
        ck_assert_double_ge(value_of("process_threads"), 1);
        ck_assert_double_gt(value_of("process_resident_memory_bytes"), 1e6);
        ck_assert_double_gt(value_of("process_virtual_memory_bytes"), value_of("process_resident_memory_bytes"));
    }
    ck_assert_double_gt(value_of("process_max_fds"), value_of("process_open_fds"));
    double before = value_of("process_open_fds");
    FILE *file = fopen("/proc/self/stat", "re");
    ck_assert_double_eq(value_of("process_open_fds"), before + 1);
    (void)fclose(file);
}
END_TEST

START_TEST(without_memory_there_is_no_text) {
    struct arena small;
    arena_init(&small, 90000);
    ck_assert_ptr_null(metrics_write(&small, METRICS_TEXT).bytes);
    arena_fini(&small);
}
END_TEST

#define OPENMETRICS "application/openmetrics-text"

static const struct {
    const char *accept; /* NULL: no such header */
    enum metrics_format expected;
} accepts[] = {
    /* what Prometheus 2.42, 2.55 and 3.0 send */
    { OPENMETRICS ";version=1.0.0," OPENMETRICS ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      METRICS_OPENMETRICS },
    { OPENMETRICS ";version=1.0.0;q=0.5," OPENMETRICS ";version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
      METRICS_OPENMETRICS },
    { OPENMETRICS ";version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4,*/*;q=0.1", METRICS_OPENMETRICS },
    { NULL, METRICS_TEXT },
    { "", METRICS_TEXT },
    { "*/*", METRICS_TEXT },
    { "text/html,application/xhtml+xml,*/*;q=0.8", METRICS_TEXT },
    { "text/plain", METRICS_TEXT },
    { OPENMETRICS, METRICS_OPENMETRICS },
    { "Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=1.000", METRICS_OPENMETRICS },
    { "text/plain;q=0.4, " OPENMETRICS ";q=0.3", METRICS_TEXT },
    { "text/plain;q=0.3, " OPENMETRICS ";q=0.4", METRICS_OPENMETRICS },
    /* what it is not */
    { OPENMETRICS ";version=0.0.1", METRICS_TEXT },
    { OPENMETRICS ";version=2.0.0", METRICS_TEXT },
    { OPENMETRICS ";q=0", METRICS_TEXT },
    { OPENMETRICS ";q=1.1", METRICS_TEXT },
    { OPENMETRICS ";q=-1", METRICS_TEXT },
    { OPENMETRICS ";q=", METRICS_TEXT },
    { OPENMETRICS ";q=0.0000001", METRICS_TEXT },
    { OPENMETRICS "-2", METRICS_TEXT },
    { "application/json", METRICS_TEXT },
    { ";;;,,,==,\"", METRICS_TEXT },
};

START_TEST(the_format_follows_accept_and_nothing_is_refused) {
    ck_assert_int_eq(metrics_choose_format(text_of(accepts[_i].accept)), accepts[_i].expected);
}
END_TEST

Suite *metrics_suite(void) {
    Suite *suite = suite_create("metrics");
    TCase *tcase = tcase_create("metrics");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, each_row_is_complete, 0, METRIC_COUNT);
    tcase_add_loop_test(tcase, each_row_has_its_help_and_type_in_both_formats, 0, METRIC_COUNT);
    tcase_add_test(tcase, sets_have_the_values_of_the_enums_that_index_them);
    tcase_add_test(tcase, limit_classes_have_the_names_of_their_rules);
    tcase_add_test(tcase, each_http_status_that_the_service_sends_has_a_value);
    tcase_add_test(tcase, each_reason_to_answer_503_is_one_for_the_metric_or_none);
    tcase_add_test(tcase, each_executor_that_requests_wait_for_has_a_value);
    tcase_add_test(tcase, statements_have_an_index_by_their_name);
    tcase_add_test(tcase, what_threads_record_adds_up_while_they_run_and_when_they_have_ended);
    tcase_add_test(tcase, threads_without_memory_for_cells_of_their_own_lose_nothing);
    tcase_add_loop_test(tcase, a_time_is_in_the_bucket_that_it_does_not_exceed, 0, 9);
    tcase_add_test(tcase, what_a_thread_records_when_its_cells_have_been_added_counts_too);
    tcase_add_test(tcase, two_labels_are_one_index);
    tcase_add_test(tcase, what_one_thread_has_raised_another_one_lowers);
    tcase_add_test(tcase, series_of_routes_appear_with_their_first_request_only);
    tcase_add_test(tcase, label_values_are_escaped);
    tcase_add_test(tcase, formats_differ_in_what_describes_a_series_but_not_in_its_name);
    tcase_add_test(tcase, the_process_describes_itself);
    tcase_add_test(tcase, without_memory_there_is_no_text);
    tcase_add_loop_test(tcase, the_format_follows_accept_and_nothing_is_refused, 0, ARRAY_LEN(accepts));
    suite_add_tcase(suite, tcase);
    return suite;
}
