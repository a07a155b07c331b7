/*
 * JSON Web Key Sets (src/token/jwk.h), as a service or a file may have them.
 *
 * Checked: what is refused yields no key; each key has a kid that no other has, and an algorithm, and can verify: it refuses a
 * signature of zeros; without secrets there is no key of HS256. How many keys there are is not compared: OpenSSL tries random
 * bases on a modulus of RS256, and one that has a factor of a few digits is mostly accepted, sometimes not.
 */
#include "fuzz.h"

#include "src/token/algorithm.h"
#include "src/token/jwk.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    int failure = sodium_init();
    assert(failure >= 0);
    return 0;
}

static void check_key(const struct signing_key *key, bool with_secrets) {
    static const uint8_t signature[ALGORITHM_SIGNATURE_MAX];
    assert(key->algorithm != NULL && text_is_made_of(text_of(key->kid), TEXT_ID_ALPHABET, 1, KID_MAX_LEN));
    assert(with_secrets || strcmp(key->algorithm->name, "HS256") != 0);
    assert(key->signature_size >= key->algorithm->signature_min && key->signature_size <= key->algorithm->signature_max);
    enum status status = key->algorithm->verify(key, text_of("a.b"), signature);
    assert(status == STATUS_INVALID_TOKEN);
}

static void read_set(struct text jwks, bool with_secrets, enum status *status) {
    static struct signing_key keys[KEY_SET_MAX];
    size_t count;
    *status = jwks_read(jwks, with_secrets, keys, KEY_SET_MAX, &count);
    assert(*status == STATUS_OK || (*status == STATUS_INVALID_JSON && count == 0));
    assert(count <= KEY_SET_MAX);
    for (size_t i = 0; i < count; i++) {
        check_key(&keys[i], with_secrets);
        for (size_t k = 0; k < i; k++)
            assert(strcmp(keys[i].kid, keys[k].kid) != 0);
    }
    for (size_t i = 0; i < count; i++)
        signing_key_release(&keys[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct text jwks = { (const char *)bytes, len };
    enum status status, status_without;
    read_set(jwks, true, &status);
    read_set(jwks, false, &status_without);
    assert(status == status_without);
    return 0;
}
