#include "jwtd/refresh_token.h"

#include "jwtd/base64url.h"

#include <sodium.h>
#include <string.h>

#define PREFIX "jr1_"
#define PREFIX_LEN (sizeof PREFIX - 1)
#define GENERATION_MAX INT32_MAX
#define BODY_LEN (REFRESH_TOKEN_LEN - PREFIX_LEN)

enum { ID_AT = 0, GENERATION_AT = 16, MAC_AT = 20, TOKEN_BYTES = MAC_AT + crypto_auth_BYTES };

_Static_assert(crypto_auth_KEYBYTES == REFRESH_KEY_BYTES, "the refresh key is the key of crypto_auth");
_Static_assert(sodium_base64_ENCODED_LEN(TOKEN_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == BODY_LEN + 1,
               "REFRESH_TOKEN_LEN fits the layout");

/* The prefix is under the MAC too, so that a later layout can share the key without being taken for this one. */
static void prefix_message(uint8_t message[PREFIX_LEN + MAC_AT], const uint8_t bytes[TOKEN_BYTES]) {
    memcpy(message, PREFIX, PREFIX_LEN);
    memcpy(message + PREFIX_LEN, bytes, MAC_AT);
}

void refresh_token_write(const struct keyring *keyring, const struct refresh_token *token, char text[REFRESH_TOKEN_SIZE]) {
    uint8_t bytes[TOKEN_BYTES];
    uint8_t message[PREFIX_LEN + MAC_AT];
    memcpy(bytes + ID_AT, token->session_id.bytes, sizeof token->session_id.bytes);
    for (unsigned i = 0; i < 4; i++)
        bytes[GENERATION_AT + i] = (uint8_t)(token->generation >> (24 - 8 * i));
    prefix_message(message, bytes);
    crypto_auth(bytes + MAC_AT, message, sizeof message, keyring_refresh_key(keyring));
    memcpy(text, PREFIX, PREFIX_LEN);
    sodium_bin2base64(text + PREFIX_LEN, REFRESH_TOKEN_SIZE - PREFIX_LEN, bytes, sizeof bytes,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bytes, sizeof bytes);
}

bool refresh_token_read(const struct keyring *keyring, struct text text, struct refresh_token *token) {
    uint8_t bytes[TOKEN_BYTES];
    uint8_t message[PREFIX_LEN + MAC_AT];
    size_t len = 0;
    if (text.len != REFRESH_TOKEN_LEN || memcmp(text.bytes, PREFIX, PREFIX_LEN) != 0)
        return false;
    if (!base64url_decode((struct text){ text.bytes + PREFIX_LEN, BODY_LEN }, bytes, sizeof bytes, &len) || len != sizeof bytes)
        return false;
    prefix_message(message, bytes);
    if (crypto_auth_verify(bytes + MAC_AT, message, sizeof message, keyring_refresh_key(keyring)) != 0)
        return false;
    uint32_t generation = 0;
    for (unsigned i = 0; i < 4; i++)
        generation = generation << 8 | bytes[GENERATION_AT + i];
    if (generation == 0 || generation > GENERATION_MAX)
        return false;
    memcpy(token->session_id.bytes, bytes + ID_AT, sizeof token->session_id.bytes);
    token->generation = generation;
    sodium_memzero(bytes, sizeof bytes);
    return true;
}
