#include "waiting.h"

#include "connections.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_US (CLOCK_US_PER_S / 20)
#define SLOTS 256
/* What is left of a request's time when its refusal goes out at the latest: the client has a deadline, too. */
#define TIME_LEFT_SHARE 5

#define SCATTER_PERCENT 30

struct waiting {
    pthread_mutex_t lock; /* guards all that follows, but `thread` */
    pthread_cond_t changed;
    struct exchange *slots[SLOTS];
    unsigned count;
    int64_t turned; /* the slots up to this one, counted since the clock began, are empty */
    bool released;
    bool stopping;
    pthread_t thread;
};

static void let_go(struct exchange *list) {
    while (list != NULL) {
        struct exchange *next = list->next_waiting; /* the exchange may be gone when it has come back */
        pipeline_resume(list);
        list = next;
    }
}

/* Takes the exchanges whose time has come. The lock is held. */
static struct exchange *turn(struct waiting *waiting, int64_t now_slot) {
    struct exchange *due = NULL;
    int64_t last = now_slot - waiting->turned > SLOTS ? waiting->turned + SLOTS : now_slot;
    for (int64_t slot = waiting->turned + 1; slot <= last; slot++) {
        struct exchange **list = &waiting->slots[slot % SLOTS];
        while (*list != NULL) {
            struct exchange *exchange = *list;
            *list = exchange->next_waiting;
            exchange->next_waiting = due;
            due = exchange;
            waiting->count--;
        }
    }
    waiting->turned = now_slot;
    return due;
}

/* The lock is held on both sides. */
static void wait_for_next_slot(struct waiting *waiting) {
    if (waiting->stopping || (waiting->released && waiting->count > 0))
        return;
    if (waiting->count == 0) {
        pthread_cond_wait(&waiting->changed, &waiting->lock);
        return;
    }
    int64_t until_us = (waiting->turned + 1) * SLOT_US;
    struct timespec until = { .tv_sec = until_us / CLOCK_US_PER_S, .tv_nsec = until_us % CLOCK_US_PER_S * 1000 };
    pthread_cond_timedwait(&waiting->changed, &waiting->lock, &until);
}

static void *turn_the_wheel(void *context) {
    struct waiting *waiting = context;
    pthread_mutex_lock(&waiting->lock);
    while (!waiting->stopping) {
        wait_for_next_slot(waiting);
        struct exchange *due = turn(waiting, waiting->released ? waiting->turned + SLOTS : clock_monotonic_us() / SLOT_US);
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
    return error;
}

struct waiting *waiting_create(void) {
    struct waiting *waiting = calloc(1, sizeof *waiting);
    if (waiting == NULL)
        return NULL;
    waiting->turned = clock_monotonic_us() / SLOT_US;
    pthread_mutex_init(&waiting->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&waiting->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (start_thread(waiting) == 0)
        return waiting;
    log_event(LOG_ERROR, "waiting_start_failed", "thread=%s", "waiting");
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
    if (!exchange->reply.is_refusal || !is_of_one_client(request))
        return 0;
    int64_t told_us = connection_told_until_us(exchange->peer);
    int64_t latest_us = request->deadline_us - (request->deadline_us - exchange->received_us) / TIME_LEFT_SHARE;
    int64_t left_us = (told_us < latest_us ? told_us : latest_us) - clock_monotonic_us();
    if (left_us <= 0)
        return 0;
    /* those who came as one crowd shall not come back as one */
    return clock_monotonic_us() + left_us - left_us * randombytes_uniform(SCATTER_PERCENT + 1) / 100;
}

/* The lock is held. */
static void add(struct waiting *waiting, struct exchange *exchange, int64_t until_us) {
    if (waiting->count == 0) /* the wheel stands still while it is empty */
        waiting->turned = clock_monotonic_us() / SLOT_US;
    int64_t slot = until_us / SLOT_US + 1;
    if (slot <= waiting->turned)
        slot = waiting->turned + 1;
    if (slot > waiting->turned + SLOTS)
        slot = waiting->turned + SLOTS;
    exchange->next_waiting = waiting->slots[slot % SLOTS];
    waiting->slots[slot % SLOTS] = exchange;
    waiting->count++;
    if (waiting->count == 1)
        pthread_cond_signal(&waiting->changed);
}

bool waiting_hold(struct waiting *waiting, struct exchange *exchange, int64_t until_us) {
    pthread_mutex_lock(&waiting->lock);
    bool is_held = !waiting->released && pipeline_suspend(exchange);
    if (is_held)
        add(waiting, exchange, until_us);
    pthread_mutex_unlock(&waiting->lock);
    return is_held;
}
