#include "jwtd/admission.h"
#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/overload_episode.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Suite *admission_queue_suite(void);

/* Of one job: so long that no delay of a test matters beside it. */
#define SERVICE_US (60 * CLOCK_US_PER_S)
#define FAR_US (1000 * SERVICE_US)
#define PLENTY 1000

/* ---- what the owner of a queue does ---- */

static struct admission *create(unsigned servers, unsigned queue_limit) {
    struct admission *admission =
        admission_create(&(struct admission_options){ .name = "test", .servers = servers, .queue_limit = queue_limit });
    ck_assert_ptr_nonnull(admission);
    return admission;
}

static struct admission_load load_of(struct admission *admission) {
    struct admission_load load;
    admission_read_load(admission, &load);
    return load;
}

static bool reserve(struct admission *admission, int64_t due_in_us) {
    int64_t retry_after_us;
    enum status status = admission_reserve(admission, clock_monotonic_us() + due_in_us, &retry_after_us);
    ck_assert(status == STATUS_OK ? retry_after_us == 0 : status == STATUS_OVERLOADED && retry_after_us > 0);
    return status == STATUS_OK;
}

static bool would_admit(struct admission *admission, int64_t due_in_us) {
    int64_t retry_after_us;
    enum status status = admission_would_admit(admission, clock_monotonic_us() + due_in_us, &retry_after_us);
    ck_assert(status == STATUS_OK ? retry_after_us == 0 : status == STATUS_OVERLOADED && retry_after_us > 0);
    return status == STATUS_OK;
}

static void reserve_many(struct admission *admission, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        ck_assert(reserve(admission, FAR_US));
}

static void queue(struct admission *admission, unsigned count) {
    pthread_mutex_lock(admission_lock(admission));
    for (unsigned i = 0; i < count; i++)
        admission_queue(admission);
    pthread_mutex_unlock(admission_lock(admission));
}

static void begin(struct admission *admission, unsigned count) {
    pthread_mutex_lock(admission_lock(admission));
    admission_begin(admission, count);
    pthread_mutex_unlock(admission_lock(admission));
}

static void end(struct admission *admission, unsigned count, int64_t service_us) {
    pthread_mutex_lock(admission_lock(admission));
    admission_end(admission, count, service_us);
    pthread_mutex_unlock(admission_lock(admission));
}

static void end_late(struct admission *admission) {
    pthread_mutex_lock(admission_lock(admission));
    admission_end_late(admission);
    pthread_mutex_unlock(admission_lock(admission));
}

static void end_unmeasured(struct admission *admission, unsigned count) {
    pthread_mutex_lock(admission_lock(admission));
    admission_end_unmeasured(admission, count);
    pthread_mutex_unlock(admission_lock(admission));
}

static void set_servers(struct admission *admission, unsigned servers) {
    pthread_mutex_lock(admission_lock(admission));
    admission_set_servers(admission, servers);
    pthread_mutex_unlock(admission_lock(admission));
}

static int64_t report(struct admission *admission, int64_t now_us) {
    pthread_mutex_lock(admission_lock(admission));
    int64_t again_us = admission_report(admission, now_us);
    pthread_mutex_unlock(admission_lock(admission));
    return again_us;
}

static void reserve_and_begin(struct admission *admission, unsigned count) {
    reserve_many(admission, count);
    queue(admission, count);
    begin(admission, count);
}

/* So many jobs from the reservation to the end, each measured. */
static void serve(struct admission *admission, unsigned count, int64_t service_us) {
    reserve_and_begin(admission, count);
    end(admission, count, service_us);
}

/* No job may be queued or running at the end. */
static void finish(struct admission *admission) {
    struct admission_load load = load_of(admission);
    begin(admission, load.queued);
    end(admission, load.queued + load.running, 0);
    admission_destroy(admission);
}

/* ---- the places ---- */

