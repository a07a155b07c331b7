#include "jwtd/limiter.h"

#include "jwtd/metrics.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_PER_SET 16
#define LOCKS 32
#define CACHE_LINE 64
#define UNKNOWN_CLIENT_DIVISOR 4

struct entry {
    uint64_t key[2];     /* zero: empty */
    int64_t full_us;     /* when the bucket will be full again */
    int64_t locked_us;   /* until when it is locked */
    uint32_t lock_count; /* in a row */
    uint32_t pending;    /* tokens of a class that locks whose outcome is not known yet */
};

struct set {
    struct entry entries[ENTRIES_PER_SET];
};

/* The kinds of subject that differ in size and rate. */
enum tier { TIER_CLIENT, TIER_UNKNOWN_CLIENT, TIER_SITE, TIER_COUNT };

/* A rule for one tier, computed once for all decisions. */
struct rule {
    const char *name;
    int64_t token_us; /* the time in which one token is refilled; 0: the class is not limited */
    unsigned burst;
    int64_t lock_us, lock_max_us;
};

/* In a cache line of its own, so that threads that take different ones do not meet. */
struct padded_lock {
    alignas(CACHE_LINE) pthread_mutex_t lock;
};

struct limiter {
    struct rule rules[LIMIT_CLASS_COUNT][TIER_COUNT];
    uint8_t secret[crypto_shorthash_siphashx24_KEYBYTES]; /* so that no client can choose the set that its key falls into */
    /* Each guards the entries of every LOCKS-th set. With one held the rules may be read, with all held they may be written.
     * Several are taken in their order. */
    struct padded_lock locks[LOCKS];
    size_t set_count;
    struct set *sets; /* zero pages until a bucket is used */
};

/* ---- rules ---- */

static struct rule rule_for_tier(const struct limit_rule *rule, enum tier tier) {
    struct rule result = {
        .name = tier == TIER_SITE ? rule->site_name : rule->name,
        .burst = rule->burst,
        .lock_us = rule->lock_us,
        .lock_max_us = rule->lock_max_us,
    };
    if (rule->amount == 0 || rule->burst == 0)
        return result;
    int64_t period_us = rule->period_us;
    int64_t amount = rule->amount;
    if (tier == TIER_UNKNOWN_CLIENT) {
        period_us *= UNKNOWN_CLIENT_DIVISOR;
        result.burst = (rule->burst + UNKNOWN_CLIENT_DIVISOR - 1) / UNKNOWN_CLIENT_DIVISOR;
    } else if (tier == TIER_SITE) {
        amount *= SITE_MULTIPLE;
        result.burst *= SITE_MULTIPLE;
    }
    result.token_us = period_us > amount ? period_us / amount : 1;
    if (rule->lock_us == LIMIT_LOCK_ONE_TOKEN)
        result.lock_us = result.lock_max_us = result.token_us;
    return result;
}

static void read_rules(struct limiter *limiter, const struct limit_rule rules[LIMIT_CLASS_COUNT]) {
    for (size_t bucket_class = 0; bucket_class < LIMIT_CLASS_COUNT; bucket_class++)
        for (enum tier tier = 0; tier < TIER_COUNT; tier++)
            limiter->rules[bucket_class][tier] = rule_for_tier(&rules[bucket_class], tier);
}

void limiter_set_rules(struct limiter *limiter, const struct limit_rule rules[LIMIT_CLASS_COUNT]) {
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_lock(&limiter->locks[i].lock);
    read_rules(limiter, rules);
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_unlock(&limiter->locks[i].lock);
}

/* ---- making and ending ---- */

struct limiter *limiter_create(const struct limit_rule rules[LIMIT_CLASS_COUNT], size_t table_size) {
    struct limiter *limiter = aligned_alloc(alignof(struct limiter), sizeof *limiter);
    if (limiter == NULL)
        return NULL;
    memset(limiter, 0, sizeof *limiter);
    limiter->set_count = table_size / ENTRIES_PER_SET + (table_size % ENTRIES_PER_SET != 0 || table_size == 0);
    limiter->sets = calloc(limiter->set_count, sizeof *limiter->sets);
    if (limiter->sets == NULL) {
        free(limiter);
        return NULL;
    }
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&limiter->locks[i].lock, NULL);
    read_rules(limiter, rules);
    randombytes_buf(limiter->secret, sizeof limiter->secret);
    return limiter;
}

