#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/pool.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

Suite *pool_suite(void);

#define FAR_US (60 * CLOCK_US_PER_S)

/* ---- a job that counts, may take some time, and may wait at a gate ---- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool open;
    unsigned waiting;
};

struct test_job {
    struct pool_job job; /* first */
    struct gate *gate;   /* waited for when not NULL */
    useconds_t work_us;
    atomic_uint runs;
    bool late;
    unsigned order;
    void *state;
};

static atomic_uint next_order;

static void gate_init(struct gate *gate) {
    *gate = (struct gate){ .open = false };
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->moved, NULL);
}

static void gate_fini(struct gate *gate) {
    pthread_cond_destroy(&gate->moved);
    pthread_mutex_destroy(&gate->lock);
}

static void gate_pass(struct gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->waiting++;
    pthread_cond_broadcast(&gate->moved);
    while (!gate->open)
        pthread_cond_wait(&gate->moved, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_await(struct gate *gate, unsigned waiting) {
    pthread_mutex_lock(&gate->lock);
    while (gate->waiting < waiting)
        pthread_cond_wait(&gate->moved, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_open(struct gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->moved);
    pthread_mutex_unlock(&gate->lock);
}

static void run_test_job(struct pool_job *job, void *state, bool late) {
    struct test_job *test_job = (struct test_job *)job;

    test_job->state = state;
    test_job->late = late;
    test_job->order = atomic_fetch_add(&next_order, 1);
    if (test_job->gate != NULL)
        gate_pass(test_job->gate);
    if (test_job->work_us > 0)
        usleep(test_job->work_us);
    atomic_fetch_add(&test_job->runs, 1);
}

static struct test_job job_due_in(int64_t us) {
    return (struct test_job){ .job = { .deadline_us = clock_monotonic_us() + us, .run = run_test_job } };
}

static void submit(struct pool *pool, struct test_job *job) {
    int64_t retry_after_us;

    ck_assert_int_eq(admission_reserve(pool_admission(pool), job->job.deadline_us, &retry_after_us), STATUS_OK);
    ck_assert_int_eq(retry_after_us, 0);
    pool_submit(pool, &job->job);
}

/* Waits until so many jobs have been run, in time or late. */
static void await_done(struct pool *pool, uint64_t done) {
    struct admission_load load = { 0 };

    while (load.completed + load.late < done) {
        usleep(200);
        admission_read_load(pool_admission(pool), &load);
    }
}

/* A pool without thread state whose mean service time is `service_us` or a little more. */
static struct pool *pool_with_history(unsigned threads, unsigned queue_limit, useconds_t service_us) {
    struct pool_options options = { .name = "test", .threads = threads, .queue_limit = queue_limit };
    struct pool *pool = pool_create(&options);

    ck_assert_ptr_nonnull(pool);
    if (service_us > 0) {
        struct test_job sample = job_due_in(FAR_US);
        sample.work_us = service_us;
        submit(pool, &sample);
        await_done(pool, 1);
    }
    return pool;
}

/* ---- every job ---- */

#define SUBMITTERS 4
#define JOBS_EACH 2000

struct submitter {
    struct pool *pool;
    struct test_job *jobs;
    pthread_t thread;
};

static void *submit_many(void *argument) {
    struct submitter *submitter = argument;
    int64_t retry_after_us;

    for (unsigned i = 0; i < JOBS_EACH; i++) {
        struct test_job *job = &submitter->jobs[i];
        *job = job_due_in(FAR_US);
        while (admission_reserve(pool_admission(submitter->pool), job->job.deadline_us, &retry_after_us) != STATUS_OK)
            usleep(50);
        pool_submit(submitter->pool, &job->job);
    }
    return NULL;
}

START_TEST(jobs_of_many_submitters_each_run_exactly_once) {
    struct pool *pool = pool_with_history(3, 100, 0);
    struct test_job *jobs = calloc((size_t)SUBMITTERS * JOBS_EACH, sizeof *jobs);
    struct submitter submitters[SUBMITTERS];

    ck_assert_ptr_nonnull(jobs);
    for (unsigned i = 0; i < SUBMITTERS; i++) {
        submitters[i] = (struct submitter){ .pool = pool, .jobs = &jobs[(size_t)i * JOBS_EACH] };
        ck_assert_int_eq(pthread_create(&submitters[i].thread, NULL, submit_many, &submitters[i]), 0);
    }
    for (unsigned i = 0; i < SUBMITTERS; i++)
        pthread_join(submitters[i].thread, NULL);
    pool_destroy(pool);
    for (unsigned i = 0; i < SUBMITTERS * JOBS_EACH; i++) {
        ck_assert_uint_eq(jobs[i].runs, 1);
        ck_assert(!jobs[i].late);
    }
    free(jobs);
}
END_TEST

START_TEST(many_jobs_in_one_lane_do_not_delay_the_other) {
    struct pool *pool = pool_with_history(1, 64, 0);
    struct gate gate;
    struct test_job blocker = job_due_in(FAR_US), crowd[10], lone[2];
    gate_init(&gate);
    blocker.gate = &gate;
    submit(pool, &blocker);
    gate_await(&gate, 1);
    for (size_t i = 0; i < 10; i++) {
        crowd[i] = job_due_in(FAR_US);
        crowd[i].job.queue.lane = LANE_HEAVY;
        submit(pool, &crowd[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        lone[i] = job_due_in(FAR_US);
        submit(pool, &lone[i]);
    }
    gate_open(&gate);
    await_done(pool, 13);
    ck_assert_uint_lt(lone[0].order, crowd[1].order);
    ck_assert_uint_lt(lone[1].order, crowd[2].order);
    ck_assert_uint_lt(crowd[0].order, lone[1].order);
    for (size_t i = 1; i < 10; i++)
        ck_assert_uint_gt(crowd[i].order, crowd[i - 1].order);
    pool_destroy(pool);
    gate_fini(&gate);
}
END_TEST

START_TEST(jobs_run_in_the_order_of_submission) {
    struct pool *pool = pool_with_history(1, 100, 0);
    struct test_job jobs[50];

    for (unsigned i = 0; i < 50; i++) {
        jobs[i] = job_due_in(FAR_US);
        submit(pool, &jobs[i]);
    }
    pool_destroy(pool);
    for (unsigned i = 1; i < 50; i++)
        ck_assert_uint_eq(jobs[i].order, jobs[0].order + i);
}
END_TEST

START_TEST(destroying_the_pool_runs_what_was_submitted) {
    struct pool *pool = pool_with_history(2, 100, 0);
    struct test_job jobs[20];

    for (unsigned i = 0; i < 20; i++) {
        jobs[i] = job_due_in(FAR_US);
        jobs[i].work_us = 1000;
        submit(pool, &jobs[i]);
    }
    pool_destroy(pool);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_uint_eq(jobs[i].runs, 1);
}
END_TEST

START_TEST(a_job_whose_deadline_passed_in_the_queue_is_run_late) {
    struct pool *pool = pool_with_history(1, 10, 0);
    struct gate gate;
    struct test_job holder = job_due_in(FAR_US);
    struct test_job hasty = job_due_in(1000);
    struct test_job patient = job_due_in(FAR_US);
    struct admission_load load;

    gate_init(&gate);
    holder.gate = &gate;
    submit(pool, &holder);
    gate_await(&gate, 1);
    submit(pool, &hasty);
    submit(pool, &patient);
    usleep(2000);
    gate_open(&gate);
    await_done(pool, 3);
    admission_read_load(pool_admission(pool), &load);
    pool_destroy(pool);
    gate_fini(&gate);
    ck_assert_uint_eq(hasty.runs, 1);
    ck_assert(hasty.late);
    ck_assert(!patient.late);
    ck_assert_uint_eq(load.late, 1);
    ck_assert_uint_eq(load.completed, 2);
}
END_TEST

/* ---- admission ---- */

START_TEST(a_reservation_takes_a_place_until_it_is_cancelled) {
    struct pool *pool = pool_with_history(1, 2, 0);
    int64_t deadline_us = clock_monotonic_us() + FAR_US;
    int64_t retry_after_us;
    struct admission_load load;

    ck_assert_int_eq(admission_reserve(pool_admission(pool), deadline_us, &retry_after_us), STATUS_OK);
    ck_assert_int_eq(admission_reserve(pool_admission(pool), deadline_us, &retry_after_us), STATUS_OK);
    ck_assert_int_eq(admission_reserve(pool_admission(pool), deadline_us, &retry_after_us), STATUS_OVERLOADED);
    ck_assert_int_gt(retry_after_us, 0);
    admission_cancel(pool_admission(pool));
    ck_assert_int_eq(admission_reserve(pool_admission(pool), deadline_us, &retry_after_us), STATUS_OK);
    admission_read_load(pool_admission(pool), &load);
    ck_assert_uint_eq(load.refused, 1);
    admission_cancel(pool_admission(pool));
    admission_cancel(pool_admission(pool));
    pool_destroy(pool);
}
END_TEST

START_TEST(asking_for_admission_takes_no_place) {
    struct pool *pool = pool_with_history(1, 1, 0);
    int64_t deadline_us = clock_monotonic_us() + FAR_US;
    int64_t retry_after_us;

    ck_assert_int_eq(admission_would_admit(pool_admission(pool), deadline_us, &retry_after_us), STATUS_OK);
    ck_assert_int_eq(admission_would_admit(pool_admission(pool), deadline_us, &retry_after_us), STATUS_OK);
    ck_assert_int_eq(admission_reserve(pool_admission(pool), deadline_us, &retry_after_us), STATUS_OK);
    ck_assert_int_eq(admission_would_admit(pool_admission(pool), deadline_us, &retry_after_us), STATUS_OVERLOADED);
    ck_assert_int_gt(retry_after_us, 0);
    admission_cancel(pool_admission(pool));
    pool_destroy(pool);
}
END_TEST

START_TEST(a_queued_job_takes_a_place_and_a_running_one_does_not) {
    struct pool *pool = pool_with_history(1, 1, 0);
    struct gate gate;
    struct test_job running = job_due_in(FAR_US);
    struct test_job queued = job_due_in(FAR_US);
    int64_t retry_after_us;
    struct admission_load load;

    gate_init(&gate);
    running.gate = &gate;
    submit(pool, &running);
    gate_await(&gate, 1);
    submit(pool, &queued);
    admission_read_load(pool_admission(pool), &load);
    ck_assert_uint_eq(load.running, 1);
    ck_assert_uint_eq(load.queued, 1);
    ck_assert_int_eq(admission_reserve(pool_admission(pool), clock_monotonic_us() + FAR_US, &retry_after_us), STATUS_OVERLOADED);
    gate_open(&gate);
    pool_destroy(pool);
    gate_fini(&gate);
}
END_TEST

/* `ahead` jobs reserved before, and a deadline of so many hundredths of the mean service time. */
static const struct {
    unsigned threads, ahead;
    int64_t due_percent;
    enum status expected;
} admissions[] = {
    { 1, 0, 5, STATUS_OK },            /* a thread is free: never refused, */
    { 1, 0, -5000, STATUS_OK },        /* but run late */
    { 4, 3, 5, STATUS_OK },            /* the fourth thread is free */
    { 1, 1, -5, STATUS_OVERLOADED },   /* late already */
    { 1, 1, 50, STATUS_OVERLOADED },   /* one job before it: one mean */
    { 1, 1, 300, STATUS_OK },          /* the same, in time */
    { 1, 5, 450, STATUS_OVERLOADED },  /* five */
    { 1, 5, 700, STATUS_OK },          /* the same, in time */
    { 4, 11, 150, STATUS_OVERLOADED }, /* eight must leave by four threads: two */
    { 4, 11, 400, STATUS_OK },         /* the same, in time */
};

START_TEST(a_job_is_refused_when_its_turn_would_come_too_late) {
    struct pool *pool = pool_with_history(admissions[_i].threads, 100, 50000);
    int64_t now_us = clock_monotonic_us();
    int64_t retry_after_us;
    struct admission_load load;

    admission_read_load(pool_admission(pool), &load);
    for (unsigned i = 0; i < admissions[_i].ahead; i++)
        ck_assert_int_eq(admission_reserve(pool_admission(pool), now_us + FAR_US, &retry_after_us), STATUS_OK);
    int64_t deadline_us = now_us + load.service_us * admissions[_i].due_percent / 100;
    ck_assert_int_eq(admission_would_admit(pool_admission(pool), deadline_us, &retry_after_us), admissions[_i].expected);
    ck_assert_int_eq(admission_reserve(pool_admission(pool), deadline_us, &retry_after_us), admissions[_i].expected);
    if (admissions[_i].expected == STATUS_OVERLOADED)
        ck_assert_int_ge(retry_after_us, admissions[_i].ahead * load.service_us / admissions[_i].threads / 2);
    else
        ck_assert_int_eq(retry_after_us, 0);
    pool_destroy(pool);
}
END_TEST

START_TEST(nothing_is_predicted_before_the_first_job_is_done) {
    struct pool *pool = pool_with_history(1, 3, 0);
    int64_t soon_us = clock_monotonic_us() + 1000;
    int64_t retry_after_us;

    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(admission_reserve(pool_admission(pool), soon_us, &retry_after_us), STATUS_OK);
    pool_destroy(pool);
}
END_TEST

START_TEST(a_stale_high_estimate_corrects_itself) {
    struct pool *pool = pool_with_history(1, 10, 100000);
    struct admission_load before, after;

    admission_read_load(pool_admission(pool), &before);
    ck_assert_int_ge(before.service_us, 100000);
    for (unsigned i = 0; i < 30; i++) {
        struct test_job quick = job_due_in(50000); /* sooner than one job of the estimate */
        submit(pool, &quick);
        await_done(pool, i + 2);
    }
    admission_read_load(pool_admission(pool), &after);
    ck_assert_int_lt(after.service_us, before.service_us / 10);
    pool_destroy(pool);
}
END_TEST

START_TEST(late_jobs_do_not_lower_the_estimate) {
    struct pool *pool = pool_with_history(1, 10, 20000);
    struct admission_load before, after = { 0 };
    struct test_job late = job_due_in(-1000);

    admission_read_load(pool_admission(pool), &before);
    submit(pool, &late);
    while (after.late == 0)
        admission_read_load(pool_admission(pool), &after);
    ck_assert_int_eq(after.service_us, before.service_us);
    pool_destroy(pool);
}
END_TEST

/* ---- threads and their state ---- */

struct states {
    unsigned fail_at; /* the thread with this index has no state */
    atomic_uint started, stopped, idled;
    pid_t thread[4];
};

static void *start_state(void *context, unsigned index) {
    struct states *states = context;

    if (index == states->fail_at)
        return NULL;
    atomic_fetch_add(&states->started, 1);
    states->thread[index] = gettid();
    return &states->thread[index];
}

static struct states *current; /* thread_stop has no context argument */

static void stop_state(void *state) {
    if (*(pid_t *)state == gettid())
        atomic_fetch_add(&current->stopped, 1);
}

static void idle_state(void *state) {
    if (*(pid_t *)state == gettid())
        atomic_fetch_add(&current->idled, 1);
}

static struct pool_options options_with(struct states *states) {
    current = states;
    return (struct pool_options){ .name = "stateful",
                                  .threads = 4,
                                  .queue_limit = 10,
                                  .thread_start = start_state,
                                  .thread_stop = stop_state,
                                  .context = states };
}

START_TEST(each_thread_makes_and_ends_its_own_state) {
    struct states states = { .fail_at = 99 };
    struct pool_options options = options_with(&states);
    struct pool *pool = pool_create(&options);
    struct test_job job = job_due_in(FAR_US);

    ck_assert_ptr_nonnull(pool);
    ck_assert_uint_eq(states.started, 4); /* all of them by the time pool_create returns */
    submit(pool, &job);
    pool_destroy(pool);
    ck_assert_uint_eq(states.stopped, 4);
    ck_assert((pid_t *)job.state >= &states.thread[0] && (pid_t *)job.state <= &states.thread[3]);
}
END_TEST

START_TEST(a_thread_without_its_state_fails_the_pool) {
    struct states states = { .fail_at = (unsigned)_i };
    struct pool_options options = options_with(&states);

    ck_assert_ptr_null(pool_create(&options));
    ck_assert_uint_eq(states.started, 3);
    ck_assert_uint_eq(states.stopped, 3);
}
END_TEST

static void await_idled(struct states *states, unsigned times) {
    while (states->idled < times)
        usleep(1000);
}

START_TEST(an_idle_thread_is_notified_once) {
    struct states states = { .fail_at = 99 };
    struct pool_options options = options_with(&states);

    options.threads = 1;
    options.thread_idle = idle_state;
    options.idle_us = 10000;
    struct pool *pool = pool_create(&options);
    ck_assert_ptr_nonnull(pool);
    await_idled(&states, 1);
    usleep(30000);
    ck_assert_uint_eq(states.idled, 1);
    struct test_job job = job_due_in(FAR_US);
    submit(pool, &job);
    await_idled(&states, 2); /* and again after the next job */
    ck_assert_uint_eq(job.runs, 1);
    pool_destroy(pool);
}
END_TEST

START_TEST(a_busy_thread_is_not_notified_as_idle) {
    struct states states = { .fail_at = 99 };
    struct pool_options options = options_with(&states);

    options.threads = 1;
    options.thread_idle = idle_state;
    options.idle_us = 500000;
    struct pool *pool = pool_create(&options);
    ck_assert_ptr_nonnull(pool);
    for (unsigned i = 0; i < 20; i++) {
        struct test_job job = job_due_in(FAR_US);
        submit(pool, &job);
        await_done(pool, i + 1);
    }
    pool_destroy(pool);
    ck_assert_uint_eq(states.idled, 0);
}
END_TEST

struct thread_properties {
    struct pool_job job;
    char name[16];
    int nice;
    bool signals_blocked;
};

static void read_properties(struct pool_job *job, void *state, bool late) {
    struct thread_properties *seen = (struct thread_properties *)job;
    sigset_t mask;

    (void)state;
    (void)late;
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    seen->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seen->signals_blocked =
        sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGPIPE) == 1;
}

START_TEST(threads_have_a_name_a_nice_value_and_no_signals) {
    struct pool_options options = { .name = "crypto", .threads = 1, .queue_limit = 1, .nice = 7 };
    struct pool *pool = pool_create(&options);
    struct thread_properties seen = { .job = { .deadline_us = INT64_MAX, .run = read_properties } };
    int64_t retry_after_us;
    int process_nice = getpriority(PRIO_PROCESS, 0);

    ck_assert_ptr_nonnull(pool);
    ck_assert_int_eq(admission_reserve(pool_admission(pool), INT64_MAX, &retry_after_us), STATUS_OK);
    pool_submit(pool, &seen.job);
    pool_destroy(pool);
    ck_assert_str_eq(seen.name, "crypto-0");
    ck_assert_int_eq(seen.nice, process_nice + 7 > 19 ? 19 : process_nice + 7);
    ck_assert(seen.signals_blocked);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), process_nice); /* the other threads keep theirs */
}
END_TEST

Suite *pool_suite(void) {
    Suite *suite = suite_create("pool");
    TCase *jobs = tcase_create("jobs");
    TCase *admission = tcase_create("admission");
    TCase *threads = tcase_create("threads");

    tcase_add_test(jobs, jobs_of_many_submitters_each_run_exactly_once);
    tcase_add_test(jobs, jobs_run_in_the_order_of_submission);
    tcase_add_test(jobs, many_jobs_in_one_lane_do_not_delay_the_other);
    tcase_add_test(jobs, destroying_the_pool_runs_what_was_submitted);
    tcase_add_test(jobs, a_job_whose_deadline_passed_in_the_queue_is_run_late);
    suite_add_tcase(suite, jobs);

    tcase_add_test(admission, a_reservation_takes_a_place_until_it_is_cancelled);
    tcase_add_test(admission, asking_for_admission_takes_no_place);
    tcase_add_test(admission, a_queued_job_takes_a_place_and_a_running_one_does_not);
    tcase_add_loop_test(admission, a_job_is_refused_when_its_turn_would_come_too_late, 0, (int)ARRAY_LEN(admissions));
    tcase_add_test(admission, nothing_is_predicted_before_the_first_job_is_done);
    tcase_add_test(admission, a_stale_high_estimate_corrects_itself);
    tcase_add_test(admission, late_jobs_do_not_lower_the_estimate);
    suite_add_tcase(suite, admission);

    tcase_add_test(threads, each_thread_makes_and_ends_its_own_state);
    tcase_add_loop_test(threads, a_thread_without_its_state_fails_the_pool, 0, 4);
    tcase_add_test(threads, an_idle_thread_is_notified_once);
    tcase_add_test(threads, a_busy_thread_is_not_notified_as_idle);
    tcase_add_test(threads, threads_have_a_name_a_nice_value_and_no_signals);
    suite_add_tcase(suite, threads);
    return suite;
}
