#include "algorithm.h"

#include "jwtd/macros.h"
#include "public_key.h"
#include "secret_key.h"
#include "signature.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static const struct algorithm algorithms[] = {
    { .name = "HS256",
      .suffix = ".hs256",
      .signature_min = crypto_auth_hmacsha256_BYTES,
      .signature_max = crypto_auth_hmacsha256_BYTES,
      .load = secret_key_load_hs256,
      .generate = secret_key_generate_hs256,
      .sign = signature_sign_hs256,
      .verify = signature_verify_hs256 },
    { .name = "ES256",
      .suffix = ".es256",
      .signature_min = ES256_SIGNATURE_BYTES,
      .signature_max = ES256_SIGNATURE_BYTES,
      .load = public_key_load_es256,
      .generate = public_key_generate_es256,
      .sign = signature_sign_es256,
      .verify = signature_verify_es256,
      .write_jwk = public_key_write_es256 },
    { .name = "RS256",
      .suffix = ".rs256",
      .signature_min = RS256_BITS_MIN / 8,
      .signature_max = RS256_BITS_MAX / 8,
      .load = public_key_load_rs256,
      .generate = public_key_generate_rs256,
      .sign = signature_sign_rs256,
      .verify = signature_verify_rs256,
      .write_jwk = public_key_write_rs256 },
};

_Static_assert(ARRAY_LEN(algorithms) == ALGORITHM_COUNT, "the header says how many there are");
_Static_assert(RS256_BITS_MAX / 8 <= ALGORITHM_SIGNATURE_MAX, "the longest signature");

const struct algorithm *algorithm_default(void) {
    return &algorithms[0];
}

const struct algorithm *algorithm_at(size_t index) {
    assert(index < ARRAY_LEN(algorithms));
    return &algorithms[index];
}

const struct algorithm *algorithm_by_name(struct text name) {
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if (text_equal(name, text_of(algorithms[i].name)))
            return &algorithms[i];
    return NULL;
}

const struct algorithm *algorithm_by_suffix(const char *suffix) {
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if (strcmp(suffix, algorithms[i].suffix + 1) == 0)
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
        return kid_is_valid(*kid) ? &algorithms[i] : NULL;
    }
    return NULL;
}

bool signing_key_load(struct signing_key *key, const struct algorithm *algorithm, struct text kid, const char *path, uid_t owner,
                      struct key_error error) {
    struct key_text text;
    assert(kid.len <= KID_MAX_LEN);
    *key = (struct signing_key){ .algorithm = algorithm };
    memcpy(key->kid, kid.bytes, kid.len);
    bool loaded = key_file_read(path, owner, &text, error) && algorithm->load(key, &text, error);
    key_text_wipe(&text);
    if (!loaded)
        signing_key_release(key);
    return loaded;
}

void signing_key_release(struct signing_key *key) {
    sodium_free((void *)(uintptr_t)key->bytes); /* wipes; const only for those who borrow */
    public_key_free(key->pair);
    *key = (struct signing_key){ 0 };
}
