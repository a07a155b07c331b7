#include "jwtd/uuid.h"

#include "jwtd/clock.h"
#include "jwtd/text.h"

#include <sodium.h>
#include <string.h>

struct uuid uuid_create(void) {
    struct uuid id;
    randombytes_buf(id.bytes, sizeof id.bytes);
    uint64_t ms = (uint64_t)(clock_wall_us() / 1000);
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (8 * (5 - i)));
    id.bytes[6] = (uint8_t)(0x70 | (id.bytes[6] & 0x0f)); /* version 7 */
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f)); /* variant of RFC 9562 */
    return id;
}

static bool is_hyphen_place(size_t i) {
    return i == 8 || i == 13 || i == 18 || i == 23;
}

const char *uuid_text(const struct uuid *id, char text[UUID_TEXT_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    size_t out = 0;
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        if (is_hyphen_place(out))
            text[out++] = '-';
        text[out++] = digits[id->bytes[i] >> 4];
        text[out++] = digits[id->bytes[i] & 15];
    }
    text[out] = '\0';
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
