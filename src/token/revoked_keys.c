/* An array that grows at its end only: an entry is written before the count says that it is there. */
#include "jwtd/revoked_keys.h"

#include "jwtd/log.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct revoked_keys {
    pthread_mutex_t lock; /* of those that add */
    atomic_size_t count;
    atomic_bool ready;
    atomic_int_fast64_t read_at_us; /* written before `ready` */
    bool is_full_logged;
    struct revoked_key keys[REVOKED_KEYS_MAX]; /* only the pages in use take memory */
};

struct revoked_keys *revoked_keys_create(void) {
    struct revoked_keys *set = calloc(1, sizeof *set);
    if (set != NULL)
        pthread_mutex_init(&set->lock, NULL);
    return set;
}

void revoked_keys_destroy(struct revoked_keys *set) {
    if (set == NULL)
        return;
    pthread_mutex_destroy(&set->lock);
    free(set);
}

/* Kids are public, so nothing is lost by a comparison that is not in constant time. */
bool revoked_keys_contain(const struct revoked_keys *set, struct text kid) {
    size_t count = revoked_keys_count(set);
    for (size_t i = 0; i < count; i++)
        if (text_equal(kid, text_of(set->keys[i].kid)))
            return true;
    return false;
}

static enum status add(struct revoked_keys *set, struct text kid, int64_t revoked_at_s) {
    size_t count = revoked_keys_count(set);
    if (revoked_keys_contain(set, kid))
        return STATUS_OK;
    if (count == REVOKED_KEYS_MAX) {
        if (!set->is_full_logged)
            log_event(LOG_ERROR, "too_many_revoked_keys", "limit=%d kid=%.*s", REVOKED_KEYS_MAX, (int)kid.len, kid.bytes);
        set->is_full_logged = true;
        return STATUS_OUT_OF_MEMORY;
    }
    struct revoked_key *key = &set->keys[count];
    memcpy(key->kid, kid.bytes, kid.len);
    key->revoked_at_s = revoked_at_s;
    atomic_store_explicit(&set->count, count + 1, memory_order_release);
    log_event(LOG_WARN, "key_revoked", "kid=%s", key->kid);
    return STATUS_OK;
}

enum status revoked_keys_add(struct revoked_keys *set, struct text kid, int64_t revoked_at_s) {
    assert(kid_is_valid(kid));
    pthread_mutex_lock(&set->lock);
    enum status status = add(set, kid, revoked_at_s);
    pthread_mutex_unlock(&set->lock);
    return status;
}

size_t revoked_keys_count(const struct revoked_keys *set) {
    return atomic_load_explicit(&set->count, memory_order_acquire);
}

const struct revoked_key *revoked_keys_at(const struct revoked_keys *set, size_t index) {
    assert(index < revoked_keys_count(set));
    return &set->keys[index];
}

void revoked_keys_set_read(struct revoked_keys *set, int64_t at_us) {
    atomic_store(&set->read_at_us, at_us);
    atomic_store(&set->ready, true);
}

bool revoked_keys_are_ready(const struct revoked_keys *set) {
    return atomic_load(&set->ready);
}

int64_t revoked_keys_age_us(const struct revoked_keys *set, int64_t now_us) {
    assert(revoked_keys_are_ready(set));
    int64_t age_us = now_us - atomic_load(&set->read_at_us);
    return age_us > 0 ? age_us : 0; /* it was read after the caller had read the clock */
}
