#include "algorithm.h"

#include "jwtd/keyring.h"
#include "jwtd/macros.h"

#include <sodium.h>
#include <string.h>

static bool verify_hs256(const uint8_t *key, size_t key_len, struct text text, const uint8_t *signature) {
    crypto_auth_hmacsha256_state state;
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_init(&state, key, key_len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)text.bytes, text.len);
    crypto_auth_hmacsha256_final(&state, mac);
    bool is_equal = sodium_memcmp(mac, signature, sizeof mac) == 0;
    sodium_memzero(&state, sizeof state);
    sodium_memzero(mac, sizeof mac);
    return is_equal;
}

static const struct algorithm algorithms[] = {
    { .name = "HS256",
      .suffix = ".hs256",
      .jwt_alg = JWT_ALG_HS256,
      .signature_size = crypto_auth_hmacsha256_BYTES,
      .key_min = 32, /* RFC 7518 section 3.2 */
      .key_max = 512,
      .new_key_size = 48,
      .verify = verify_hs256 },
};

const struct algorithm *algorithm_default(void) {
    return &algorithms[0];
}

const struct algorithm *algorithm_by_name(struct text name) {
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if (text_equal(name, text_of(algorithms[i].name)))
            return &algorithms[i];
    return NULL;
}

const struct algorithm *algorithm_of_file(const char *file_name, struct text *kid) {
    size_t len = strlen(file_name);
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        size_t suffix_len = strlen(algorithms[i].suffix);
        if (len < suffix_len || strcmp(file_name + len - suffix_len, algorithms[i].suffix) != 0)
            continue;
        *kid = (struct text){ file_name, len - suffix_len };
        return text_is_made_of(*kid, TEXT_ID_ALPHABET, 1, KID_MAX_LEN) ? &algorithms[i] : NULL;
    }
    return NULL;
}
