/*
 * jwks: the keys that other services may verify tokens with, as a JSON Web Key Set (RFC 7517), made once for a ring.
 *
 * It has the public key of every key of the ring that has one, of those that verify only, too, with kid, alg and `use` (and so
 * without key_ops, which may not stand beside it; section 4.3). A secret key (kty oct) is never in it; a ring of HS256 alone has
 * an empty set. Constant once it is made: any thread.
 */
#ifndef JWTD_JWKS_H
#define JWTD_JWKS_H

#include "jwtd/json_writer.h"
#include "jwtd/keyring.h"

#define JWKS_TAG_SIZE 32 /* of an entity tag with its quotes and a NUL */

struct jwks;

struct jwks *jwks_create(const struct keyring *keyring); /* NULL if out of memory */
void jwks_destroy(struct jwks *jwks);                    /* NULL is allowed */

struct text jwks_text(const struct jwks *jwks);
const char *
jwks_tag(const struct jwks *jwks); /* a strong entity tag of the text (RFC 9110 section 8.8.3), the same in every instance */

/* Writes the names of the algorithms of its keys, each once, as a JSON array. */
void jwks_write_algorithms(const struct jwks *jwks, struct json_writer *writer);

#endif
