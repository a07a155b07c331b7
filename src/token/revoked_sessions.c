/* A hash set of session ids with open addressing: 24 bytes a slot, no allocation per entry. */
#include "jwtd/revoked_sessions.h"

#include "jwtd/access_token.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS 64
#define SMALLEST 16 /* slots of a shard; always a power of two */
#define WORD_BITS 64
#define FILTER_BITS 16384 /* of each shard: for 131,072 sessions one search in nine takes a lock that need not */
#define FILTER_WORDS (FILTER_BITS / WORD_BITS)

struct slot {
    struct uuid session_id;
    int64_t expires_at; /* 0: empty. An expired slot still belongs to its chain until it is used again. */
};

/* Making a larger table takes 25 ms for 131,072 sessions, and every request waits meanwhile; a 64th of it takes less than half a
 * millisecond and stops a 64th of the requests. */
struct shard {
    pthread_mutex_t lock; /* guards all below */
    struct slot *slots;
    size_t capacity;
    size_t used; /* slots that are not empty */
};

/* A bit for each session of a shard, by its hash. Most searches are for sessions that are not in the set: they find their bit
 * clear, and write nothing that other threads read. A set bit says that the shard must be searched. Written with the shard's
 * lock. */
struct filter {
    atomic_uint_fast64_t words[FILTER_WORDS];
};

struct revoked_sessions {
    int64_t keep_s;
    uint8_t hash_key[crypto_shorthash_KEYBYTES]; /* so that no client can choose the slot of a session id */
    atomic_bool ready;
    atomic_int_fast64_t read_at_us; /* written before `ready` */
    struct shard shards[SHARDS];
    struct filter filters[SHARDS]; /* behind the rest, since only the pages of bits that are set take memory */
};

static bool shard_init(struct shard *shard) {
    shard->slots = calloc(SMALLEST, sizeof *shard->slots);
    shard->capacity = SMALLEST;
    pthread_mutex_init(&shard->lock, NULL);
    return shard->slots != NULL;
}

struct revoked_sessions *revoked_sessions_create(int64_t access_ttl_s) {
    struct revoked_sessions *set = calloc(1, sizeof *set);
    if (set == NULL)
        return NULL;
    bool initialised = true;
    for (size_t i = 0; i < SHARDS; i++)
        initialised = shard_init(&set->shards[i]) && initialised;
    set->keep_s = access_ttl_s + REVOKED_SESSIONS_MARGIN_S;
    crypto_shorthash_keygen(set->hash_key);
    atomic_init(&set->ready, false);
    atomic_init(&set->read_at_us, 0);
    if (!initialised) {
        revoked_sessions_destroy(set);
        return NULL;
    }
    return set;
}

void revoked_sessions_destroy(struct revoked_sessions *set) {
    if (set == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&set->shards[i].lock);
        free(set->shards[i].slots);
    }
    free(set);
}

/* The low bits choose the shard, the others the first slot in it. */
static uint64_t hash_of(const struct revoked_sessions *set, const struct uuid *session_id) {
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, session_id->bytes, sizeof session_id->bytes, set->hash_key);
    return hash;
}

static size_t bit_of(uint64_t hash) {
    return (size_t)(hash >> 32) % FILTER_BITS;
}

static void filter_add(struct filter *filter, uint64_t hash) {
    atomic_fetch_or(&filter->words[bit_of(hash) / WORD_BITS], UINT64_C(1) << bit_of(hash) % WORD_BITS);
}

static bool filter_may_contain(struct filter *filter, uint64_t hash) {
    return (atomic_load(&filter->words[bit_of(hash) / WORD_BITS]) & UINT64_C(1) << bit_of(hash) % WORD_BITS) != 0;
}

static size_t first_place(uint64_t hash, size_t capacity) {
    return (size_t)(hash / SHARDS) & (capacity - 1);
}

/* The slot of this id, else the one to use for it: the first in its chain that has expired, or the empty one at the end. */
static struct slot *find_slot(const struct shard *shard, uint64_t hash, const struct uuid *session_id, int64_t now_s) {
    assert(shard->used < shard->capacity); /* an empty slot ends the search */
    struct slot *expired = NULL;
    size_t place = first_place(hash, shard->capacity);
    for (;; place = (place + 1) & (shard->capacity - 1)) {
        struct slot *slot = &shard->slots[place];
        if (slot->expires_at == 0)
            return expired != NULL ? expired : slot;
        if (uuid_equal(&slot->session_id, session_id))
            return slot;
        if (expired == NULL && slot->expires_at <= now_s)
            expired = slot;
    }
}

static size_t count_live(const struct shard *shard, int64_t now_s) {
    size_t live = 0;
    for (size_t i = 0; i < shard->capacity; i++)
        live += shard->slots[i].expires_at > now_s;
    return live;
}

