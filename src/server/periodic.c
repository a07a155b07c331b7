#include "periodic.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/thread.h"

#include <stdatomic.h>
#include <stdlib.h>

struct periodic {
    int64_t (*run)(void *context);
    void *context;
    _Atomic int64_t due_us; /* in a round: when it began; between two: when the next one is due */
    struct thread thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool is_woken;
    bool is_stopping;
};

/* False: the thread is to end. */
static bool sleep_until(struct periodic *periodic, int64_t due_us) {
    pthread_mutex_lock(&periodic->lock);
    while (!periodic->is_stopping && !periodic->is_woken && clock_monotonic_us() < due_us)
        condition_wait_until(&periodic->changed, &periodic->lock, due_us);
    bool is_stopping = periodic->is_stopping;
    periodic->is_woken = false;
    pthread_mutex_unlock(&periodic->lock);
    return !is_stopping;
}

static void periodic_main(void *context) {
    struct periodic *periodic = context;
    int64_t due_us;
    do {
        atomic_store(&periodic->due_us, clock_monotonic_us());
        due_us = periodic->run(periodic->context);
        atomic_store(&periodic->due_us, due_us);
    } while (sleep_until(periodic, due_us));
}

static void free_periodic(struct periodic *periodic) {
    pthread_cond_destroy(&periodic->changed);
    pthread_mutex_destroy(&periodic->lock);
    free(periodic);
}

struct periodic *periodic_start(const char *name, int64_t (*run)(void *context), void *context) {
    struct periodic *periodic = calloc(1, sizeof *periodic);
    if (periodic == NULL) {
        log_event(LOG_ERROR, "thread_start_failed", "thread=%s error=%s", name, "out of memory");
        return NULL;
    }
    periodic->run = run;
    periodic->context = context;
    atomic_init(&periodic->due_us, clock_monotonic_us());
    pthread_mutex_init(&periodic->lock, NULL);
    condition_init_monotonic(&periodic->changed);
    if (thread_start(&periodic->thread, name, periodic_main, periodic) == STATUS_OK)
        return periodic;
    free_periodic(periodic);
    return NULL;
}

void periodic_wake(struct periodic *periodic) {
    pthread_mutex_lock(&periodic->lock);
    periodic->is_woken = true;
    pthread_cond_signal(&periodic->changed);
    pthread_mutex_unlock(&periodic->lock);
}

void periodic_stop(struct periodic *periodic) {
    if (periodic == NULL)
        return;
    pthread_mutex_lock(&periodic->lock);
    periodic->is_stopping = true;
    pthread_cond_signal(&periodic->changed);
    pthread_mutex_unlock(&periodic->lock);
    thread_join(&periodic->thread);
    free_periodic(periodic);
}

bool periodic_is_late(const struct periodic *periodic, int64_t limit_us) {
    return clock_monotonic_us() - atomic_load(&periodic->due_us) > limit_us;
}
