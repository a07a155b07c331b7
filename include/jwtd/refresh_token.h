/*
 * refresh_token: opaque to clients, "jr2_" and the base64url of key id, session id, generation (big endian) and MAC
 * (HMAC-SHA512-256 by libsodium's crypto_auth, 32 bytes) of all that. The keys are the server's alone (keyring.h): the first one
 * signs, and a token of any of them is valid. No token is stored: a valid one is recognised by its MAC. A token has exactly one
 * text (no padding, canonical last character). Tokens of earlier versions, "jr1_" and no key id, are valid too. Safe from every
 * thread.
 */
#ifndef JWTD_REFRESH_TOKEN_H
#define JWTD_REFRESH_TOKEN_H

#include "jwtd/keyring.h"
#include "jwtd/status.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stdbool.h>
#include <stdint.h>

#define REFRESH_TOKEN_LEN 79 /* "jr2_" and base64url of 4 + 16 + 4 + 32 bytes */
#define REFRESH_TOKEN_SIZE (REFRESH_TOKEN_LEN + 1)

struct refresh_token {
    struct uuid session_id;
    uint32_t generation; /* from 1; at most 2^31 - 1, so that it fits the database's integer */
};

void refresh_token_write(const struct keyring *keyring, const struct refresh_token *token, char text[REFRESH_TOKEN_SIZE]);

/* False for anything else than a token with a MAC of one of the keys and a generation in its bounds; *token is as it was. MACs
 * are compared in constant time. */
bool refresh_token_read(const struct keyring *keyring, struct text text, struct refresh_token *token) MUST_CHECK;

#endif
