#include "jwtd/refresh_token.h"

#include "base64url.h"
#include "jwtd/macros.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define PREFIX_LEN 4
#define GENERATION_MAX INT32_MAX
#define TEXT_LEN(key_id_len) (PREFIX_LEN + (((key_id_len) + CLAIMS_LEN + crypto_auth_BYTES) * 4 + 2) / 3)

enum { SESSION_ID_LEN = 16, GENERATION_LEN = 4, CLAIMS_LEN = SESSION_ID_LEN + GENERATION_LEN };
enum { MESSAGE_MAX = PREFIX_LEN + REFRESH_KEY_ID_BYTES + CLAIMS_LEN, TOKEN_MAX = MESSAGE_MAX + crypto_auth_BYTES };

/* Behind the prefix, in base64url: key id, session id, generation, and the MAC of all that and the prefix, so that no text of one
 * format is valid in another. */
struct format {
    char prefix[PREFIX_LEN + 1];
    size_t key_id_len;
    size_t text_len;
};

/* The first is written, all are read: tokens without a key id were written by versions that had one key only. */
static const struct format formats[] = {
    { "jr2_", REFRESH_KEY_ID_BYTES, TEXT_LEN(REFRESH_KEY_ID_BYTES) },
    { "jr1_", 0, TEXT_LEN(0) },
};

_Static_assert(crypto_auth_KEYBYTES == REFRESH_KEY_BYTES, "the refresh key is the key of crypto_auth");
_Static_assert(crypto_auth_BYTES == crypto_auth_hmacsha512256_BYTES && crypto_auth_BYTES == crypto_verify_32_BYTES,
               "the MAC is that of crypto_auth");
_Static_assert(TEXT_LEN(REFRESH_KEY_ID_BYTES) == REFRESH_TOKEN_LEN, "REFRESH_TOKEN_LEN fits the layout");

/* What crypto_auth computes. */
static void compute_mac(const struct refresh_key *key, const uint8_t *message, size_t len, uint8_t mac[crypto_auth_BYTES]) {
    crypto_auth_hmacsha512256_state state = *key->mac;
    crypto_auth_hmacsha512256_update(&state, message, len);
    crypto_auth_hmacsha512256_final(&state, mac);
    sodium_memzero(&state, sizeof state);
}

static bool has_mac(const struct refresh_key *key, const uint8_t *message, size_t len) {
    uint8_t mac[crypto_auth_BYTES];
    compute_mac(key, message, len, mac);
    bool is_equal = crypto_verify_32(mac, message + len) == 0;
    sodium_memzero(mac, sizeof mac);
    return is_equal;
}

void refresh_token_write(const struct keyring *keyring, const struct refresh_token *token, char text[REFRESH_TOKEN_SIZE]) {
    const struct format *format = &formats[0];
    uint8_t bytes[TOKEN_MAX];
    size_t len = PREFIX_LEN, count;
    const struct refresh_key *key = keyring_refresh_keys(keyring, &count);
    memcpy(bytes, format->prefix, PREFIX_LEN);
    memcpy(bytes + len, key->id, format->key_id_len);
    len += format->key_id_len;
    memcpy(bytes + len, token->session_id.bytes, SESSION_ID_LEN);
    len += SESSION_ID_LEN;
    for (unsigned i = 0; i < GENERATION_LEN; i++)
        bytes[len++] = (uint8_t)(token->generation >> (24 - 8 * i));
    compute_mac(key, bytes, len, bytes + len);
    len += crypto_auth_BYTES;
    assert(len <= sizeof bytes);
    memcpy(text, format->prefix, PREFIX_LEN);
    sodium_bin2base64(text + PREFIX_LEN, REFRESH_TOKEN_SIZE - PREFIX_LEN, bytes + PREFIX_LEN, len - PREFIX_LEN,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bytes, sizeof bytes);
}

/* The key ids are public, the MACs are compared in constant time. */
static bool is_genuine(const struct keyring *keyring, const struct format *format, const uint8_t *bytes, size_t message_len) {
    size_t count;
    const struct refresh_key *keys = keyring_refresh_keys(keyring, &count);
    for (size_t i = 0; i < count; i++)
        if (memcmp(bytes + PREFIX_LEN, keys[i].id, format->key_id_len) == 0 && has_mac(&keys[i], bytes, message_len))
            return true;
    return false;
}

static bool read_as(const struct keyring *keyring, const struct format *format, struct text text, struct refresh_token *token) {
    uint8_t bytes[TOKEN_MAX];
    size_t len, message_len = PREFIX_LEN + format->key_id_len + CLAIMS_LEN;
    struct text body = { text.bytes + PREFIX_LEN, text.len - PREFIX_LEN };
    memcpy(bytes, format->prefix, PREFIX_LEN);
    if (!base64url_decode(body, bytes + PREFIX_LEN, sizeof bytes - PREFIX_LEN, &len) ||
        PREFIX_LEN + len != message_len + crypto_auth_BYTES || !is_genuine(keyring, format, bytes, message_len))
        return false;
    const uint8_t *session_id = bytes + PREFIX_LEN + format->key_id_len;
    uint32_t generation = 0;
    for (unsigned i = 0; i < GENERATION_LEN; i++)
        generation = generation << 8 | session_id[SESSION_ID_LEN + i];
    if (generation == 0 || generation > GENERATION_MAX)
        return false;
    memcpy(token->session_id.bytes, session_id, SESSION_ID_LEN);
    token->generation = generation;
    sodium_memzero(bytes, sizeof bytes);
    return true;
}

bool refresh_token_read(const struct keyring *keyring, struct text text, struct refresh_token *token) {
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (text.len == formats[i].text_len && memcmp(text.bytes, formats[i].prefix, PREFIX_LEN) == 0)
            return read_as(keyring, &formats[i], text, token);
    return false;
}
