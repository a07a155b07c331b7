/*
 * secret_key: keys that are random bytes: of HS256 (RFC 7518 section 3.2) and of refresh tokens. A file has one as base64url
 * text, with or without padding, and is readable by owner and group only. Any thread.
 */
#ifndef JWTD_TOKEN_SECRET_KEY_H
#define JWTD_TOKEN_SECRET_KEY_H

#include "jwtd/keyring.h"
#include "key_files.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes a key of min_len to max_len bytes, at most 512, into sodium_malloc'ed, read-only memory, to be freed by sodium_free.
 * NULL, with the reason in `error`, when others can read the file or it holds no such key. */
uint8_t *secret_key_decode(const struct key_text *text, size_t min_len, size_t max_len, size_t *len, struct key_error error);

/* Writes the text of a new key of `len` random bytes, at most 64. */
void secret_key_generate(struct key_text *text, size_t len);

/* Of the row of HS256 (algorithm.h). */
bool secret_key_load_hs256(struct signing_key *key, const struct key_text *text, struct key_error error) MUST_CHECK;
bool secret_key_generate_hs256(struct key_text *text, struct key_error error) MUST_CHECK;

#endif
