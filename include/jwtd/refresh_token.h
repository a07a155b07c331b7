/*
 * refresh_token: opaque to clients, "jr1_" and the base64url of session id, generation (big endian) and MAC (HMAC-SHA512-256 by
 * libsodium's crypto_auth, 32 bytes). The key is the server's alone. Nothing is stored: a genuine token is recognised by its
 * MAC. Only one text is the text of a token (no padding, canonical last character). Safe from every thread.
 */
#ifndef JWTD_REFRESH_TOKEN_H
#define JWTD_REFRESH_TOKEN_H

#include "jwtd/keyring.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stdbool.h>
#include <stdint.h>

#define REFRESH_TOKEN_LEN 74 /* "jr1_" and base64url of 16 + 4 + 32 bytes */
#define REFRESH_TOKEN_SIZE (REFRESH_TOKEN_LEN + 1)

struct refresh_token {
    struct uuid session_id;
    uint32_t generation; /* from 1; at most 2^31 - 1, so that it fits the database's integer */
};

void refresh_token_write(const struct keyring *keyring, const struct refresh_token *token, char text[REFRESH_TOKEN_SIZE]);

/* False for anything that this service has not made; compared in constant time. */
bool refresh_token_read(const struct keyring *keyring, struct text text, struct refresh_token *token)
    __attribute__((warn_unused_result));

#endif