void limiter_destroy(struct limiter *limiter) {
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&limiter->locks[i].lock);
    sodium_memzero(limiter->secret, sizeof limiter->secret);
    free(limiter->sets);
    free(limiter);
}

/* ---- keys ---- */

/* What a bucket belongs to. It is hashed, so that keys have one size and no client can choose its own. */
struct subject {
    uint8_t kind;
    uint8_t address[16];
    uint8_t name[crypto_generichash_BYTES];
};

enum {
    SUBJECT_CLIENT = 1,
    SUBJECT_SITE,
    SUBJECT_UNKNOWN_CLIENT,
    SUBJECT_ACCOUNT,
    SUBJECT_ACCOUNT_AT_NETWORK,
    SUBJECT_ACCOUNT_AT_SITE
};

/* A client has no name, and hashing without one takes half the time. */
static void hash_subject(const struct limiter *limiter, const struct subject *subject, uint64_t words[2]) {
    size_t len = subject->kind < SUBJECT_ACCOUNT ? offsetof(struct subject, name) : sizeof *subject;
    crypto_shorthash_siphashx24((unsigned char *)words, (const unsigned char *)subject, len, limiter->secret);
}

struct limit_key limiter_key_of_client(const struct limiter *limiter, const struct address *client, const struct address *peer) {
    struct limit_key key = { .is_strict = !client->known };
    struct subject subject = { .kind = client->known ? SUBJECT_CLIENT : SUBJECT_UNKNOWN_CLIENT };
    const struct address *known = client->known ? client : peer;
    if (known->known)
        address_network(known, subject.address);
    hash_subject(limiter, &subject, key.words);
    subject.kind = SUBJECT_SITE;
    key.has_site = client->known && address_site(client, subject.address);
    if (key.has_site)
        hash_subject(limiter, &subject, key.site_words);
    return key;
}

struct limit_key limiter_key_of_account(const struct limiter *limiter, struct text name, enum account_scope scope,
                                        const struct address *client) {
    struct limit_key key = { .has_site = false };
    struct subject subject = { .kind = scope == ACCOUNT_ALONE ? SUBJECT_ACCOUNT : SUBJECT_ACCOUNT_AT_NETWORK };
    if (scope != ACCOUNT_ALONE && client->known) {
        if (scope == ACCOUNT_AT_SITE && address_site(client, subject.address))
            subject.kind = SUBJECT_ACCOUNT_AT_SITE;
        else
            address_network(client, subject.address);
    }
    crypto_generichash(subject.name, sizeof subject.name, (const unsigned char *)name.bytes, name.len, NULL, 0);
    hash_subject(limiter, &subject, key.words);
    return key;
}

/* ---- buckets; the lock of their set is held ---- */

static int64_t missing_us(const struct entry *entry, int64_t now_us) {
    return entry->full_us > now_us ? entry->full_us - now_us : 0;
}

static bool has_key(const struct entry *entry, const uint64_t key[2]) {
    return entry->key[0] == key[0] && entry->key[1] == key[1];
}

static bool is_empty(const struct entry *entry) {
    return entry->key[0] == 0 && entry->key[1] == 0;
}

/* From then on an entry is the same as a new one. */
static int64_t expires_at_us(const struct entry *entry) {
    return entry->locked_us > entry->full_us ? entry->locked_us : entry->full_us;
}

/* The entry of a key, or, emptied, the one that it replaces: a free one, else the first to expire. Never `kept`. */
static struct entry *find_entry(struct set *set, const uint64_t key[2], const struct entry *kept) {
    struct entry *victim = &set->entries[kept == &set->entries[0]];
    for (size_t i = 0; i < ENTRIES_PER_SET; i++) {
        struct entry *entry = &set->entries[i];
        if (has_key(entry, key))
            return entry;
        if (entry != kept && !is_empty(victim) && (is_empty(entry) || expires_at_us(entry) < expires_at_us(victim)))
            victim = entry;
    }
    *victim = (struct entry){ .key = { key[0], key[1] } };
    return victim;
}

