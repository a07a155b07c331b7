/*
 * snapshot: the configuration in force, with the keys and the credentials of services that were read by it.
 *
 * A `struct snapshot` is never changed, only replaced as a whole: by a reload (SIGHUP), by a change of keys.conf, when the time
 * of a key has come, and by a token of a key that another instance has made. A request acquires the one that is in force when it
 * begins and keeps it to its end, so that it never sees two of them, except after snapshot_find_key. The last release of an old
 * one frees it.
 *
 * Every snapshot owns a configuration. Settings that need a restart keep in it the value that the service was started with
 * (config_reload); so a setting that a reload changes is read from here, and any other has the same value here as in
 * services->config. The log's level and the limiter's rules follow the configuration in their own modules.
 *
 * A thread that acquires often has a lease: a reference of its own to the snapshot that was in force when it looked last, on
 * which it counts its uses without a lock. It costs one read of what every thread reads and nobody writes until the next reload.
 * The price: a thread that has nothing to do keeps an old snapshot, and the keys in it, until its next request.
 *
 * Any thread may call; the holder is created before other threads use it and destroyed after. One mutex guards what is in force,
 * for a few instructions, but for leases that are up to date; another one, taken before it, lets one thread at a time read keys.
 */
#ifndef JWTD_SNAPSHOT_H
#define JWTD_SNAPSHOT_H

#include "jwtd/access_token.h"
#include "jwtd/config.h"
#include "jwtd/keyring.h"
#include "jwtd/service_credentials.h"

struct snapshot {
    struct config config;
    struct keyring *keyring;
    struct verifier *verifier; /* of this ring */
    struct jwks *jwks;         /* of this ring */
    struct service_credentials *services;
    unsigned refs; /* for snapshot.c only */
};

struct snapshot_holder;

/* Copies the configuration and reads the keys that it names. Borrows `rules` and `revoked` (NULL: see struct key_rules) until
 * snapshot_holder_destroy. NULL: the reason is in `error` (at least 512 bytes). */
struct snapshot_holder *snapshot_holder_create(const struct config *config, const struct token_rules *rules,
                                               struct revoked_keys *revoked, char *error, size_t error_size);
void snapshot_holder_destroy(struct snapshot_holder *holder); /* when everything that was acquired has been released */

/* Puts a configuration in force, which config_reload has made from the one before, and reads keys and credentials again. Takes
 * *config, which is empty afterwards. False, with the reason in `error`: what was in force stays. */
bool snapshot_reload(struct snapshot_holder *holder, struct config *config, char *error, size_t error_size) MUST_CHECK;

/* That a reload has failed, there or before it came to snapshot_reload. Any thread. */
void snapshot_note_failed_reload(struct snapshot_holder *holder);

/* Whether the last reload, or the last reading of keys that had changed, has failed: what was in force before still is. Any
 * thread. */
bool snapshot_is_outdated(const struct snapshot_holder *holder);

/* Reads the keys again if they are not those that the directory says, now (keyring_outdated), or snapshot_find_key could not read
 * them; for a periodic task. False: they cannot be read, which is logged once for each reason, and what was in force stays; to be
 * tried again. */
bool snapshot_follow_keys(struct snapshot_holder *holder);

/* The snapshot in force, until snapshot_release, which is due once for each. Never NULL. For those who ask seldom. */
const struct snapshot *snapshot_acquire(struct snapshot_holder *holder);
void snapshot_release(struct snapshot_holder *holder, const struct snapshot *snapshot);

/* Of one thread, zero at first; the members are snapshot.c's. */
struct snapshot_lease {
    struct snapshot *snapshot; /* which the lease has acquired; NULL: none yet */
    unsigned uses;             /* how often the thread has acquired it through the lease and not released it */
};

/* The same through the lease of the calling thread: what was acquired through it is released through it. */
const struct snapshot *snapshot_lease_acquire(struct snapshot_holder *holder, struct snapshot_lease *lease);
void snapshot_lease_release(struct snapshot_holder *holder, struct snapshot_lease *lease, const struct snapshot *snapshot);

/* Releases what the lease itself holds, on any thread when its own has ended. What was acquired through it may be released after.
 */
void snapshot_lease_fini(struct snapshot_holder *holder, struct snapshot_lease *lease);

/*
 * For a token of sound form whose key id is not in *snapshot, which the caller has acquired through its lease: checks whether
 * there is a file of that name in the keys directory, and reads the keys again if so. So a rotation on one instance costs no
 * token a 401 on the others.
 *
 * STATUS_OK: *snapshot was released, and is now one that has the key. STATUS_INVALID_TOKEN: there is no such key.
 * STATUS_KEYS_UNAVAILABLE: there is one, or that cannot be determined, but the keys cannot be read; what is in force stays. In
 * both cases *snapshot may be a newer one, too.
 *
 * It reads from the disk. Made-up key ids cost a listing of the directory each, 15 microseconds for ten files on a shared Xeon.
 * Reading takes half a millisecond for three keys, 1.3 for ten; threads that ask meanwhile wait for it and share its result. Keys
 * are read once for each file that is new, and once a second while that fails, which is logged once for each reason.
 */
enum status snapshot_find_key(struct snapshot_holder *holder, struct snapshot_lease *lease, struct text kid,
                              const struct snapshot **snapshot) MUST_CHECK;

#endif