START_TEST(a_place_is_taken_from_the_reservation_until_the_job_begins) {
    struct admission *admission = create(1, 2);
    reserve_many(admission, 1);
    queue(admission, 1);
    reserve_many(admission, 1);
    ck_assert(!reserve(admission, FAR_US)); /* one queued, one reserved */
    admission_cancel(admission);
    reserve_many(admission, 1);
    ck_assert(!reserve(admission, FAR_US));
    begin(admission, 1);
    reserve_many(admission, 1);
    ck_assert(!reserve(admission, FAR_US));
    end(admission, 1, 1);
    ck_assert(!reserve(admission, FAR_US)); /* ending frees none: it had none */
    admission_destroy(admission);
}
END_TEST

START_TEST(asking_takes_no_place_and_answers_as_a_reservation_would) {
    struct admission *admission = create(1, 1);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(would_admit(admission, FAR_US));
    reserve_many(admission, 1);
    ck_assert(!would_admit(admission, FAR_US));
    admission_cancel(admission);
    ck_assert(would_admit(admission, FAR_US));
    admission_destroy(admission);
}
END_TEST

START_TEST(what_goes_on_with_an_admitted_job_is_not_refused_and_takes_a_place) {
    struct admission *admission = create(1, 2);
    serve(admission, 1, SERVICE_US);
    reserve_many(admission, 2);
    admission_reserve_next(admission); /* beyond the limit */
    ck_assert_int_eq(load_of(admission).wait_us, 3 * SERVICE_US);
    admission_cancel(admission);
    ck_assert(!reserve(admission, FAR_US));
    admission_cancel(admission);
    admission_reserve_next(admission);
    ck_assert(!would_admit(admission, FAR_US));
    queue(admission, 2); /* as any other */
    begin(admission, 1);
    ck_assert(would_admit(admission, FAR_US));
    finish(admission);
}
END_TEST

START_TEST(every_job_is_counted_where_it_is) {
    struct admission *admission = create(2, 10);
    reserve_many(admission, 7);
    queue(admission, 6);
    begin(admission, 4);
    struct admission_load load = load_of(admission);
    ck_assert_uint_eq(load.queued, 2);
    ck_assert_uint_eq(load.running, 4); /* a server may run several */
    ck_assert_uint_eq(load.servers, 2);
    ck_assert_uint_eq(load.completed + load.late + load.refused, 0);
    ck_assert_int_eq(load.service_us, 0);
    end(admission, 3, 500);
    end_late(admission);
    reserve_many(admission, 7);
    ck_assert(!reserve(admission, FAR_US));
    ck_assert(!would_admit(admission, FAR_US));
    load = load_of(admission);
    ck_assert_uint_eq(load.queued, 2);
    ck_assert_uint_eq(load.running, 0);
    ck_assert_uint_eq(load.completed, 3);
    ck_assert_uint_eq(load.late, 1);
    ck_assert_uint_eq(load.refused, 2);
    pthread_mutex_lock(admission_lock(admission));
    ck_assert_uint_eq(admission_queued(admission), 2);
    pthread_mutex_unlock(admission_lock(admission));
    finish(admission);
}
END_TEST

/* ---- the predicted wait ---- */

/* Jobs of a minute each; the wait in seconds. */
static const struct {
    unsigned servers, reserved, queued, running;
    int64_t wait_s;
} waits[] = {
    { 1, 0, 0, 0, 0 },   { 1, 0, 0, 1, 60 },  /* the one that runs */
    { 1, 1, 0, 0, 60 },                       /* wherever a job is, it is ahead of the next */
    { 1, 0, 1, 0, 60 },  { 1, 1, 3, 1, 300 }, /* all of them, one after the other */
    { 4, 0, 0, 3, 0 },                        /* the fourth is free */
    { 4, 0, 0, 4, 15 },                       /* the first of four to become free */
    { 4, 3, 4, 4, 120 },                      /* eight must end, by four servers */
    { 2, 0, 0, 9, 240 },                      /* more run than there are servers: several on each */
};

static struct admission *create_with_wait(int row) {
    struct admission *admission = create(waits[row].servers, PLENTY);
    serve(admission, 1, SERVICE_US);
    reserve_many(admission, waits[row].reserved + waits[row].queued + waits[row].running);
    queue(admission, waits[row].queued + waits[row].running);
    begin(admission, waits[row].running);
    return admission;
}

START_TEST(the_wait_is_that_for_the_first_free_server) {
    struct admission *admission = create_with_wait(_i);
    ck_assert_int_eq(load_of(admission).wait_us, waits[_i].wait_s * CLOCK_US_PER_S);
    finish(admission);
}
END_TEST

