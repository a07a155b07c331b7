/*
 * limiter: token buckets in a fixed table.
 *
 * A class is the size of a bucket and the rate at which it refills; a key is the subject that the bucket belongs to. A bucket is
 * stored as one moment, at which it will be full again, so that refilling takes no work and a full bucket needs no entry. The
 * table never grows: it is divided into sets of 16 entries, guarded by sharded locks, and a new key replaces the entry of its set
 * that has been full for the longest, or will be full first. A million addresses evict buckets that are nearly full, and take no
 * memory.
 *
 * An IPv6 client has two buckets: that of its network (/64) and that of its site (/48), which holds SITE_MULTIPLE times as much.
 * A token is taken from both or from none, and the decision is that of the bucket with less left.
 *
 * A bucket of a class with lock_us can also be locked: limiter_fail locks one whose tokens have all been used up by failures, for
 * lock_us the first time and twice as long with each repetition, up to lock_max_us. When the lock ends there is one token. Tokens
 * whose outcome is not known yet count as used, but do not lock. The count of repetitions is reset when the bucket has
 * been full for lock_max_us.
 *
 * Buckets are in the memory of one instance: after a restart all are full, and N instances allow up to N times as much. All
 * functions but limiter_create return at once and cannot fail, and callers rely on both: a store that is shared between instances
 * can correct these buckets from time to time, but not replace them.
 *
 * All functions but create and destroy are safe from every thread. Times are of clock_monotonic_us.
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
    LIMIT_UNSET,    /* a row of the route table without the column; the service does not start */
    LIMIT_NONE,     /* never limited */
    LIMIT_REGISTER, /* by address, as the next three */
    LIMIT_LOGIN,
    LIMIT_REFRESH,
    LIMIT_ACCOUNT,          /* the rest of /auth */
    LIMIT_SERVICE,          /* by service; by address without valid credentials of one */
    LIMIT_ADDRESS_FAILURES, /* by address, as the above, over all accounts */
    LIMIT_LOGIN_FAILURES, /* by account and address; an account is a canonical e-mail address, whether it is registered or not */
    LIMIT_ACCOUNT_FAILURES, /* by account, of all addresses together that it does not know */
    LIMIT_CLASS_COUNT
};

#define LIMIT_LOCK_ONE_TOKEN (-1) /* as lock_us: every lock lasts as long as the refill of one token */

/* `amount` tokens are refilled in `period_us`, up to `burst`. amount 0: the class is not limited. */
struct limit_rule {
    const char *name;      /* as in RateLimit-Policy; borrowed for the life of the limiter, as the next */
    const char *site_name; /* of the site's bucket */
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
    bool is_strict; /* a bucket of a quarter of the class's size and rate */
};

struct limit_decision {
    bool is_limited; /* false: the class has no limit, `allowed` is true and the rest 0 */
    bool allowed;
    const char *name;
    unsigned quota;         /* tokens of a full bucket */
    int64_t window_us;      /* until an empty bucket is full */
    unsigned remaining;     /* whole tokens left */
    int64_t reset_us;       /* with tokens left, until the bucket is full again; else until there is one */
    int64_t retry_after_us; /* until there is a token; 0 when allowed */
};

struct limiter;

/* `table_size` entries (rounded up to a multiple of 16); `rules` one for each class, copied. NULL if out of memory. */
struct limiter *limiter_create(const struct limit_rule rules[LIMIT_CLASS_COUNT], size_t table_size);
void limiter_destroy(struct limiter *limiter);

/* Replaces the rules. A bucket keeps the moment at which it will be full, and its lock. */
void limiter_set_rules(struct limiter *limiter, const struct limit_rule rules[LIMIT_CLASS_COUNT]);

/* A client by its address: IPv4 whole, IPv6 by its network and its site. All clients of unknown address behind one peer share a
 * strict bucket. */
struct limit_key limiter_key_of_client(const struct limiter *limiter, const struct address *client, const struct address *peer);

/* An account by its name, alone or with the address that it is used from: its network, or, for IPv6 and ACCOUNT_AT_SITE, its
 * site, so that one site cannot guess from 65,536 networks. `client` is ignored for ACCOUNT_ALONE. */
enum account_scope { ACCOUNT_ALONE, ACCOUNT_AT_NETWORK, ACCOUNT_AT_SITE };
struct limit_key limiter_key_of_account(const struct limiter *limiter, struct text name, enum account_scope scope,
                                        const struct address *client);

/* Takes one token (one from each bucket) if there is one. */
struct limit_decision limiter_take(struct limiter *limiter, enum limit_class bucket_class, struct limit_key key,
                                   int64_t now_us) MUST_CHECK;

/* Puts back a token that was taken for an attempt that has succeeded. */
void limiter_refund(struct limiter *limiter, enum limit_class bucket_class, struct limit_key key, int64_t now_us);

/* The attempt that a token was taken for has failed: locks the bucket if failures have used it up. Returns how much longer it is
 * locked; 0: it is not. */
int64_t limiter_fail(struct limiter *limiter, enum limit_class bucket_class, struct limit_key key, int64_t now_us);

#endif