/* Whether a bucket has a token. */
static struct limit_decision check_bucket(const struct rule *rule, const struct entry *entry, int64_t now_us) {
    int64_t token = rule->token_us;
    int64_t missing = missing_us(entry, now_us);
    int64_t left = token * rule->burst - missing;
    int64_t locked = entry->locked_us - now_us;
    struct limit_decision decision = {
        .is_limited = true,
        .allowed = left >= token && locked <= 0,
        .name = rule->name,
        .quota = rule->burst,
        .window_us = token * rule->burst,
        .reset_us = missing,
    };
    if (decision.allowed)
        decision.remaining = (unsigned)(left / token);
    else
        decision.reset_us = decision.retry_after_us = locked > token - left ? locked : token - left;
    return decision;
}

static void reset_expired(const struct rule *rule, struct entry *entry, int64_t now_us) {
    if (expires_at_us(entry) + rule->lock_max_us >= now_us)
        return;
    entry->lock_count = 0;
    entry->pending = 0;
}

static void spend(const struct rule *rule, struct entry *entry, int64_t now_us, struct limit_decision *decision) {
    assert(decision->allowed && decision->remaining > 0);
    entry->full_us = now_us + missing_us(entry, now_us) + rule->token_us;
    entry->pending += rule->lock_us != 0;
    decision->remaining--;
    int64_t missing = missing_us(entry, now_us);
    decision->reset_us = decision->remaining > 0 ? missing : missing - rule->token_us * (rule->burst - 1);
}

static void settle(struct entry *entry) {
    entry->pending -= entry->pending > 0; /* the entry may have been replaced since the token was taken */
}

static void refund(const struct rule *rule, struct entry *entry, int64_t now_us) {
    settle(entry);
    if (entry->full_us > now_us)
        entry->full_us -= rule->token_us;
}

static bool failures_have_used_up(const struct rule *rule, const struct entry *entry, int64_t now_us) {
    int64_t failed_us = missing_us(entry, now_us) - rule->token_us * entry->pending;
    return rule->token_us * rule->burst - failed_us < rule->token_us;
}

static int64_t fail(const struct rule *rule, struct entry *entry, int64_t now_us) {
    settle(entry);
    if (rule->lock_us == 0)
        return 0;
    if (entry->locked_us > now_us)
        return entry->locked_us - now_us;
    if (!failures_have_used_up(rule, entry, now_us))
        return 0;
    int64_t lock_us = rule->lock_us;
    for (uint32_t i = 0; i < entry->lock_count && lock_us < rule->lock_max_us; i++)
        lock_us *= 2;
    lock_us = lock_us < rule->lock_max_us ? lock_us : rule->lock_max_us;
    entry->lock_count++;
    entry->locked_us = now_us + lock_us;
    entry->full_us = entry->locked_us + rule->token_us * (rule->burst - 1);
    return lock_us;
}

/* ---- the buckets of a key ---- */

enum { BUCKETS_MAX = 2 }; /* the client's own, and that of its site */

struct locked_buckets {
    size_t count; /* 0: the class is not limited, and nothing is locked */
    const struct rule *rules[BUCKETS_MAX];
    struct entry *entries[BUCKETS_MAX];
    pthread_mutex_t *locks[BUCKETS_MAX]; /* in their order; the second is NULL if one lock guards both buckets, or there is one */
};

static void release(const struct locked_buckets *locked) {
    for (size_t i = 0; i < BUCKETS_MAX; i++)
        if (locked->locks[i] != NULL)
            pthread_mutex_unlock(locked->locks[i]);
}

static void lock_for(struct limiter *limiter, struct locked_buckets *locked, const size_t sets[BUCKETS_MAX]) {
    size_t one = sets[0] % LOCKS;
    size_t other = locked->count == 2 ? sets[1] % LOCKS : one;
    locked->locks[0] = &limiter->locks[one < other ? one : other].lock;
    locked->locks[1] = one == other ? NULL : &limiter->locks[one < other ? other : one].lock;
    pthread_mutex_lock(locked->locks[0]);
    if (locked->locks[1] != NULL)
        pthread_mutex_lock(locked->locks[1]);
}