START_TEST(the_wait_must_leave_a_quarter_of_itself_to_the_deadline) {
    struct admission *admission = create_with_wait(_i);
    int64_t needed_us = waits[_i].wait_s * CLOCK_US_PER_S * 5 / 4;
    bool is_free = needed_us == 0; /* then a job is never refused, even one that will be late */
    ck_assert_int_eq(would_admit(admission, needed_us - CLOCK_US_PER_S), is_free);
    ck_assert_int_eq(reserve(admission, needed_us - CLOCK_US_PER_S), is_free);
    if (is_free)
        admission_cancel(admission);
    ck_assert(would_admit(admission, needed_us + CLOCK_US_PER_S));
    ck_assert(reserve(admission, needed_us + CLOCK_US_PER_S));
    finish(admission);
}
END_TEST

START_TEST(nothing_is_predicted_until_a_job_was_measured) {
    struct admission *admission = create(1, PLENTY);
    reserve_and_begin(admission, 10);
    ck_assert(reserve(admission, 0));
    end_late(admission); /* measures nothing */
    ck_assert_int_eq(load_of(admission).wait_us, 0);
    end(admission, 1, SERVICE_US);
    ck_assert_int_eq(load_of(admission).wait_us, 9 * SERVICE_US);
    ck_assert(!reserve(admission, 0));
    finish(admission);
}
END_TEST

START_TEST(a_change_of_the_servers_counts_at_once) {
    struct admission *admission = create(4, PLENTY);
    serve(admission, 1, SERVICE_US);
    reserve_and_begin(admission, 4);
    ck_assert(would_admit(admission, SERVICE_US / 2));
    set_servers(admission, 1);
    ck_assert_uint_eq(load_of(admission).servers, 1);
    ck_assert_int_eq(load_of(admission).wait_us, 4 * SERVICE_US);
    ck_assert(!would_admit(admission, SERVICE_US / 2));
    set_servers(admission, 5);
    ck_assert_int_eq(load_of(admission).wait_us, 0);
    finish(admission);
}
END_TEST

/* ---- the mean ---- */

START_TEST(the_first_job_is_the_mean_and_each_other_moves_it_by_an_eighth) {
    struct admission *admission = create(1, PLENTY);
    serve(admission, 1, 8000);
    ck_assert_int_eq(load_of(admission).service_us, 8000);
    serve(admission, 1, 16000);
    ck_assert_int_eq(load_of(admission).service_us, 9000);
    serve(admission, 1, 1000);
    ck_assert_int_eq(load_of(admission).service_us, 8000);
    admission_destroy(admission);
}
END_TEST

START_TEST(jobs_that_end_together_count_as_that_many) {
    struct admission *together = create(1, PLENTY), *single = create(1, PLENTY);
    serve(together, 3, 8000);
    ck_assert_int_eq(load_of(together).service_us, 8000);
    serve(single, 1, 8000);
    serve(together, 5, 1000);
    for (unsigned i = 0; i < 5; i++)
        serve(single, 1, 1000);
    ck_assert_int_eq(load_of(together).service_us, load_of(single).service_us);
    ck_assert_uint_eq(load_of(together).completed, 8);
    admission_destroy(together);
    admission_destroy(single);
}
END_TEST

START_TEST(late_jobs_do_not_lower_the_mean) {
    struct admission *admission = create(1, PLENTY);
    serve(admission, 1, SERVICE_US);
    reserve_and_begin(admission, 5);
    for (unsigned i = 0; i < 5; i++)
        end_late(admission);
    ck_assert_int_eq(load_of(admission).service_us, SERVICE_US);
    admission_destroy(admission);
}
END_TEST

START_TEST(jobs_that_end_unmeasured_leave_the_mean_and_are_neither_completed_nor_late) {
    struct admission *admission = create(1, PLENTY);
    serve(admission, 1, SERVICE_US);
    reserve_and_begin(admission, 5);
    end_unmeasured(admission, 4);
    struct admission_load load = load_of(admission);
    ck_assert_int_eq(load.service_us, SERVICE_US);
    ck_assert_int_eq(load.wait_us, SERVICE_US); /* one is left */
    ck_assert_uint_eq(load.running, 1);
    ck_assert_uint_eq(load.completed, 1);
    ck_assert_uint_eq(load.late, 0);
    ck_assert(!would_admit(admission, 0));
    end_unmeasured(admission, 1);
    ck_assert(would_admit(admission, 0));
    admission_destroy(admission);
}
END_TEST

