/*
 * snapshot: what can change in a running service and requests look at: signing keys and allowed origins. (The log's level and the
 * limiter's rules change in place.) SIGHUP changes both; a token of a key that another instance has made changes the keys.
 *
 * A `struct snapshot` is never changed, only replaced as a whole. A request borrows the one that is in force when it begins and
 * keeps it to its end, so that it never meets two of them, but for snapshot_find_key; the last who gives an old one back frees
 * it.
 *
 * The holder reads from the paths that it was made with, as long as it lives, and lets token.active_kid sign, as of the start or
 * the last reload. One mutex guards what is in force, for the time of a few instructions; another one lets one thread at a time
 * read keys.
 */
#ifndef JWTD_SNAPSHOT_H
#define JWTD_SNAPSHOT_H

#include "jwtd/access_token.h"
#include "jwtd/config.h"
#include "jwtd/keyring.h"

struct snapshot {
    struct keyring *keyring;
    struct verifier *verifier; /* of this ring */
    struct string_list allowed_origins;
    unsigned refs; /* snapshot.c's */
};

struct snapshot_holder;

/* Reads the keys that the configuration names, and copies the origins. Borrows both arguments for its whole life; of the
 * configuration it looks at token.keys_dir and token.refresh_key_file later on, which must not change. NULL: the reason is in
 * `error` (at least 512 bytes). */
struct snapshot_holder *snapshot_holder_create(const struct config *config, const struct token_rules *rules, char *error,
                                               size_t error_size);
void snapshot_holder_destroy(struct snapshot_holder *holder); /* when everything that was borrowed is back */

/* Reads the keys again, and takes token.active_kid and cors.allowed_origins of `config`, and nothing else of it. False, with the
 * reason in `error`, changes nothing. Any thread. */
bool snapshot_reload(struct snapshot_holder *holder, const struct config *config, char *error, size_t error_size) MUST_CHECK;

const struct snapshot *snapshot_acquire(struct snapshot_holder *holder); /* any thread */
void snapshot_release(struct snapshot_holder *holder, const struct snapshot *snapshot);

/*
 * For a token of sound form whose key id is not in *snapshot, which the caller has borrowed: looks for a file of that name in the
 * keys directory, and reads the keys again when there is one. So a rotation on one instance costs no token a 401 on the others.
 *
 * STATUS_OK: *snapshot was given back, and is now one that has the key. STATUS_INVALID_TOKEN: there is no such key.
 * STATUS_KEYS_UNAVAILABLE: there is, or nobody can tell, but the directory cannot be read as it is now; what is in force stays.
 *
 * Any thread; it looks at the disk. Made-up key ids cost a listing of the directory each, 15 microseconds for ten files on a
 * shared Xeon. A reading takes half a millisecond for three keys, 1.3 for ten; threads that ask meanwhile wait for it and share
 * its result. There is one reading for each file that is new, and one a second while they fail, which is logged.
 */
enum status snapshot_find_key(struct snapshot_holder *holder, struct text kid, const struct snapshot **snapshot) MUST_CHECK;

#endif
