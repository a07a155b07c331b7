#include "jwtd/uuid.h"

#include "jwtd/clock.h"
#include "jwtd/text.h"

#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

/* ---- random bytes for request ids ---- */

#define ID_BYTES ((size_t)10) /* random ones of an id */
#define BATCH_BYTES (48 * ID_BYTES)

/* ChaCha20 with a key that is replaced by its own output, so that what was returned cannot be computed from what is kept. */
static _Thread_local struct {
    bool is_seeded;
    uint8_t key[crypto_stream_chacha20_KEYBYTES];
    uint8_t bytes[BATCH_BYTES];
    size_t left; /* of bytes, at their end */
} generator;

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* In the child of a fork, which would return the same ids as its parent. It has only the thread that forked. */
static void forget(void) {
    generator.is_seeded = false;
    generator.left = 0;
}

static void watch_forks(void) {
    pthread_atfork(NULL, NULL, forget);
}

static void refill(void) {
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES]; /* zero, since each key is used once */
    uint8_t stream[sizeof generator.key + sizeof generator.bytes];
    if (!generator.is_seeded) {
        pthread_once(&once, watch_forks);
        randombytes_buf(generator.key, sizeof generator.key);
        generator.is_seeded = true;
    }
    crypto_stream_chacha20(stream, sizeof stream, nonce, generator.key);
    memcpy(generator.key, stream, sizeof generator.key);
    memcpy(generator.bytes, stream + sizeof generator.key, sizeof generator.bytes);
    sodium_memzero(stream, sizeof stream);
    generator.left = sizeof generator.bytes;
}

static void take_random(uint8_t bytes[ID_BYTES]) {
    if (generator.left == 0)
        refill();
    uint8_t *next = generator.bytes + sizeof generator.bytes - generator.left;
    memcpy(bytes, next, ID_BYTES);
    memset(next, 0, ID_BYTES);
    generator.left -= ID_BYTES;
}

/* ---- ids ---- */

static struct uuid with_time(struct uuid id) {
    uint64_t ms = (uint64_t)(clock_wall_us() / 1000);
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (8 * (5 - i)));
    id.bytes[6] = (uint8_t)(0x70 | (id.bytes[6] & 0x0f)); /* version 7 */
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f)); /* variant of RFC 9562 */
    return id;
}

struct uuid uuid_create(void) {
    struct uuid id;
    randombytes_buf(id.bytes, sizeof id.bytes);
    return with_time(id);
}

struct uuid uuid_create_for_log(void) {
    struct uuid id = { { 0 } };
    take_random(id.bytes + sizeof id.bytes - ID_BYTES);
    return with_time(id);
}

static bool is_hyphen_place(size_t i) {
    return i == 8 || i == 13 || i == 18 || i == 23;
}

const char *uuid_text(const struct uuid *id, char text[UUID_TEXT_SIZE]) {
    static const char pairs[] = /* of digits, for each byte */
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
        "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
        "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
        "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
        "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
        "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
    static const uint8_t places[sizeof id->bytes] = { 0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34 };
    memcpy(text, "........-....-....-....-............", UUID_TEXT_SIZE);
    for (size_t i = 0; i < sizeof id->bytes; i++)
        memcpy(&text[places[i]], &pairs[(size_t)2 * id->bytes[i]], 2);
    return text;
}

bool uuid_parse(const char *text, size_t len, struct uuid *id) {
    struct uuid parsed = { { 0 } };
    size_t nibble = 0;
    if (len != UUID_TEXT_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (is_hyphen_place(i)) {
            if (text[i] != '-')
                return false;
            continue;
        }
        int value = text_hex_digit(text[i]);
        if (value < 0)
            return false;
        parsed.bytes[nibble / 2] = (uint8_t)(parsed.bytes[nibble / 2] << 4 | value);
        nibble++;
    }
    *id = parsed;
    return true;
}

bool uuid_equal(const struct uuid *a, const struct uuid *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
