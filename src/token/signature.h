/*
 * signature: signs and verifies with one key (RFC 7518 sections 3.2 to 3.4): HS256 by libsodium, which allocates nothing; ES256
 * and RS256 by OpenSSL with the EVP_PKEY that the key holds. libjwt 1.10.2 would parse the key's PEM for each token, which takes
 * ten times as long as the signature.
 *
 * A signature has key->signature_size bytes. That of ES256 is r and s, 32 bytes each, in big-endian order, and nothing else: the
 * DER form of other protocols is refused by its length. RS256 is PKCS #1 v1.5; a signature by PSS is wrong.
 *
 * An EVP_PKEY is shared by all threads: two threads sign and verify as fast each as one alone (OpenSSL 3.0), so none has a copy.
 * The functions are those of the rows of algorithm.h, which says what they return. Any thread.
 */
#ifndef JWTD_TOKEN_SIGNATURE_H
#define JWTD_TOKEN_SIGNATURE_H

#include "jwtd/keyring.h"
#include "jwtd/status.h"

#include <stdint.h>

#define ES256_SIGNATURE_BYTES 64

enum status signature_verify_hs256(const struct signing_key *key, struct text text, const uint8_t *signature) MUST_CHECK;
enum status signature_verify_es256(const struct signing_key *key, struct text text, const uint8_t *signature) MUST_CHECK;
enum status signature_verify_rs256(const struct signing_key *key, struct text text, const uint8_t *signature) MUST_CHECK;
enum status signature_sign_hs256(const struct signing_key *key, struct text text, uint8_t *signature) MUST_CHECK;
enum status signature_sign_es256(const struct signing_key *key, struct text text, uint8_t *signature) MUST_CHECK;
enum status signature_sign_rs256(const struct signing_key *key, struct text text, uint8_t *signature) MUST_CHECK;

#endif
