#include "jwtd/limiter.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_PER_SET 16
#define LOCKS 256
#define STRICTER 4

struct entry {
    uint64_t key[2];     /* zero: empty */
    int64_t full_us;     /* when the bucket will be full again */
    int64_t locked_us;   /* until when it is locked */
    uint32_t lock_count; /* in a row */
};

struct set {
    struct entry entries[ENTRIES_PER_SET];
};

struct limiter {
    pthread_rwlock_t rules_lock;
    struct limit_rule rules[LIMIT_CLASS_COUNT];
    uint8_t secret[crypto_shorthash_siphashx24_KEYBYTES]; /* so that nobody can aim at the set of somebody else */
    pthread_mutex_t locks[LOCKS];                         /* each guards the entries of every LOCKS-th set */
    size_t set_count;
    struct set *sets; /* memory that is touched only as buckets come into use */
};

/* ---- making and ending ---- */

struct limiter *limiter_create(const struct limit_rule rules[LIMIT_CLASS_COUNT], size_t table_size) {
    struct limiter *limiter = calloc(1, sizeof *limiter);
    if (limiter == NULL)
        return NULL;
    limiter->set_count = table_size / ENTRIES_PER_SET + (table_size % ENTRIES_PER_SET != 0 || table_size == 0);
    limiter->sets = calloc(limiter->set_count, sizeof *limiter->sets);
    if (limiter->sets == NULL) {
        free(limiter);
        return NULL;
    }
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&limiter->locks[i], NULL);
    pthread_rwlock_init(&limiter->rules_lock, NULL);
    memcpy(limiter->rules, rules, sizeof limiter->rules);
    randombytes_buf(limiter->secret, sizeof limiter->secret);
    return limiter;
}

void limiter_destroy(struct limiter *limiter) {
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&limiter->locks[i]);
    pthread_rwlock_destroy(&limiter->rules_lock);
    sodium_memzero(limiter->secret, sizeof limiter->secret);
    free(limiter->sets);
    free(limiter);
}

void limiter_set_rules(struct limiter *limiter, const struct limit_rule rules[LIMIT_CLASS_COUNT]) {
    pthread_rwlock_wrlock(&limiter->rules_lock);
    memcpy(limiter->rules, rules, sizeof limiter->rules);
    pthread_rwlock_unlock(&limiter->rules_lock);
}

static struct limit_rule rule_for(struct limiter *limiter, enum limit_class class, bool is_strict) {
    pthread_rwlock_rdlock(&limiter->rules_lock);
    struct limit_rule rule = limiter->rules[class];
    pthread_rwlock_unlock(&limiter->rules_lock);
    if (is_strict) {
        rule.period_us *= STRICTER;
        rule.burst = (rule.burst + STRICTER - 1) / STRICTER;
    }
    return rule;
}

/* ---- keys ---- */

/* What tells one holder of a bucket from another: hashed, so that keys have one size and nobody can choose them. */
struct holder {
    uint8_t kind;
    uint8_t address[16];
    uint8_t name[crypto_generichash_BYTES];
};

enum { HOLDER_CLIENT = 1, HOLDER_UNKNOWN_CLIENT, HOLDER_ACCOUNT, HOLDER_ACCOUNT_AT_ADDRESS };

static struct limit_key hash_holder(const struct limiter *limiter, const struct holder *holder) {
    struct limit_key key = { .is_strict = holder->kind == HOLDER_UNKNOWN_CLIENT };
    crypto_shorthash_siphashx24((unsigned char *)key.words, (const unsigned char *)holder, sizeof *holder, limiter->secret);
    return key;
}

struct limit_key limiter_key_of_client(const struct limiter *limiter, const struct address *client, const struct address *peer) {
    struct holder holder = { .kind = client->known ? HOLDER_CLIENT : HOLDER_UNKNOWN_CLIENT };
    const struct address *known = client->known ? client : peer;
    if (known->known)
        address_network(known, holder.address);
    return hash_holder(limiter, &holder);
}

struct limit_key limiter_key_of_account(const struct limiter *limiter, struct text name, const struct address *client) {
    struct holder holder = { .kind = client == NULL ? HOLDER_ACCOUNT : HOLDER_ACCOUNT_AT_ADDRESS };
    if (client != NULL && client->known)
        address_network(client, holder.address);
    crypto_generichash(holder.name, sizeof holder.name, (const unsigned char *)name.bytes, name.len, NULL, 0);
    return hash_holder(limiter, &holder);
}

/* ---- buckets; the lock of their set is held ---- */

/* The time that one token is worth. */
static int64_t token_us(const struct limit_rule *rule) {
    int64_t us = rule->period_us / rule->amount;
    return us > 0 ? us : 1;
}

static int64_t missing_us(const struct entry *entry, int64_t now_us) {
    return entry->full_us > now_us ? entry->full_us - now_us : 0;
}

static bool has_key(const struct entry *entry, const uint64_t key[2]) {
    return entry->key[0] == key[0] && entry->key[1] == key[1];
}

static bool is_empty(const struct entry *entry) {
    return entry->key[0] == 0 && entry->key[1] == 0;
}

