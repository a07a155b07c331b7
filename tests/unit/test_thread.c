#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/thread.h"

#include <check.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

Suite *thread_suite(void);

struct seen {
    char name[THREAD_NAME_MAX_LEN + 1];
    sigset_t blocked;
};

static void read_properties(void *context) {
    struct seen *seen = context;
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
}

static const struct {
    const char *given, *name;
} names[] = {
    { "reaper", "reaper" },
    { "fifteen-letters", "fifteen-letters" },
    { "more-than-fifteen-letters", "more-than-fifte" },
    { "", "" },
};

START_TEST(a_thread_has_its_name_from_its_first_instruction) {
    struct thread thread;
    struct seen seen = { .name = "?" };
    ck_assert_int_eq(thread_start(&thread, names[_i].given, read_properties, &seen), STATUS_OK);
    thread_join(&thread);
    ck_assert_str_eq(seen.name, names[_i].name);
}
END_TEST

START_TEST(signals_are_blocked_on_it_and_not_on_its_creator) {
    struct thread thread;
    struct seen seen, before, after;
    read_properties(&before);
    ck_assert_int_eq(thread_start(&thread, "signals", read_properties, &seen), STATUS_OK);
    thread_join(&thread);
    read_properties(&after);
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1 };
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        ck_assert(sigismember(&seen.blocked, signals[i]));
        ck_assert_int_eq(sigismember(&after.blocked, signals[i]), sigismember(&before.blocked, signals[i]));
    }
}
END_TEST

/* The limit on threads counts for no process of root's. It is taken back, since the search for leaks needs a thread, too. */
START_TEST(a_thread_that_cannot_be_started_is_reported) {
    struct thread thread;
    struct seen seen = { .name = "nothing ran" };
    struct rlimit before;
    bool is_root = geteuid() == 0;
    ck_assert_int_eq(getrlimit(RLIMIT_NPROC, &before), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &(struct rlimit){ 0, before.rlim_max }), 0);
    ck_assert(!is_root || setresuid(65534, 65534, 0) == 0);
    enum status status = thread_start(&thread, "none", read_properties, &seen);
    ck_assert(!is_root || setresuid(0, 0, 0) == 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &before), 0);
    ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0); /* which it no longer is after a change of user */
    ck_assert_int_eq(status, STATUS_OUT_OF_MEMORY);
    ck_assert_str_eq(seen.name, "nothing ran");
}
END_TEST

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool is_open;
};

static void open_gate(void *context) {
    struct gate *gate = context;
    pthread_mutex_lock(&gate->lock);
    gate->is_open = true;
    pthread_cond_signal(&gate->moved);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_init(struct gate *gate) {
    *gate = (struct gate){ .is_open = false };
    pthread_mutex_init(&gate->lock, NULL);
    condition_init_monotonic(&gate->moved);
}

static const int64_t deadlines[] = { 0, 1, 20000, CLOCK_US_PER_S / 10 };

START_TEST(a_wait_ends_at_its_deadline_and_says_so) {
    struct gate gate;
    gate_init(&gate);
    pthread_mutex_lock(&gate.lock);
    int64_t deadline_us = clock_monotonic_us() + deadlines[_i];
    while (condition_wait_until(&gate.moved, &gate.lock, deadline_us))
        continue;
    ck_assert_int_ge(clock_monotonic_us(), deadline_us);
    ck_assert_int_lt(clock_monotonic_us() - deadline_us, 2 * CLOCK_US_PER_S);
    pthread_mutex_unlock(&gate.lock);
}
END_TEST

START_TEST(a_deadline_that_has_passed_does_not_wait) {
    struct gate gate;
    gate_init(&gate);
    pthread_mutex_lock(&gate.lock);
    ck_assert(!condition_wait_until(&gate.moved, &gate.lock, 0));
    ck_assert(!condition_wait_until(&gate.moved, &gate.lock, clock_monotonic_us() - 1));
    pthread_mutex_unlock(&gate.lock);
}
END_TEST

static const int64_t far_deadlines[] = { INT64_MAX, INT64_MAX - 1 };

START_TEST(a_signal_ends_a_wait_whose_deadline_is_far) {
    struct gate gate;
    struct thread thread;
    gate_init(&gate);
    pthread_mutex_lock(&gate.lock);
    ck_assert_int_eq(thread_start(&thread, "opener", open_gate, &gate), STATUS_OK);
    while (!gate.is_open)
        ck_assert(condition_wait_until(&gate.moved, &gate.lock, far_deadlines[_i]));
    pthread_mutex_unlock(&gate.lock);
    thread_join(&thread);
}
END_TEST

Suite *thread_suite(void) {
    Suite *suite = suite_create("thread");
    TCase *tcase = tcase_create("thread");
    tcase_add_loop_test(tcase, a_thread_has_its_name_from_its_first_instruction, 0, (int)ARRAY_LEN(names));
    tcase_add_test(tcase, signals_are_blocked_on_it_and_not_on_its_creator);
    tcase_add_test(tcase, a_thread_that_cannot_be_started_is_reported);
    tcase_add_loop_test(tcase, a_wait_ends_at_its_deadline_and_says_so, 0, (int)ARRAY_LEN(deadlines));
    tcase_add_test(tcase, a_deadline_that_has_passed_does_not_wait);
    tcase_add_loop_test(tcase, a_signal_ends_a_wait_whose_deadline_is_far, 0, (int)ARRAY_LEN(far_deadlines));
    suite_add_tcase(suite, tcase);
    return suite;
}
