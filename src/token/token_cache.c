/*
 * An eight-way set-associative table. An entry is read without a lock: its version is odd while it is written, and a reader that
 * finds another version after it has read than before takes nothing of what it read (a sequence lock). What is read meanwhile may
 * be of two tokens, so it is stored in atomic words; each is written with release and read with acquire, so that a thread that
 * has read a word of a later version sees that version, too.
 */
#include "token_cache.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WAYS ((size_t)8)
#define SETS (TOKEN_CACHE_CAPACITY / WAYS)
#define LOCKS 16
#define WORD sizeof(uint64_t)
#define ENTRY_WORDS 192
#define ROLES_WORDS (TOKEN_CACHE_ROLES_MAX / WORD)
#define TOKEN_WORDS (TOKEN_CACHE_TOKEN_MAX / WORD)
#define HASHED_LEN 32

/* What an entry holds in front of the roles and the token. */
struct head {
    struct fixed_claims fixed;
    uint32_t token_len, roles_len;
};

#define HEAD_WORDS (sizeof(struct head) / WORD)

_Static_assert(sizeof(struct head) % WORD == 0, "it is copied in words");
_Static_assert(TOKEN_CACHE_ROLES_MAX % WORD == 0 && TOKEN_CACHE_ROLES_MAX <= ROLES_JSON_MAX_LEN, "roles are copied in words");
_Static_assert(TOKEN_CACHE_TOKEN_MAX % WORD == 0 && 1 + HEAD_WORDS + ROLES_WORDS + TOKEN_WORDS == ENTRY_WORDS,
               "entries are full");

struct entry {
    atomic_uint_fast64_t version; /* odd: it is being written */
    atomic_uint_fast64_t head[HEAD_WORDS];
    atomic_uint_fast64_t roles[ROLES_WORDS];
    atomic_uint_fast64_t token[TOKEN_WORDS];
};

struct set {
    /* Of each way, 0 while it is empty: apart from the entries, so that a search touches no other entry. Only a hint for who
     * holds no lock. */
    atomic_uint_fast64_t hashes[WAYS];
    struct entry entries[WAYS];
};

struct token_cache {
    uint8_t hash_key[crypto_shorthash_KEYBYTES]; /* apart from the locks, which are written */
    struct set sets[SETS];
    pthread_mutex_t locks[LOCKS]; /* each guards the writing of every LOCKS-th set */
};

struct token_cache *token_cache_create(void) {
    struct token_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return NULL;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&cache->locks[i], NULL);
    crypto_shorthash_keygen(cache->hash_key);
    return cache;
}

void token_cache_destroy(struct token_cache *cache) {
    if (cache == NULL)
        return;
    for (size_t i = 0; i < SETS * WAYS; i++)
        if (atomic_load(&cache->sets[i / WAYS].hashes[i % WAYS]) != 0)
            sodium_memzero(&cache->sets[i / WAYS].entries[i % WAYS], sizeof(struct entry));
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&cache->locks[i]);
    sodium_memzero(cache->hash_key, sizeof cache->hash_key);
    free(cache);
}

static void store_words(atomic_uint_fast64_t *words, const void *bytes, size_t len) {
    for (size_t at = 0; at < len; at += WORD) {
        uint64_t word = 0;
        memcpy(&word, (const char *)bytes + at, len - at < WORD ? len - at : WORD);
        atomic_store_explicit(&words[at / WORD], word, memory_order_release);
    }
}

/* Whole words: `bytes` has space for them. */
static void load_words(atomic_uint_fast64_t *words, void *bytes, size_t len) {
    for (size_t at = 0; at < len; at += WORD) {
        uint64_t word = atomic_load_explicit(&words[at / WORD], memory_order_acquire);
        memcpy((char *)bytes + at, &word, WORD);
    }
}

