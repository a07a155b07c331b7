/* A hash map with chains: 65,536 of them, of which only those that are used touch memory: the locks, which are written at the
 * start, lie elsewhere. Most searches are for users whose chain is empty: they read its head, and write nothing that other
 * threads read. */
#include "jwtd/current_roles.h"

#include "claims.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS 1024 /* of a shard */
#define CACHE_LINE 64
/* As for revoked sessions: two leeways, and half a minute for tokens that are signed by requests which were under way. */
#define MARGIN_S (2 * ACCESS_TOKEN_LEEWAY_S + 30)

struct entry;
typedef _Atomic(struct entry *) entry_link; /* a head is read without the lock */

struct entry {
    entry_link next;
    struct uuid user_id;
    int64_t expires_at;
    size_t len;
    char roles[]; /* compact JSON */
};

/* Each in a cache line of its own. */
struct shard {
    alignas(CACHE_LINE) pthread_mutex_t lock; /* guards the entries, and is held by who changes a chain */
    entry_link *chains;                       /* CHAINS of the map's */
};

struct current_roles {
    int64_t keep_s;
    uint8_t hash_key[crypto_shorthash_KEYBYTES];
    atomic_bool ready;
    atomic_size_t count;
    atomic_uint next_to_expire;
    struct shard shards[CURRENT_ROLES_SHARDS];
    entry_link *chains; /* of all shards */
};

struct current_roles *current_roles_create(int64_t access_ttl_s) {
    struct current_roles *map = aligned_alloc(CACHE_LINE, sizeof *map);
    if (map == NULL)
        return NULL;
    memset(map, 0, sizeof *map);
    map->chains = (entry_link *)calloc((size_t)CURRENT_ROLES_SHARDS * CHAINS, sizeof(entry_link));
    if (map->chains == NULL) {
        free(map);
        return NULL;
    }
    map->keep_s = access_ttl_s + MARGIN_S;
    crypto_shorthash_keygen(map->hash_key);
    for (size_t i = 0; i < CURRENT_ROLES_SHARDS; i++) {
        pthread_mutex_init(&map->shards[i].lock, NULL);
        map->shards[i].chains = map->chains + i * CHAINS;
    }
    return map;
}

static void remove_entry(struct current_roles *map, entry_link *link) {
    struct entry *entry = atomic_load(link);
    atomic_store(link, atomic_load(&entry->next));
    free(entry);
    size_t before = atomic_fetch_sub(&map->count, 1);
    assert(before > 0);
}

static void remove_expired_in(struct current_roles *map, struct shard *shard, int64_t now_s) {
    pthread_mutex_lock(&shard->lock);
    for (size_t i = 0; i < CHAINS; i++) {
        entry_link *link = &shard->chains[i];
        for (struct entry *entry; (entry = atomic_load(link)) != NULL;)
            if (entry->expires_at <= now_s)
                remove_entry(map, link);
            else
                link = &entry->next;
    }
    pthread_mutex_unlock(&shard->lock);
}

void current_roles_expire(struct current_roles *map, int64_t now_s) {
    if (atomic_load(&map->count) > 0) {
        unsigned turn = atomic_fetch_add(&map->next_to_expire, 1);
        remove_expired_in(map, &map->shards[turn % CURRENT_ROLES_SHARDS], now_s);
    }
}

void current_roles_destroy(struct current_roles *map) {
    if (map == NULL)
        return;
    for (size_t i = 0; i < CURRENT_ROLES_SHARDS; i++) {
        remove_expired_in(map, &map->shards[i], INT64_MAX);
        pthread_mutex_destroy(&map->shards[i].lock);
    }
    free((void *)map->chains);
    free(map);
}

static struct shard *find_chain(struct current_roles *map, const struct uuid *user_id, size_t *chain) {
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, user_id->bytes, sizeof user_id->bytes, map->hash_key);
    *chain = (size_t)(hash / CURRENT_ROLES_SHARDS) % CHAINS;
    return &map->shards[hash % CURRENT_ROLES_SHARDS];
}

/* The link to the user's entry, or to the NULL at the end. The lock is held. */
static entry_link *find_link(struct shard *shard, size_t chain, const struct uuid *user_id) {
    entry_link *link = &shard->chains[chain];
    for (struct entry *entry; (entry = atomic_load(link)) != NULL && !uuid_equal(&entry->user_id, user_id);)
        link = &entry->next;
    return link;
}

/* In place of the user's earlier entry, or in front of the others. One store, so that who reads the head without the lock never
 * finds a chain empty in which the user is. */
static void put(struct current_roles *map, entry_link *earlier_link, entry_link *head, struct entry *entry) {
    struct entry *earlier = atomic_load(earlier_link);
    if (earlier != NULL) {
        atomic_store(&entry->next, atomic_load(&earlier->next));
        atomic_store(earlier_link, entry);
        free(earlier);
        return;
    }
    atomic_fetch_add(&map->count, 1);
    atomic_store(&entry->next, atomic_load(head));
    atomic_store(head, entry);
}

enum status current_roles_set(struct current_roles *map, const struct uuid *user_id, struct text roles_json, int64_t now_s) {
    char compact[ROLES_JSON_MAX_LEN];
    size_t len, dropped, chain;
    enum status status = roles_json_read(roles_json, compact, &len, &dropped);
    if (status != STATUS_OK)
        return status == STATUS_INVALID_JSON ? STATUS_INTERNAL : status;
    struct entry *entry = malloc(sizeof *entry + len);
    if (entry == NULL)
        return STATUS_OUT_OF_MEMORY;
    *entry = (struct entry){ .next = NULL, .user_id = *user_id, .expires_at = now_s + map->keep_s, .len = len };
    memcpy(entry->roles, compact, len);
    struct shard *shard = find_chain(map, user_id, &chain);
    pthread_mutex_lock(&shard->lock);
    put(map, find_link(shard, chain, user_id), &shard->chains[chain], entry);
    pthread_mutex_unlock(&shard->lock);
    return STATUS_OK;
}

enum status current_roles_apply(struct current_roles *map, struct arena *arena, struct access_claims *claims) {
    size_t chain;
    if (atomic_load_explicit(&map->count, memory_order_relaxed) == 0)
        return STATUS_OK;
    enum status status = STATUS_OK;
    struct shard *shard = find_chain(map, &claims->user_id, &chain);
    if (atomic_load(&shard->chains[chain]) == NULL)
        return STATUS_OK;
    pthread_mutex_lock(&shard->lock);
    const struct entry *entry = atomic_load(find_link(shard, chain, &claims->user_id));
    if (entry != NULL) {
        claims->roles_json = (struct text){ arena_copy(arena, entry->roles, entry->len), entry->len };
        status = claims->roles_json.bytes != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
    }
    pthread_mutex_unlock(&shard->lock);
    return status;
}

void current_roles_set_ready(struct current_roles *map) {
    atomic_store(&map->ready, true);
}

bool current_roles_are_ready(const struct current_roles *map) {
    return atomic_load(&map->ready);
}

size_t current_roles_count(struct current_roles *map) {
    return atomic_load(&map->count);
}