/* From when on an entry says nothing that a new one would not say. */
static int64_t matters_until_us(const struct entry *entry) {
    return entry->locked_us > entry->full_us ? entry->locked_us : entry->full_us;
}

/* The entry of a key, or, emptied, the one whose place it takes: a free one, else the one that matters least. */
static struct entry *find_entry(struct set *set, const uint64_t key[2]) {
    struct entry *least = &set->entries[0];
    for (size_t i = 0; i < ENTRIES_PER_SET; i++) {
        struct entry *entry = &set->entries[i];
        if (has_key(entry, key))
            return entry;
        if (!is_empty(least) && (is_empty(entry) || matters_until_us(entry) < matters_until_us(least)))
            least = entry;
    }
    *least = (struct entry){ .key = { key[0], key[1] } };
    return least;
}

/* What a bucket says to one who wants a token. */
static struct limit_decision judge(const struct limit_rule *rule, const struct entry *entry, int64_t now_us) {
    int64_t token = token_us(rule);
    int64_t missing = missing_us(entry, now_us);
    int64_t room = token * rule->burst - missing;
    int64_t locked = entry->locked_us - now_us;
    struct limit_decision decision = {
        .is_limited = true,
        .allowed = room >= token && locked <= 0,
        .name = rule->name,
        .quota = rule->burst,
        .window_us = token * rule->burst,
        .reset_us = missing,
    };
    if (decision.allowed)
        decision.remaining = (unsigned)(room / token);
    else
        decision.retry_after_us = locked > token - room ? locked : token - room;
    return decision;
}

static struct limit_decision take(const struct limit_rule *rule, struct entry *entry, int64_t now_us) {
    if (matters_until_us(entry) + rule->lock_max_us < now_us)
        entry->lock_count = 0;
    struct limit_decision decision = judge(rule, entry, now_us);
    if (!decision.allowed)
        return decision;
    entry->full_us = now_us + missing_us(entry, now_us) + token_us(rule);
    decision.remaining--;
    decision.reset_us = entry->full_us - now_us;
    return decision;
}

static int64_t lock_if_used_up(const struct limit_rule *rule, struct entry *entry, int64_t now_us) {
    struct limit_decision decision = judge(rule, entry, now_us);
    if (decision.allowed || rule->lock_us == 0)
        return 0;
    if (entry->locked_us > now_us)
        return entry->locked_us - now_us;
    int64_t lock_us = rule->lock_us;
    for (uint32_t i = 0; i < entry->lock_count && lock_us < rule->lock_max_us; i++)
        lock_us *= 2;
    lock_us = lock_us < rule->lock_max_us ? lock_us : rule->lock_max_us;
    entry->lock_count++;
    entry->locked_us = now_us + lock_us;
    entry->full_us = entry->locked_us + token_us(rule) * (rule->burst - 1);
    return lock_us;
}

/* ---- for everybody ---- */

static bool is_unlimited(const struct limit_rule *rule) {
    return rule->amount == 0 || rule->burst == 0;
}

/* Gives the entry, and the lock that guards it, which the caller must open. */
static struct entry *lock_entry(struct limiter *limiter, enum limit_class class, const struct limit_key *key,
                                pthread_mutex_t **lock) {
    /* one holder has another bucket in each class; the last bit says that the entry is not empty */
    uint64_t words[2] = { key->words[0] ^ (uint64_t) class, key->words[1] | 1 };
    size_t index = words[0] % limiter->set_count;
    *lock = &limiter->locks[index % LOCKS];
    pthread_mutex_lock(*lock);
    return find_entry(&limiter->sets[index], words);
}

struct limit_decision limiter_take(struct limiter *limiter, enum limit_class class, struct limit_key key, int64_t now_us) {
    struct limit_rule rule = rule_for(limiter, class, key.is_strict);
    if (is_unlimited(&rule))
        return (struct limit_decision){ .allowed = true };
    pthread_mutex_t *lock;
    struct entry *entry = lock_entry(limiter, class, &key, &lock);
    struct limit_decision decision = take(&rule, entry, now_us);
    pthread_mutex_unlock(lock);
    return decision;
}

void limiter_give_back(struct limiter *limiter, enum limit_class class, struct limit_key key, int64_t now_us) {
    struct limit_rule rule = rule_for(limiter, class, key.is_strict);
    if (is_unlimited(&rule))
        return;
    pthread_mutex_t *lock;
    struct entry *entry = lock_entry(limiter, class, &key, &lock);
    if (entry->full_us > now_us)
        entry->full_us -= token_us(&rule);
    pthread_mutex_unlock(lock);
}

int64_t limiter_fail(struct limiter *limiter, enum limit_class class, struct limit_key key, int64_t now_us) {
    struct limit_rule rule = rule_for(limiter, class, key.is_strict);
    if (is_unlimited(&rule))
        return 0;
    pthread_mutex_t *lock;
    struct entry *entry = lock_entry(limiter, class, &key, &lock);
    int64_t locked_us = lock_if_used_up(&rule, entry, now_us);
    pthread_mutex_unlock(lock);
    return locked_us;
}