/* Does not end at the first difference, so that its time shows nothing of the token that is kept. */
static bool words_equal(atomic_uint_fast64_t *words, struct text text) {
    uint64_t difference = 0, last = 0;
    size_t whole = text.len / WORD;
    for (size_t i = 0; i < whole; i++) {
        uint64_t word;
        memcpy(&word, text.bytes + i * WORD, WORD);
        difference |= word ^ atomic_load_explicit(&words[i], memory_order_acquire);
    }
    if (text.len % WORD != 0) {
        memcpy(&last, text.bytes + whole * WORD, text.len % WORD);
        difference |= last ^ atomic_load_explicit(&words[whole], memory_order_acquire);
    }
    return difference == 0;
}

/* Never 0. */
static uint64_t hash_of(const struct token_cache *cache, struct text token) {
    size_t len = token.len < HASHED_LEN ? token.len : HASHED_LEN;
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)token.bytes + token.len - len, len, cache->hash_key);
    return hash != 0 ? hash : 1;
}

/* False also while another thread writes the entry. */
static bool read_entry(struct entry *entry, struct text token, struct token_claims *claims) {
    uint64_t version = atomic_load_explicit(&entry->version, memory_order_acquire);
    struct head head;
    load_words(entry->head, &head, sizeof head);
    if (version % 2 != 0 || head.token_len != token.len || !words_equal(entry->token, token))
        return false;
    assert(head.roles_len <= TOKEN_CACHE_ROLES_MAX);
    claims->fixed = head.fixed;
    claims->roles_len = head.roles_len;
    load_words(entry->roles, claims->roles, head.roles_len);
    return atomic_load_explicit(&entry->version, memory_order_relaxed) == version;
}

bool token_cache_find(struct token_cache *cache, struct text token, struct token_claims *claims) {
    uint64_t hash = hash_of(cache, token);
    struct set *set = &cache->sets[hash % SETS];
    for (size_t i = 0; i < WAYS; i++)
        if (atomic_load_explicit(&set->hashes[i], memory_order_relaxed) == hash && read_entry(&set->entries[i], token, claims))
            return true;
    return false;
}

static int64_t expires_at(struct entry *entry) {
    struct head head;
    load_words(entry->head, &head, sizeof head);
    return head.fixed.expires_at;
}

/* The way that has this hash, else the first to expire; an empty one expired at 0. The lock is held. */
static size_t choose_way(struct set *set, uint64_t hash) {
    size_t victim = 0;
    for (size_t i = 0; i < WAYS; i++) {
        if (atomic_load_explicit(&set->hashes[i], memory_order_relaxed) == hash)
            return i;
        if (expires_at(&set->entries[i]) < expires_at(&set->entries[victim]))
            victim = i;
    }
    return victim;
}

/* The lock is held. */
static void write_entry(struct entry *entry, struct text token, const struct token_claims *claims) {
    struct head head = { .fixed = claims->fixed, .token_len = (uint32_t)token.len, .roles_len = (uint32_t)claims->roles_len };
    uint64_t version = atomic_load_explicit(&entry->version, memory_order_relaxed);
    atomic_store_explicit(&entry->version, version + 1, memory_order_relaxed);
    store_words(entry->head, &head, sizeof head);
    store_words(entry->roles, claims->roles, claims->roles_len);
    store_words(entry->token, token.bytes, token.len);
    atomic_store_explicit(&entry->version, version + 2, memory_order_release);
}

void token_cache_keep(struct token_cache *cache, struct text token, const struct token_claims *claims) {
    if (token.len > TOKEN_CACHE_TOKEN_MAX || claims->roles_len > TOKEN_CACHE_ROLES_MAX)
        return;
    uint64_t hash = hash_of(cache, token);
    size_t index = hash % SETS;
    struct set *set = &cache->sets[index];
    pthread_mutex_t *lock = &cache->locks[index % LOCKS];
    pthread_mutex_lock(lock);
    size_t way = choose_way(set, hash);
    write_entry(&set->entries[way], token, claims);
    atomic_store_explicit(&set->hashes[way], hash, memory_order_relaxed);
    pthread_mutex_unlock(lock);
}
