/*
 * Credentials of HTTP Basic (src/http/basic.h). Checked: name and secret of what is accepted are UTF-8 without NUL and have no
 * more bytes than the base64 can hold; and encoded again, each byte in three, they read the same.
 */
#include "fuzz.h"

#include "src/http/basic.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 2048
#define ARENA_LIMIT ((size_t)64 * 1024)

static size_t encode(char *out, struct text text) {
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++)
        len += (size_t)snprintf(out + len, 4, "%%%02x", (unsigned char)text.bytes[i]);
    return len;
}

static void check_again(struct arena *arena, const struct basic_credentials *credentials) {
    static char decoded[3 * BASIC_DECODED_MAX + 2], value[6 + 4 * BASIC_DECODED_MAX + 8] = "Basic ";
    struct basic_credentials again;
    size_t len = encode(decoded, credentials->name);
    decoded[len++] = ':';
    len += encode(decoded + len, credentials->secret);
    if (len > BASIC_DECODED_MAX)
        return;
    sodium_bin2base64(value + 6, sizeof value - 6, (const unsigned char *)decoded, len, sodium_base64_VARIANT_ORIGINAL);
    assert(basic_read(arena, text_of(value), &again) == STATUS_OK);
    assert(text_equal(again.name, credentials->name) && text_equal(again.secret, credentials->secret));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct arena arena;
    struct basic_credentials credentials;
    if (len > VALUE_MAX)
        return 0;
    char *copy = fuzz_string((struct text){ (const char *)bytes, len }); /* so that a read behind its end is found */
    arena_init(&arena, ARENA_LIMIT);
    enum status status = basic_read(&arena, (struct text){ copy, len }, &credentials);
    assert(status == STATUS_OK || status == STATUS_BAD_REQUEST);
    if (status == STATUS_OK) {
        assert(text_is_utf8(credentials.name) && strlen(credentials.name.bytes) == credentials.name.len);
        assert(text_is_utf8(credentials.secret) && strlen(credentials.secret.bytes) == credentials.secret.len);
        assert(credentials.name.len + credentials.secret.len < BASIC_DECODED_MAX && credentials.name.len + 1 < len);
        check_again(&arena, &credentials);
    }
    arena_fini(&arena);
    free(copy);
    return 0;
}
