/*
 * limiter: token buckets in a fixed table.
 *
 * A class says how large a bucket is and how fast it refills; a key says whose bucket it is. A bucket is kept as one moment, the
 * time at which it will be full again, so that refilling costs nothing and a full bucket needs no entry. The table never grows:
 * it is cut into sets of 16 entries, guarded by sharded locks, and a new key replaces the entry that has been full for the
 * longest, or will be full soonest. A million addresses evict buckets that are nearly full, and cost no memory.
 *
 * An IPv6 client takes from two buckets: that of its network (/64) and that of its site (/48), which holds SITE_MULTIPLE times as
 * much. It takes one token of each or none at all, and the decision is that of the bucket with less left.
 *
 * A bucket of a class with lock_us can also be locked: limiter_fail locks one whose tokens have all been used up by failures, for
 * lock_us the first time and twice as long with each repetition, up to lock_max_us. When the lock opens there is one token.
 * Tokens whose outcome is not known yet count as used, but do not lock. The count of repetitions is reset when the bucket has
 * been full for lock_max_us.
 *
 * Counters live in the memory of one instance: a restart forgets them, and N instances allow up to N times as much. All functions
 * return at once and cannot fail, and callers rely on both: a store that is shared between instances can only correct these
 * buckets from time to time, not stand in their place.
 * All functions but create and destroy are safe from every thread. Time comes in as an argument (clock_monotonic_us).
 */
#ifndef JWTD_LIMITER_H
#define JWTD_LIMITER_H

#include "jwtd/network.h"
#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum limit_class {
    LIMIT_UNSET,    /* a route that forgets the column does not start */
    LIMIT_NONE,     /* never limited */
    LIMIT_REGISTER, /* by address, as the next three */
    LIMIT_LOGIN,
    LIMIT_REFRESH,
    LIMIT_ACCOUNT,          /* the rest of /auth */
    LIMIT_ADDRESS_FAILURES, /* by address, as the above, over all accounts */
    LIMIT_LOGIN_FAILURES, /* by account and address; an account is a canonical e-mail address, whether it is registered or not */
    LIMIT_ACCOUNT_FAILURES, /* by account, from all addresses together that it does not know */
    LIMIT_CLASS_COUNT
};

#define LIMIT_LOCK_ONE_TOKEN (-1) /* as lock_us: every lock ends when the next token comes back */

/* `amount` tokens come back in `period_us`, at most `burst` are there at once. amount 0: the class is not limited. */
struct limit_rule {
    const char *name; /* as in RateLimit-Policy; lives as long as the limiter, as the next */
    const char *site_name;
    unsigned amount;
    int64_t period_us;
    unsigned burst;
    int64_t lock_us; /* 0: is never locked */
    int64_t lock_max_us;
};

struct limit_key {
    uint64_t words[2];
    uint64_t site_words[2];
    bool has_site;
    bool is_strict; /* a quarter of what the class allows */
};

struct limit_decision {
    bool is_limited; /* false: the class has no limit, and nothing below means anything but `allowed` */
    bool allowed;
    const char *name;
    unsigned quota;         /* tokens of a full bucket */
    int64_t window_us;      /* in which an empty bucket fills */
    unsigned remaining;     /* whole tokens left */
    int64_t reset_us;       /* until the bucket is full again */
    int64_t retry_after_us; /* until there is a token; 0 when allowed */
};

struct limiter;

/* `table_size` entries (rounded up to a multiple of 16); `rules` one for each class, copied. NULL if out of memory. */
struct limiter *limiter_create(const struct limit_rule rules[LIMIT_CLASS_COUNT], size_t table_size);
void limiter_destroy(struct limiter *limiter);

/* Replaces the rules; what the buckets hold stays. */
void limiter_set_rules(struct limiter *limiter, const struct limit_rule rules[LIMIT_CLASS_COUNT]);

/* A client by its address: IPv4 whole, IPv6 by its network and its site. One that cannot be told gets a strict bucket, with all
 * others that came through the same peer and cannot be told. */
struct limit_key limiter_key_of_client(const struct limiter *limiter, const struct address *client, const struct address *peer);

/* An account by whatever names it, alone or with the address that it is used from. An address of a site is, for IPv6, the site:
 * 65,536 networks of one site must not be as many places to guess from. `client` is ignored for ACCOUNT_ALONE. */
enum account_scope { ACCOUNT_ALONE, ACCOUNT_AT_NETWORK, ACCOUNT_AT_SITE };
struct limit_key limiter_key_of_account(const struct limiter *limiter, struct text name, enum account_scope scope,
                                        const struct address *client);

/* Takes one token (one of each bucket) if there is one. */
struct limit_decision limiter_take(struct limiter *limiter, enum limit_class bucket_class, struct limit_key key,
                                   int64_t now_us) MUST_CHECK;

/* Returns a token that was taken for an attempt that succeeded. */
void limiter_refund(struct limiter *limiter, enum limit_class bucket_class, struct limit_key key, int64_t now_us);

/* What a token was taken for has failed: locks the bucket if failures have used it up. Returns for how long; 0: it is not
 * locked. */
int64_t limiter_fail(struct limiter *limiter, enum limit_class bucket_class, struct limit_key key, int64_t now_us);

#endif
