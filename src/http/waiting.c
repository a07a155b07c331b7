#include "waiting.h"

#include "connections.h"
#include "exchange.h"
#include "pipeline.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* What is left of a request's time when its refusal goes out at the latest: the client has a deadline, too. */
#define TIME_LEFT_SHARE 5

#define SCATTER_PERCENT 30

struct waiting {
    pthread_mutex_t lock; /* guards all that follows, but `thread` */
    pthread_cond_t changed;
    struct wheel wheel;
    bool released;
    bool stopping;
    pthread_t thread;
};

static void let_go(struct wheel_entry *list) {
    while (list != NULL) {
        struct exchange *exchange = container_of(list, struct exchange, waiting);
        list = list->next; /* the exchange may be gone when it has come back */
        pipeline_resume(exchange);
    }
}

static void *turn_the_wheel(void *context) {
    struct waiting *waiting = context;
    struct wheel *wheel = &waiting->wheel;
    pthread_mutex_lock(&waiting->lock);
    while (!waiting->stopping) {
        if (!waiting->released || wheel->count == 0)
            condition_wait_until(&waiting->changed, &waiting->lock, wheel_next_us(wheel));
        struct wheel_entry *due = waiting->released ? wheel_take_all(wheel) : wheel_take_due(wheel, clock_monotonic_us());
        pthread_mutex_unlock(&waiting->lock);
        let_go(due);
        pthread_mutex_lock(&waiting->lock);
    }
    pthread_mutex_unlock(&waiting->lock);
    return NULL;
}

static int start_thread(struct waiting *waiting) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&waiting->thread, NULL, turn_the_wheel, waiting);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(waiting->thread, "waiting");
    errno = error;
    return error;
}

struct waiting *waiting_create(void) {
    struct waiting *waiting = calloc(1, sizeof *waiting);
    if (waiting == NULL)
        return NULL;
    wheel_init(&waiting->wheel, clock_monotonic_us());
    pthread_mutex_init(&waiting->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&waiting->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (start_thread(waiting) == 0)
        return waiting;
    free(waiting);
    return NULL;
}

void waiting_release(struct waiting *waiting) {
    pthread_mutex_lock(&waiting->lock);
    waiting->released = true;
    pthread_cond_signal(&waiting->changed);
    pthread_mutex_unlock(&waiting->lock);
}

void waiting_destroy(struct waiting *waiting) {
    pthread_mutex_lock(&waiting->lock);
    waiting->stopping = true;
    pthread_cond_signal(&waiting->changed);
    pthread_mutex_unlock(&waiting->lock);
    pthread_join(waiting->thread, NULL);
    pthread_cond_destroy(&waiting->changed);
    pthread_mutex_destroy(&waiting->lock);
    free(waiting);
}

/* Behind a proxy a connection carries the requests of many clients, and only one of them was told. */
static bool is_of_one_client(const struct request *request) {
    return memcmp(request->client.bytes, request->peer.bytes, sizeof request->peer.bytes) == 0;
}

int64_t waiting_time(const struct exchange *exchange) {
    const struct request *request = &exchange->request;
    if (exchange->reply.retry_after_us == 0 || !is_of_one_client(request))
        return 0;
    int64_t told_us = connection_told_until_us(exchange->connection);
    int64_t latest_us = request->deadline_us - (request->deadline_us - exchange->received_us) / TIME_LEFT_SHARE;
    int64_t left_us = (told_us < latest_us ? told_us : latest_us) - clock_monotonic_us();
    if (left_us <= 0)
        return 0;
    /* those who came as one crowd shall not come back as one */
    return clock_monotonic_us() + left_us - left_us * randombytes_uniform(SCATTER_PERCENT + 1) / 100;
}

bool waiting_hold(struct waiting *waiting, struct exchange *exchange, int64_t until_us) {
    pthread_mutex_lock(&waiting->lock);
    bool is_held = !waiting->released && pipeline_suspend(exchange);
    if (is_held) {
        bool was_empty = waiting->wheel.count == 0;
        wheel_add(&waiting->wheel, &exchange->waiting, until_us, clock_monotonic_us());
        if (was_empty)
            pthread_cond_signal(&waiting->changed);
    }
    pthread_mutex_unlock(&waiting->lock);
    return is_held;
}
