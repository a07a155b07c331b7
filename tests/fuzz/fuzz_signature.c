/*
 * Signatures of ES256 and RS256 (signature.h), by a key that is made at the start. The first byte of an input chooses the
 * algorithm and what the rest is: a signature as it came, or pairs of bytes, a position and what is xored to a good signature
 * there.
 *
 * Checked: only the good signature is taken, of the text that was signed and of no other; the answer for all others is that they
 * are wrong, and never that memory or something else is missing.
 */
#include "fuzz.h"

#include "src/token/algorithm.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define KINDS 2

static const struct text message = { "header.payload", 14 };
static struct signing_key keys[KINDS];
static uint8_t good[KINDS][ALGORITHM_SIGNATURE_MAX];

static void make_key(struct signing_key *key, const char *suffix) {
    struct key_text text = { .path = suffix };
    char error[512];
    struct key_error reason = { error, sizeof error };
    *key = (struct signing_key){ .kid = "k", .algorithm = algorithm_by_suffix(suffix) };
    bool is_made = key->algorithm->generate(&text, reason) && key->algorithm->load(key, &text, reason);
    assert(is_made);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    int failure = sodium_init();
    assert(failure >= 0);
    make_key(&keys[0], "es256");
    make_key(&keys[1], "rs256");
    for (size_t i = 0; i < KINDS; i++) {
        enum status status = keys[i].algorithm->sign(&keys[i], message, good[i]);
        assert(status == STATUS_OK);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    uint8_t signature[ALGORITHM_SIGNATURE_MAX] = { 0 };
    if (len == 0)
        return 0;
    const struct signing_key *key = &keys[bytes[0] % KINDS];
    const uint8_t *expected = good[bytes[0] % KINDS];
    bool is_raw = bytes[0] / KINDS % 2 == 1;
    bytes++;
    len--;
    if (is_raw) {
        memcpy(signature, bytes, len < key->signature_size ? len : key->signature_size);
    } else {
        memcpy(signature, expected, key->signature_size);
        for (size_t i = 0; i + 1 < len; i += 2)
            signature[bytes[i] % key->signature_size] ^= bytes[i + 1];
    }
    enum status status = key->algorithm->verify(key, message, signature);
    bool is_good = memcmp(signature, expected, key->signature_size) == 0;
    assert(status == (is_good ? STATUS_OK : STATUS_INVALID_TOKEN));
    status = key->algorithm->verify(key, (struct text){ message.bytes, message.len - 1 }, signature);
    assert(status == STATUS_INVALID_TOKEN);
    return 0;
}