START_TEST(a_mean_that_is_too_high_is_corrected_by_the_jobs_of_a_free_server) {
    struct admission *admission = create(1, PLENTY);
    serve(admission, 1, SERVICE_US);
    for (unsigned i = 0; i < 30; i++) {
        ck_assert(reserve(admission, 1000)); /* sooner than the mean by far */
        queue(admission, 1);
        begin(admission, 1);
        end(admission, 1, 1000);
    }
    ck_assert_int_lt(load_of(admission).service_us, SERVICE_US / 50);
    admission_destroy(admission);
}
END_TEST

/* ---- the retries ---- */

/* A full queue of so many reservations. */
static struct admission *create_full(unsigned servers, unsigned queue_limit, int64_t service_us) {
    struct admission *admission = create(servers, queue_limit);
    if (service_us > 0)
        serve(admission, 1, service_us);
    reserve_many(admission, queue_limit);
    return admission;
}

static int64_t refused_until(struct admission *admission) {
    int64_t retry_after_us;
    ck_assert_int_eq(admission_reserve(admission, INT64_MAX, &retry_after_us), STATUS_OVERLOADED);
    return retry_after_us;
}

START_TEST(retries_begin_when_half_of_the_backlog_will_have_been_served) {
    struct admission *admission = create_full(2, 20, SERVICE_US);
    ck_assert_int_eq(refused_until(admission), 20 / 2 * SERVICE_US / 2 + SERVICE_US / 2);
    admission_destroy(admission);
}
END_TEST

START_TEST(each_retry_is_one_turn_after_the_one_before) {
    struct admission *admission = create_full(2, 20, 400000);
    int64_t before_us = clock_monotonic_us();
    int64_t first_us = refused_until(admission);
    int64_t after_us = clock_monotonic_us();
    for (int i = 1; i < 40; i++) { /* its moment is not known, but lies between two readings of the clock */
        int64_t early_us = clock_monotonic_us();
        int64_t retry_after_us = refused_until(admission);
        int64_t late_us = clock_monotonic_us();
        int64_t turns_us = i * INT64_C(200000);
        ck_assert_int_le(early_us + retry_after_us, after_us + first_us + turns_us);
        ck_assert_int_ge(late_us + retry_after_us, before_us + first_us + turns_us);
    }
    admission_destroy(admission);
}
END_TEST

/* 100 ms a job: 20 turns a second by two servers, 200 in ten seconds. */
START_TEST(retries_of_refused_jobs_are_spread_over_ten_seconds_and_then_share_them) {
    enum { CROWD = 350, QUEUE = 20, SERVERS = 2 };
    struct admission *admission = create_full(SERVERS, QUEUE, 100000);
    unsigned in_second[16] = { 0 };
    for (unsigned i = 0; i < CROWD; i++) {
        int64_t retry_after_us = refused_until(admission);
        ck_assert_int_ge(retry_after_us, QUEUE * 100000 / SERVERS / 2);
        ck_assert_int_le(retry_after_us, 11 * CLOCK_US_PER_S);
        in_second[retry_after_us / CLOCK_US_PER_S]++;
    }
    for (unsigned i = 1; i < 10; i++)
        ck_assert_msg(in_second[i] >= 10 && in_second[i] <= 2 * 21, "%u in second %u", in_second[i], i);
    admission_destroy(admission);
}
END_TEST

