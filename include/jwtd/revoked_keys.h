/*
 * revoked_keys: the ids of the signing keys that are revoked: no token of theirs is accepted, and none is signed with them.
 *
 * A set in memory, which keys are only added to: by each reading of keys.conf (keyring.h), and from the database
 * (key_revocations.h), so that a revocation reaches instances that do not share the directory of keys. A key is revoked for good;
 * one whose row or line is removed stays in the set until the service is restarted. Until the database has been read for the
 * first time the set is not ready, and the status of a request that needs it is 503.
 *
 * Any thread; nothing is locked to read. Keys are numbered from 0 in the order in which they were added, so that a reader follows
 * them by revoked_keys_count and revoked_keys_at.
 */
#ifndef JWTD_REVOKED_KEYS_H
#define JWTD_REVOKED_KEYS_H

#include "jwtd/keyring.h"

#define REVOKED_KEYS_MAX 1024

struct revoked_keys;

struct revoked_keys *revoked_keys_create(void); /* NULL if out of memory */
void revoked_keys_destroy(struct revoked_keys *set);

/* A key that is in the set stays as it is. STATUS_OUT_OF_MEMORY: there are REVOKED_KEYS_MAX; it was not added, which is logged
 * once. */
enum status revoked_keys_add(struct revoked_keys *set, struct text kid, int64_t revoked_at_s) MUST_CHECK;
bool revoked_keys_contain(const struct revoked_keys *set, struct text kid);

struct revoked_key {
    char kid[KID_MAX_LEN + 1];
    int64_t revoked_at_s;
};

size_t revoked_keys_count(const struct revoked_keys *set);
const struct revoked_key *revoked_keys_at(const struct revoked_keys *set, size_t index); /* of those counted; never changes */

/* From now on the set is ready, and has all that was in the database by `at_us` (clock_monotonic_us). One thread at a time, with
 * times that do not decrease. */
void revoked_keys_set_read(struct revoked_keys *set, int64_t at_us);
bool revoked_keys_are_ready(const struct revoked_keys *set);

/* How long before `now_us` that was; at least 0. The set must be ready. */
int64_t revoked_keys_age_us(const struct revoked_keys *set, int64_t now_us);

#endif
