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
    static const char digits[] = "0123456789abcdef";
    static const uint8_t places[sizeof id->bytes] = { 0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34 };
    memcpy(text, "........-....-....-....-............", UUID_TEXT_SIZE);
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        text[places[i]] = digits[id->bytes[i] >> 4];
        text[places[i] + 1] = digits[id->bytes[i] & 15];
    }
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
