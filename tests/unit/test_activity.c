#include "jwtd/activity.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

Suite *activity_suite(void);

#define PAUSE_US 20000

struct found {
    pid_t id;
    bool is_there;
    struct thread_activity thread;
};

static void find_one(const struct thread_activity *thread, void *context) {
    struct found *found = context;
    if (thread->id != found->id)
        return;
    found->is_there = true;
    found->thread = *thread;
}

static struct found find(pid_t id) {
    struct found found = { .id = id };
    ck_assert(activity_visit(find_one, &found));
    return found;
}

START_TEST(a_thread_says_what_it_does_and_since_when) {
    ck_assert_ptr_null(find(gettid()).thread.what);
    ck_assert_ptr_null(activity_set("first"));
    ck_assert_str_eq(activity_set("second"), "first");
    usleep(PAUSE_US);
    struct found found = find(gettid());
    ck_assert(found.is_there);
    ck_assert_str_eq(found.thread.what, "second");
    ck_assert_int_ge(found.thread.for_us, PAUSE_US / 2);
    ck_assert_int_eq(found.thread.state, 'R');
    ck_assert_int_ge(found.thread.cpu_ms, 0);
}
END_TEST

/* ---- another thread ---- */

struct other {
    struct thread thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pid_t id; /* once it runs */
    bool may_end;
};

static void wait_until_told(void *context) {
    struct other *other = context;
    activity_set("works");
    pthread_mutex_lock(&other->lock);
    other->id = gettid();
    pthread_cond_broadcast(&other->changed);
    while (!other->may_end)
        condition_wait_until(&other->changed, &other->lock, INT64_MAX);
    ck_assert_str_eq(activity_set("ends"), "works");
    pthread_mutex_unlock(&other->lock);
}

START_TEST(a_thread_that_waits_says_so_and_one_that_has_ended_is_gone) {
    static struct other other = { .lock = PTHREAD_MUTEX_INITIALIZER };
    condition_init_monotonic(&other.changed);
    ck_assert_int_eq(thread_start(&other.thread, "a (strange) b", wait_until_told, &other), STATUS_OK);
    pthread_mutex_lock(&other.lock);
    while (other.id == 0)
        condition_wait_until(&other.changed, &other.lock, INT64_MAX);
    /* with the lock held it is in its wait */
    struct found found = find(other.id);
    ck_assert_str_eq(found.thread.name, "a (strange) b");
    ck_assert_str_eq(found.thread.what, ACTIVITY_WAITS);
    other.may_end = true;
    pthread_cond_broadcast(&other.changed);
    pthread_mutex_unlock(&other.lock);
    thread_join(&other.thread);
    ck_assert(!find(other.id).is_there || find(other.id).thread.what == NULL);
    pthread_cond_destroy(&other.changed);
}
END_TEST

Suite *activity_suite(void) {
    Suite *suite = suite_create("activity");
    TCase *tcase = tcase_create("activity");
    tcase_add_test(tcase, a_thread_says_what_it_does_and_since_when);
    tcase_add_test(tcase, a_thread_that_waits_says_so_and_one_that_has_ended_is_gone);
    suite_add_tcase(suite, tcase);
    return suite;
}