START_TEST(before_a_job_was_measured_a_retry_is_a_second_ahead) {
    struct admission *admission = create_full(1, 2, 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(refused_until(admission), CLOCK_US_PER_S);
    admission_destroy(admission);
}
END_TEST

/* ---- the log of an episode of overload ---- */

struct log_file {
    FILE *file;
    int saved;
};

static struct log_file divert_log(void) {
    struct log_file log = { tmpfile(), dup(STDERR_FILENO) };
    ck_assert_ptr_nonnull(log.file);
    dup2(fileno(log.file), STDERR_FILENO);
    return log;
}

/* Whether the log has so many lines, of which the last contains the text. */
static bool log_has(const struct log_file *log, unsigned lines, const char *text) {
    char line[512];
    unsigned count = 0;
    bool found = false;
    rewind(log->file);
    for (; fgets(line, sizeof line, log->file) != NULL; count++)
        found = strstr(line, text) != NULL;
    fseek(log->file, 0, SEEK_END);
    return count == lines && (count == 0 || found);
}

static void restore_log(struct log_file *log) {
    dup2(log->saved, STDERR_FILENO);
    close(log->saved);
    fclose(log->file);
}

START_TEST(an_episode_of_refusals_is_logged_when_it_begins_and_when_it_is_over) {
    struct admission *admission = create_full(1, 1, 0);
    struct log_file log = divert_log();
    ck_assert_int_eq(report(admission, clock_monotonic_us()), INT64_MAX);
    bool none = log_has(&log, 0, "");
    int64_t begin_us = clock_monotonic_us();
    ck_assert(!reserve(admission, FAR_US));
    bool started = log_has(&log, 1, "shedding_started"); /* without a report */
    ck_assert(!would_admit(admission, FAR_US));
    ck_assert(!reserve(admission, FAR_US));
    int64_t end_us = clock_monotonic_us();
    int64_t again_us = report(admission, end_us);
    ck_assert_int_ge(again_us, begin_us + QUIET_PERIOD_US);
    ck_assert_int_le(again_us, end_us + QUIET_PERIOD_US);
    ck_assert_int_eq(report(admission, again_us - 1), again_us);
    bool once = log_has(&log, 1, "shedding_started");
    ck_assert_int_eq(report(admission, again_us), INT64_MAX);
    bool stopped = log_has(&log, 2, "shedding_stopped");
    ck_assert_int_eq(report(admission, again_us + 1), INT64_MAX);
    bool counted = log_has(&log, 2, "\"pool\":\"test\",\"refused\":3,\"dropped\":0,");
    restore_log(&log);
    ck_assert_msg(none && started && once && stopped && counted, "%d %d %d %d %d", none, started, once, stopped, counted);
    admission_destroy(admission);
}
END_TEST

START_TEST(an_episode_of_late_jobs_is_logged_by_the_next_report) {
    struct admission *admission = create(1, 10);
    struct log_file log = divert_log();
    reserve_and_begin(admission, 2);
    end_late(admission);
    end_late(admission);
    bool not_yet = log_has(&log, 0, "");
    int64_t again_us = report(admission, clock_monotonic_us());
    ck_assert_int_lt(again_us, INT64_MAX);
    bool started = log_has(&log, 1, "shedding_started");
    ck_assert_int_eq(report(admission, again_us), INT64_MAX);
    bool stopped = log_has(&log, 2, "\"refused\":0,\"dropped\":2,");
    reserve_and_begin(admission, 1);
    end_late(admission);                                                                    /* another episode */
    ck_assert_int_eq(report(admission, clock_monotonic_us() + QUIET_PERIOD_US), INT64_MAX); /* begun and over */
    bool anew = log_has(&log, 4, "\"refused\":0,\"dropped\":1,");
    restore_log(&log);
    ck_assert_msg(not_yet && started && stopped && anew, "%d %d %d %d", not_yet, started, stopped, anew);
    admission_destroy(admission);
}
END_TEST

/* ---- threads ---- */

#define THREADS 4
#define JOBS_EACH 20000
#define QUEUE_LIMIT 5

struct submitter {
    struct admission *admission;
    pthread_t thread;
    unsigned submitted, most_queued;
};

/* Some are cancelled, some queued; each thread serves, too, a few at once. */
static void *submit_and_serve(void *argument) {
    struct submitter *submitter = argument;
    struct admission *admission = submitter->admission;
    int64_t retry_after_us;
    for (unsigned i = 0; i < JOBS_EACH; i++) {
        if (admission_would_admit(admission, INT64_MAX, &retry_after_us) != STATUS_OK ||
            admission_reserve(admission, INT64_MAX, &retry_after_us) != STATUS_OK)
            continue;
        if (i % 3 == 0) {
            admission_cancel(admission);
            continue;
        }
        submitter->submitted++;
        pthread_mutex_lock(admission_lock(admission));
        admission_queue(admission);
        unsigned queued = i % 2 == 0 ? admission_queued(admission) : 0;
        if (admission_queued(admission) > submitter->most_queued)
            submitter->most_queued = admission_queued(admission);
        admission_begin(admission, queued);
        pthread_mutex_unlock(admission_lock(admission));
        end(admission, queued, 1);
    }
    return NULL;
}

START_TEST(places_reserved_by_many_threads_are_bounded_and_all_come_back) {
    struct admission *admission = create(2, QUEUE_LIMIT);
    struct submitter submitters[THREADS];
    unsigned submitted = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        submitters[i] = (struct submitter){ .admission = admission };
        ck_assert_int_eq(pthread_create(&submitters[i].thread, NULL, submit_and_serve, &submitters[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(submitters[i].thread, NULL);
        ck_assert_uint_le(submitters[i].most_queued, QUEUE_LIMIT);
        submitted += submitters[i].submitted;
    }
    struct admission_load load = load_of(admission);
    ck_assert_uint_eq(load.running, 0);
    ck_assert_uint_eq(load.completed + load.queued, submitted);
    reserve_many(admission, QUEUE_LIMIT - load.queued);
    ck_assert(!reserve(admission, FAR_US));
    finish(admission);
}
END_TEST

static void add_predictions(Suite *suite) {
    TCase *wait = tcase_create("wait");
    tcase_add_loop_test(wait, the_wait_is_that_for_the_first_free_server, 0, (int)ARRAY_LEN(waits));
    tcase_add_loop_test(wait, the_wait_must_leave_a_quarter_of_itself_to_the_deadline, 0, (int)ARRAY_LEN(waits));
    tcase_add_test(wait, nothing_is_predicted_until_a_job_was_measured);
    tcase_add_test(wait, a_change_of_the_servers_counts_at_once);
    suite_add_tcase(suite, wait);

    TCase *mean = tcase_create("mean");
    tcase_add_test(mean, the_first_job_is_the_mean_and_each_other_moves_it_by_an_eighth);
    tcase_add_test(mean, jobs_that_end_together_count_as_that_many);
    tcase_add_test(mean, late_jobs_do_not_lower_the_mean);
    tcase_add_test(mean, jobs_that_end_unmeasured_leave_the_mean_and_are_neither_completed_nor_late);
    tcase_add_test(mean, a_mean_that_is_too_high_is_corrected_by_the_jobs_of_a_free_server);
    suite_add_tcase(suite, mean);
}

Suite *admission_queue_suite(void) {
    Suite *suite = suite_create("admission_queue");
    TCase *places = tcase_create("places");
    tcase_add_test(places, a_place_is_taken_from_the_reservation_until_the_job_begins);
    tcase_add_test(places, asking_takes_no_place_and_answers_as_a_reservation_would);
    tcase_add_test(places, what_goes_on_with_an_admitted_job_is_not_refused_and_takes_a_place);
    tcase_add_test(places, every_job_is_counted_where_it_is);
    tcase_add_test(places, places_reserved_by_many_threads_are_bounded_and_all_come_back);
    suite_add_tcase(suite, places);

    add_predictions(suite);

    TCase *retries = tcase_create("retries");
    tcase_add_test(retries, retries_begin_when_half_of_the_backlog_will_have_been_served);
    tcase_add_test(retries, each_retry_is_one_turn_after_the_one_before);
    tcase_add_test(retries, retries_of_refused_jobs_are_spread_over_ten_seconds_and_then_share_them);
    tcase_add_test(retries, before_a_job_was_measured_a_retry_is_a_second_ahead);
    suite_add_tcase(suite, retries);

    TCase *log = tcase_create("log");
    tcase_add_test(log, an_episode_of_refusals_is_logged_when_it_begins_and_when_it_is_over);
    tcase_add_test(log, an_episode_of_late_jobs_is_logged_by_the_next_report);
    suite_add_tcase(suite, log);
    return suite;
}
