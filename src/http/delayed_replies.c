#include "delayed_replies.h"

#include "exchange.h"
#include "limit_headers.h"
#include "wheel.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/thread.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* The client has a deadline, too: the refusal is sent while at least this part (one fifth) of the request's time is left. */
#define REPLY_RESERVE_DIVISOR 5
#define SCATTER_PERCENT 30

struct delayed_replies {
    pthread_mutex_t lock; /* guards all that follows except `thread` */
    pthread_cond_t changed;
    struct wheel wheel;
    bool is_released;
    bool is_stopping;
    struct thread thread;
};

static void resume(struct wheel_entry *list) {
    while (list != NULL) {
        struct exchange *exchange = container_of(list, struct exchange, wheel_entry);
        list = list->next; /* the exchange may be freed once it has been resumed */
        exchange_resume(exchange, EXCHANGE_DUE);
    }
}

static void wheel_main(void *context) {
    struct delayed_replies *delayed = context;
    pthread_mutex_lock(&delayed->lock);
    while (!delayed->is_stopping) {
        struct wheel_entry *due =
            delayed->is_released ? wheel_take_all(&delayed->wheel) : wheel_take_due(&delayed->wheel, clock_monotonic_us());
        if (due == NULL) {
            condition_wait_until(&delayed->changed, &delayed->lock, wheel_next_us(&delayed->wheel));
            continue;
        }
        pthread_mutex_unlock(&delayed->lock);
        resume(due);
        pthread_mutex_lock(&delayed->lock);
    }
    pthread_mutex_unlock(&delayed->lock);
}

struct delayed_replies *delayed_replies_create(void) {
    struct delayed_replies *delayed = calloc(1, sizeof *delayed);
    if (delayed == NULL)
        return NULL;
    wheel_init(&delayed->wheel, clock_monotonic_us());
    pthread_mutex_init(&delayed->lock, NULL);
    condition_init_monotonic(&delayed->changed);
    if (thread_start(&delayed->thread, "delayed", wheel_main, delayed) == STATUS_OK)
        return delayed;
    free(delayed);
    return NULL;
}

void delayed_replies_release(struct delayed_replies *delayed) {
    if (delayed == NULL)
        return;
    pthread_mutex_lock(&delayed->lock);
    delayed->is_released = true;
    pthread_cond_signal(&delayed->changed);
    pthread_mutex_unlock(&delayed->lock);
}

void delayed_replies_destroy(struct delayed_replies *delayed) {
    if (delayed == NULL)
        return;
    pthread_mutex_lock(&delayed->lock);
    delayed->is_stopping = true;
    pthread_cond_signal(&delayed->changed);
    pthread_mutex_unlock(&delayed->lock);
    thread_join(&delayed->thread);
    assert(delayed->wheel.count == 0);
    pthread_cond_destroy(&delayed->changed);
    pthread_mutex_destroy(&delayed->lock);
    free(delayed);
}

static bool is_of_one_client(const struct request *request) {
    const struct address *client = &request->client, *peer = &request->peer;
    return client->known && peer->known && memcmp(client->bytes, peer->bytes, sizeof peer->bytes) == 0;
}

int64_t delayed_replies_due_us(const struct exchange *exchange, int64_t retry_at_us, int64_t now_us) {
    if (exchange->reply.retry_after_us == 0 || !is_of_one_client(&exchange->request))
        return 0;
    int64_t latest_us = exchange_deadline_us(exchange, REPLY_RESERVE_DIVISOR);
    int64_t left_us = (retry_at_us < latest_us ? retry_at_us : latest_us) - now_us;
    if (left_us <= 0)
        return 0;
    /* clients that were refused together must not retry together */
    return now_us + left_us - left_us * randombytes_uniform(SCATTER_PERCENT + 1) / 100;
}

void delayed_replies_lower_times(struct exchange *exchange, int64_t delay_us) {
    struct reply *reply = &exchange->reply;
    reply_set_retry_after(reply, reply->retry_after_us - delay_us);
    limit_headers_lower_reset(&reply->headers, &exchange->arena, delay_us);
    limit_headers_lower_reset(&exchange->common_headers, &exchange->arena, delay_us);
}

bool delayed_replies_hold(struct delayed_replies *delayed, struct exchange *exchange, int64_t due_us) {
    if (delayed == NULL)
        return false;
    pthread_mutex_lock(&delayed->lock);
    bool is_held = !delayed->is_released && exchange_suspend(exchange, EXCHANGE_DELAYED);
    if (is_held) {
        wheel_add(&delayed->wheel, &exchange->wheel_entry, due_us, clock_monotonic_us());
        if (delayed->wheel.count == 1)
            pthread_cond_signal(&delayed->changed);
    }
    pthread_mutex_unlock(&delayed->lock);
    return is_held;
}
