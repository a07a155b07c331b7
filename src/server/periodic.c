#include "periodic.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct periodic {
    int64_t (*run)(void *context);
    void *context;
    _Atomic int64_t due_us; /* of the round in hand, when it began; of the next one, when it is to begin */
    pthread_t thread;
    pthread_mutex_t stop_lock; /* guards stopping */
    pthread_cond_t stop;
    bool stopping;
};

/* False: there is no further round. */
static bool rest_until(struct periodic *periodic, int64_t due_us) {
    struct timespec until = { .tv_sec = due_us / CLOCK_US_PER_S, .tv_nsec = due_us % CLOCK_US_PER_S * 1000 };
    pthread_mutex_lock(&periodic->stop_lock);
    while (!periodic->stopping && clock_monotonic_us() < due_us)
        pthread_cond_timedwait(&periodic->stop, &periodic->stop_lock, &until);
    bool is_stopping = periodic->stopping;
    pthread_mutex_unlock(&periodic->stop_lock);
    return !is_stopping;
}

static void *work(void *context) {
    struct periodic *periodic = context;
    int64_t due_us;
    do {
        atomic_store(&periodic->due_us, clock_monotonic_us());
        due_us = periodic->run(periodic->context);
        atomic_store(&periodic->due_us, due_us);
    } while (rest_until(periodic, due_us));
    return NULL;
}

static int start_thread(struct periodic *periodic, const char *name) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&periodic->thread, NULL, work, periodic);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(periodic->thread, name);
    return error;
}

static void free_periodic(struct periodic *periodic) {
    pthread_cond_destroy(&periodic->stop);
    pthread_mutex_destroy(&periodic->stop_lock);
    free(periodic);
}

struct periodic *periodic_start(const char *name, int64_t (*run)(void *context), void *context) {
    struct periodic *periodic = calloc(1, sizeof *periodic);
    if (periodic == NULL)
        return NULL;
    periodic->run = run;
    periodic->context = context;
    atomic_init(&periodic->due_us, clock_monotonic_us());
    pthread_mutex_init(&periodic->stop_lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&periodic->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    if (start_thread(periodic, name) == 0)
        return periodic;
    log_event(LOG_ERROR, "background_start_failed", "thread=%s", name);
    free_periodic(periodic);
    return NULL;
}

void periodic_stop(struct periodic *periodic) {
    if (periodic == NULL)
        return;
    pthread_mutex_lock(&periodic->stop_lock);
    periodic->stopping = true;
    pthread_cond_signal(&periodic->stop);
    pthread_mutex_unlock(&periodic->stop_lock);
    pthread_join(periodic->thread, NULL);
    free_periodic(periodic);
}

bool periodic_is_late(const struct periodic *periodic, int64_t limit_us) {
    return clock_monotonic_us() - atomic_load(&periodic->due_us) > limit_us;
}
