/*
 * jwk: reads keys that verify from a JSON Web Key Set (RFC 7517): EC keys of P-256 (ES256), RSA keys (RS256) and, if the caller
 * trusts where the text is from, oct keys (HS256). For the verifier library; OpenSSL is known in src/token only. Any thread.
 *
 * A key is left out if it has no `kid` of keyring.h, is of another kind, says another `alg`, or a `use` other than "sig"; if its
 * numbers are none that public_key.h or secret_key.h accept; or if a key before it has the same `kid`: one bad key does not make
 * the set unusable. Of a private key only the public numbers are read.
 */
#ifndef JWTD_TOKEN_JWK_H
#define JWTD_TOKEN_JWK_H

#include "jwtd/key_set.h"
#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>

/* Writes up to `max` keys, to be released (signing_key_release). STATUS_OK, also if there is no key; STATUS_INVALID_JSON if the
 * text is no JWK Set or longer than JWKS_TEXT_MAX; or STATUS_OUT_OF_MEMORY. *count is 0 but for STATUS_OK. */
enum status jwks_read(struct text jwks, bool with_secrets, struct signing_key *keys, size_t max, size_t *count) MUST_CHECK;

#endif