static void move_live(const struct revoked_sessions *set, const struct shard *from, struct shard *to, int64_t now_s) {
    for (size_t i = 0; i < from->capacity; i++) {
        const struct slot *slot = &from->slots[i];
        if (slot->expires_at > now_s) {
            *find_slot(to, hash_of(set, &slot->session_id), &slot->session_id, INT64_MIN) = *slot;
            to->used++;
        }
    }
}

/* Clears the bits of what is no longer there. Word by word, so that no bit that is to stay is ever clear. */
static void rebuild_filter(struct revoked_sessions *set, const struct shard *shard) {
    struct filter *filter = &set->filters[shard - set->shards];
    uint64_t words[FILTER_WORDS] = { 0 };
    for (size_t i = 0; i < shard->capacity; i++) {
        if (shard->slots[i].expires_at == 0)
            continue;
        size_t bit = bit_of(hash_of(set, &shard->slots[i].session_id));
        words[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
    }
    for (size_t i = 0; i < FILTER_WORDS; i++)
        if (atomic_load(&filter->words[i]) != words[i])
            atomic_store(&filter->words[i], words[i]);
}

/* Moves what has not expired into a table that it fills to a quarter at most; false if out of memory. */
static bool rebuild(struct revoked_sessions *set, struct shard *shard, int64_t now_s) {
    size_t live = count_live(shard, now_s);
    struct shard larger = { .capacity = SMALLEST };
    while (larger.capacity / 4 < live)
        larger.capacity *= 2;
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    move_live(set, shard, &larger, now_s);
    free(shard->slots);
    shard->slots = larger.slots;
    shard->capacity = larger.capacity;
    shard->used = larger.used;
    rebuild_filter(set, shard);
    return true;
}

static enum status add(struct revoked_sessions *set, struct shard *shard, uint64_t hash, const struct uuid *session_id,
                       int64_t expires_at, int64_t now_s) {
    /* a table that is half full is replaced; without memory for a new one the old one is filled further, but not whole */
    if (shard->used >= shard->capacity / 2 && !rebuild(set, shard, now_s) && shard->used >= shard->capacity - shard->capacity / 8)
        return STATUS_OUT_OF_MEMORY;
    struct slot *slot = find_slot(shard, hash, session_id, now_s);
    bool again = slot->expires_at != 0 && uuid_equal(&slot->session_id, session_id);
    if (again && slot->expires_at >= expires_at)
        return STATUS_OK;
    shard->used += slot->expires_at == 0;
    *slot = (struct slot){ *session_id, expires_at };
    filter_add(&set->filters[shard - set->shards], hash);
    return STATUS_OK;
}

enum status revoked_sessions_add_until(struct revoked_sessions *set, const struct uuid *session_id, int64_t until_s,
                                       int64_t now_s) {
    uint64_t hash = hash_of(set, session_id);
    struct shard *shard = &set->shards[hash % SHARDS];
    pthread_mutex_lock(&shard->lock);
    enum status status = until_s <= now_s ? STATUS_OK : add(set, shard, hash, session_id, until_s, now_s);
    pthread_mutex_unlock(&shard->lock);
    return status;
}

enum status revoked_sessions_add(struct revoked_sessions *set, const struct uuid *session_id, int64_t now_s) {
    return revoked_sessions_add_until(set, session_id, now_s + set->keep_s, now_s);
}

bool revoked_sessions_contain(struct revoked_sessions *set, const struct uuid *session_id) {
    uint64_t hash = hash_of(set, session_id);
    struct shard *shard = &set->shards[hash % SHARDS];
    if (!filter_may_contain(&set->filters[hash % SHARDS], hash))
        return false;
    pthread_mutex_lock(&shard->lock);
    /* at a time when no slot has expired, the search ends at the id itself or at an empty slot */
    bool found = find_slot(shard, hash, session_id, INT64_MIN)->expires_at != 0;
    pthread_mutex_unlock(&shard->lock);
    return found;
}

void revoked_sessions_set_read(struct revoked_sessions *set, int64_t at_us) {
    atomic_store(&set->read_at_us, at_us);
    atomic_store(&set->ready, true);
}

bool revoked_sessions_are_ready(const struct revoked_sessions *set) {
    return atomic_load(&set->ready);
}

int64_t revoked_sessions_age_us(const struct revoked_sessions *set, int64_t now_us) {
    assert(revoked_sessions_are_ready(set));
    int64_t age_us = now_us - atomic_load(&set->read_at_us);
    return age_us > 0 ? age_us : 0; /* it was read after the caller had read the clock */
}

size_t revoked_sessions_count(struct revoked_sessions *set) {
    size_t used = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&set->shards[i].lock);
        used += set->shards[i].used;
        pthread_mutex_unlock(&set->shards[i].lock);
    }
    return used;
}
