/*
 * audit_failures: wrong passwords that are counted until they become events (audit.h): a hash table of bounded size, from
 * account, network and reason to a count and the event of the first one. No lock: its owner has one.
 */
#ifndef JWTD_AUDIT_FAILURES_H
#define JWTD_AUDIT_FAILURES_H

#include "jwtd/audit.h"

#include <sodium.h>
#include <stddef.h>

struct queued_event;

struct failure_key {
    struct uuid user_id; /* zeros: there is no such account */
    uint8_t network[16]; /* zeros: unknown */
    const char *reason;
};

struct failure {
    struct failure_key key;
    int64_t count;              /* 0: the slot is free */
    struct queued_event *event; /* of the first, without its detail; the caller that empties the table takes it */
};

#define AUDIT_FAILURE_SLOTS ((size_t)2 * AUDIT_FAILURES_MAX) /* half of them stay free, so that a search is short */

struct failure_table {
    unsigned char secret[crypto_shorthash_siphashx24_KEYBYTES]; /* so that no client can choose its slot */
    size_t count;
    int64_t first_us; /* when the first of those that are in it was counted */
    struct failure slots[AUDIT_FAILURE_SLOTS];
};

struct failure_key failure_key_of(const struct audit_event *event);

/* The one with this key; or else a free slot for it, NULL if there are AUDIT_FAILURES_MAX already. */
struct failure *failure_table_find(struct failure_table *table, const struct failure_key *key);

#endif