/* Locks the buckets of a key, until release, and finds them. */
static void lock_buckets(struct limiter *limiter, enum limit_class bucket_class, const struct limit_key *key,
                         struct locked_buckets *locked) {
    assert(bucket_class < LIMIT_CLASS_COUNT);
    /* one subject has another bucket in each class; the last bit marks an entry that is not empty */
    const uint64_t words[BUCKETS_MAX][2] = {
        { key->words[0] ^ (uint64_t)bucket_class, key->words[1] | 1 },
        { key->site_words[0] ^ (uint64_t)bucket_class, key->site_words[1] | 1 },
    };
    const size_t sets[BUCKETS_MAX] = { words[0][0] % limiter->set_count, words[1][0] % limiter->set_count };
    locked->count = key->has_site ? 2 : 1;
    lock_for(limiter, locked, sets);
    locked->rules[0] = &limiter->rules[bucket_class][key->is_strict ? TIER_UNKNOWN_CLIENT : TIER_CLIENT];
    locked->rules[1] = &limiter->rules[bucket_class][TIER_SITE];
    if (locked->rules[0]->token_us == 0) {
        release(locked);
        locked->count = 0;
        return;
    }
    const struct entry *kept = NULL;
    for (size_t i = 0; i < locked->count; i++) {
        locked->entries[i] = find_entry(&limiter->sets[sets[i]], words[i], kept);
        kept = locked->entries[i];
    }
}

/* The decision to return: the refusal that lasts longer; without one, the bucket with fewer tokens left. */
static bool is_tighter(const struct limit_decision *one, const struct limit_decision *other) {
    if (one->retry_after_us != other->retry_after_us)
        return one->retry_after_us > other->retry_after_us;
    return one->remaining < other->remaining;
}

/* ---- public ---- */

struct limit_decision limiter_take(struct limiter *limiter, enum limit_class bucket_class, struct limit_key key, int64_t now_us) {
    struct locked_buckets locked;
    lock_buckets(limiter, bucket_class, &key, &locked);
    if (locked.count == 0)
        return (struct limit_decision){ .allowed = true };
    struct limit_decision decisions[BUCKETS_MAX];
    bool allowed = true;
    for (size_t i = 0; i < locked.count; i++) {
        reset_expired(locked.rules[i], locked.entries[i], now_us);
        decisions[i] = check_bucket(locked.rules[i], locked.entries[i], now_us);
        allowed = allowed && decisions[i].allowed;
    }
    for (size_t i = 0; allowed && i < locked.count; i++)
        spend(locked.rules[i], locked.entries[i], now_us, &decisions[i]);
    release(&locked);
    if (bucket_class >= LIMIT_REGISTER)
        metric_add(METRIC_LIMITER_DECISIONS,
                   metric_pair(METRIC_LIMITER_DECISIONS, bucket_class - LIMIT_REGISTER,
                               allowed ? METRIC_DECISION_ALLOWED : METRIC_DECISION_REFUSED),
                   1);
    return decisions[locked.count == 2 && is_tighter(&decisions[1], &decisions[0])];
}

void limiter_refund(struct limiter *limiter, enum limit_class bucket_class, struct limit_key key, int64_t now_us) {
    struct locked_buckets locked;
    lock_buckets(limiter, bucket_class, &key, &locked);
    if (locked.count == 0)
        return;
    for (size_t i = 0; i < locked.count; i++)
        refund(locked.rules[i], locked.entries[i], now_us);
    release(&locked);
}

int64_t limiter_fail(struct limiter *limiter, enum limit_class bucket_class, struct limit_key key, int64_t now_us) {
    struct locked_buckets locked;
    lock_buckets(limiter, bucket_class, &key, &locked);
    if (locked.count == 0)
        return 0;
    int64_t longest_us = 0;
    for (size_t i = 0; i < locked.count; i++) {
        int64_t locked_us = fail(locked.rules[i], locked.entries[i], now_us);
        longest_us = locked_us > longest_us ? locked_us : longest_us;
    }
    release(&locked);
    return longest_us;
}
