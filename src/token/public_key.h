/*
 * public_key: keys of public-key algorithms, as PEM (RFC 7468): a private key in PKCS #8 without a passphrase ("PRIVATE KEY"), or
 * a public key alone ("PUBLIC KEY"), which verifies only. One block, and nothing around it. OpenSSL reads and holds the key.
 *
 * ES256: the curve P-256 by its name. RS256: a modulus of 2048 to 4096 bits, the exponent 65537. Everything else is refused, as
 * is a public number that is none of its group, and a private key that does not belong to the public one beside it: each key that
 * is to sign signs once and verifies that when it is loaded. A file with a private key is readable by owner and group only; one
 * with a public key by anybody.
 *
 * Texts and buffers of this module are wiped. The private numbers are in OpenSSL's own memory, which it wipes when it frees them.
 *
 * To load a key takes a fifth of a millisecond for ES256 and 1 to 3 ms for RS256 with 2048 bits; a
 * public key of 4096 bits takes 20 to 90 ms, since OpenSSL then tests whether the modulus is a prime. Any thread.
 */
#ifndef JWTD_TOKEN_PUBLIC_KEY_H
#define JWTD_TOKEN_PUBLIC_KEY_H

#include "jwtd/json_writer.h"
#include "jwtd/keyring.h"
#include "key_files.h"

#include <stdbool.h>

#define RS256_BITS_MIN 2048
#define RS256_BITS_MAX 4096

/* Of the rows of ES256 and RS256 (algorithm.h). A new RSA key has 2048 bits. */
bool public_key_load_es256(struct signing_key *key, const struct key_text *text, struct key_error error) MUST_CHECK;
bool public_key_load_rs256(struct signing_key *key, const struct key_text *text, struct key_error error) MUST_CHECK;
bool public_key_generate_es256(struct key_text *text, struct key_error error) MUST_CHECK;
bool public_key_generate_rs256(struct key_text *text, struct key_error error) MUST_CHECK;
bool public_key_write_es256(const struct signing_key *key, struct json_writer *writer) MUST_CHECK;
bool public_key_write_rs256(const struct signing_key *key, struct json_writer *writer) MUST_CHECK;

/* Puts an EVP_PKEY into a key, and checks it as above. Takes `pair` in every case: signing_key_release frees it with the key.
 * NULL, or the reason why it is refused, in words that follow the name of the key. */
const char *public_key_adopt_es256(struct signing_key *key, struct evp_pkey_st *pair, bool is_private) MUST_CHECK;
const char *public_key_adopt_rs256(struct signing_key *key, struct evp_pkey_st *pair, bool is_private) MUST_CHECK;

void public_key_free(struct evp_pkey_st *pair); /* NULL is allowed */

#endif
