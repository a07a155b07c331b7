/*
 * keys: the keys that a verifier checks with, from three sources: a directory, a JWKS that the caller gave, and a JWKS that was
 * fetched from the service. Of two keys with one id the first in this order counts, so that what is fetched replaces nothing; an
 * oct key is taken from the caller's text only.
 *
 * The key_set in force is replaced as a whole. Any thread; one at a time reads keys, and others go on with the set from before.
 */
#ifndef JWTD_VERIFY_KEYS_H
#define JWTD_VERIFY_KEYS_H

#include "jwtd/key_set.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keys;

/* Copies the arguments. Directory: NULL for none; keep_s: of struct key_set_directory; text: {NULL, 0} for none. NULL, with the
 * reason in `error`. */
struct keys *keys_create(const char *directory, int64_t keep_s, struct text jwks, char *error, size_t error_size);
void keys_destroy(struct keys *keys); /* wipes */

/* The set in force, which stays until keys_end. */
const struct key_set *keys_begin(struct keys *keys);
void keys_end(struct keys *keys);

/* Reads the directory, if anything in it has changed since it was read, or a key is gone by its age. False, with the reason in
 * `error`: the keys from before stay; what could not be read is read again only when it has changed, after ten seconds, or
 * `at_once`. */
bool keys_read(struct keys *keys, bool at_once, char *error, size_t error_size) MUST_CHECK;

/* Waits until a reading that is under way has ended. */
void keys_await_reading(struct keys *keys);

/* Whether the directory has a file of this key at the moment, valid or not. It is listed, as by keyring_may_have, and for the
 * same reason. */
bool keys_have_file(const struct keys *keys, struct text kid);

/* Takes over what was fetched. False, with the reason in `error`: the keys from before stay. */
bool keys_set_fetched(struct keys *keys, struct text jwks, char *error, size_t error_size) MUST_CHECK;

/* Refuses a key for good, and the tokens of it that were found valid. */
void keys_revoke(struct keys *keys, struct text kid);

/* False, for good: more than REVOKED_KEYS_MAX keys were revoked, by keys_revoke and keys.conf, so that no token is valid. */
bool keys_have_all_revoked(struct keys *keys);

#endif
