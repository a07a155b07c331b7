#include "jwtd/thread.h"

#include "jwtd/activity.h"
#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define STACK_SIZE ((size_t)512 * 1024)

/* The thread sets its own name: its creator might set it after `run` has logged or started others. */
static void *thread_main(void *argument) {
    struct thread *thread = argument;
    pthread_setname_np(pthread_self(), thread->name);
    activity_set("runs");
    thread->run(thread->context);
    return NULL;
}

static int attributes_init(pthread_attr_t *attributes) {
    sigset_t all;
    int error = pthread_attr_init(attributes);
    if (error != 0)
        return error;
    sigfillset(&all);
    error = pthread_attr_setstacksize(attributes, STACK_SIZE);
    if (error == 0)
        error = pthread_attr_setsigmask_np(attributes, &all);
    if (error != 0)
        pthread_attr_destroy(attributes);
    return error;
}

static int create(struct thread *thread) {
    pthread_attr_t attributes;
    int error = attributes_init(&attributes);
    if (error != 0)
        return error;
    error = pthread_create(&thread->id, &attributes, thread_main, thread);
    pthread_attr_destroy(&attributes);
    return error;
}

enum status thread_start(struct thread *thread, const char *name, void (*run)(void *context), void *context) {
    *thread = (struct thread){ .run = run, .context = context };
    (void)snprintf(thread->name, sizeof thread->name, "%s", name);
    int error = create(thread);
    if (error == 0)
        return STATUS_OK;
    log_event(LOG_ERROR, "thread_start_failed", "thread=%s error=%s", thread->name, strerrordesc_np(error));
    errno = error;
    return STATUS_OUT_OF_MEMORY;
}

void thread_join(struct thread *thread) {
    int error = pthread_join(thread->id, NULL);
    assert(error == 0);
}

void condition_init_monotonic(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);
    if (error == 0)
        error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (error == 0)
        error = pthread_cond_init(condition, &attributes);
    assert(error == 0); /* glibc allocates nothing for either */
    pthread_condattr_destroy(&attributes);
}

bool condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t deadline_us) {
    int error;
    const char *activity = activity_set(ACTIVITY_WAITS);
    if (deadline_us == INT64_MAX) {
        error = pthread_cond_wait(condition, lock);
    } else {
        struct timespec deadline = { .tv_sec = deadline_us / CLOCK_US_PER_S, .tv_nsec = deadline_us % CLOCK_US_PER_S * 1000 };
        error = pthread_cond_timedwait(condition, lock, &deadline);
    }
    assert(error == 0 || error == ETIMEDOUT);
    activity_set(activity);
    return error == 0;
}
