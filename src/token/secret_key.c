#include "secret_key.h"

#include "base64url.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define HS256_KEY_MIN 32 /* bytes; RFC 7518 section 3.2 */
#define HS256_KEY_MAX 512
#define HS256_KEY_NEW 48
#define NEW_KEY_MAX 64
#define SECRET_TEXT_MAX 1024 /* 512 bytes of key are 684 characters */

/* Padding is optional, but where it stands it must be right (RFC 4648 section 4). */
static size_t length_without_padding(const char *text, size_t len) {
    if (len % 4 != 0 || text[len - 1] != '=')
        return len;
    return text[len - 2] == '=' ? len - 2 : len - 1;
}

static uint8_t *copy_key(const struct key_text *text, const uint8_t *bytes, size_t len, struct key_error error) {
    uint8_t *key = sodium_malloc(len);
    if (key == NULL) {
        key_refuse(error, text->path, "no memory for the key");
        return NULL;
    }
    memcpy(key, bytes, len);
    sodium_mprotect_readonly(key);
    return key;
}

uint8_t *secret_key_decode(const struct key_text *text, size_t min_len, size_t max_len, size_t *len, struct key_error error) {
    uint8_t decoded[SECRET_TEXT_MAX];
    uint8_t *key = NULL;
    if (!key_text_check_private(text, error))
        return NULL;
    if (text->len > SECRET_TEXT_MAX) {
        key_refuse(error, text->path, "too long for a key");
        return NULL;
    }
    struct text encoded = { text->bytes, length_without_padding(text->bytes, text->len) };
    if (!base64url_decode(encoded, decoded, sizeof decoded, len))
        key_refuse(error, text->path, "not base64url text (A-Z a-z 0-9 - _)");
    else if (*len < min_len || *len > max_len)
        snprintf(error.text, error.size, "%s: holds %zu bytes of key, but %s %zu are needed", text->path, *len,
                 min_len == max_len ? "exactly" : (*len < min_len ? "at least" : "at most"), *len < min_len ? min_len : max_len);
    else
        key = copy_key(text, decoded, *len, error);
    sodium_memzero(decoded, sizeof decoded);
    return key;
}

void secret_key_generate(struct key_text *text, size_t len) {
    uint8_t key[NEW_KEY_MAX];
    assert(len <= sizeof key);
    randombytes_buf(key, len);
    sodium_bin2base64(text->bytes, sizeof text->bytes, key, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(key, sizeof key);
    text->len = strlen(text->bytes);
    text->bytes[text->len++] = '\n';
}

bool secret_key_load_hs256(struct signing_key *key, const struct key_text *text, struct key_error error) {
    key->bytes = secret_key_decode(text, HS256_KEY_MIN, HS256_KEY_MAX, &key->len, error);
    key->signature_size = crypto_auth_hmacsha256_BYTES;
    key->can_sign = true;
    return key->bytes != NULL;
}

bool secret_key_generate_hs256(struct key_text *text, struct key_error error) {
    (void)error; /* nothing can fail */
    secret_key_generate(text, HS256_KEY_NEW);
    return true;
}
