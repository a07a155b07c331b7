/*
 * Refresh tokens (refresh_token.h). An input that begins with "jr" is a token as it came. Of another one the first 20 bytes are a
 * session and a generation, of which a token is written; the rest are pairs of bytes, a position and what is xored to the text
 * there.
 *
 * Checked: a token that was written is read again as what it was; changed anywhere it is refused, and so is one with a byte more
 * or less; whatever is accepted is the one text that is written for its content.
 */
#include "fuzz.h"

#include "jwtd/refresh_token.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT_LEN 20

static struct keyring *ring;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    ring = fuzz_keyring();
    return 0;
}

/* In memory of exactly that size, so that a read behind its end is found. */
static bool read_exact(const char *bytes, size_t len, struct refresh_token *token) {
    char *copy = malloc(len > 0 ? len : 1);
    assert(copy != NULL);
    memcpy(copy, bytes, len);
    bool is_good = refresh_token_read(ring, (struct text){ copy, len }, token);
    free(copy);
    return is_good;
}

static void check_text(const char *bytes, size_t len) {
    struct refresh_token token;
    char written[REFRESH_TOKEN_SIZE];
    if (!read_exact(bytes, len, &token))
        return;
    refresh_token_write(ring, &token, written);
    assert(len == REFRESH_TOKEN_LEN && memcmp(bytes, written, len) == 0);
}

static void check_content(const uint8_t *bytes, size_t len) {
    struct refresh_token token, found;
    char text[REFRESH_TOKEN_SIZE + 1], changed[REFRESH_TOKEN_SIZE + 1] = "";
    memcpy(token.session_id.bytes, bytes, sizeof token.session_id.bytes);
    memcpy(&token.generation, bytes + sizeof token.session_id.bytes, sizeof token.generation);
    token.generation &= INT32_MAX;
    if (token.generation == 0)
        token.generation = 1;
    refresh_token_write(ring, &token, text);
    assert(strlen(text) == REFRESH_TOKEN_LEN);
    bool is_good = read_exact(text, REFRESH_TOKEN_LEN, &found);
    assert(is_good && found.generation == token.generation);
    assert(memcmp(found.session_id.bytes, token.session_id.bytes, sizeof found.session_id.bytes) == 0);

    memcpy(changed, text, REFRESH_TOKEN_LEN);
    for (size_t i = CONTENT_LEN; i + 1 < len; i += 2)
        changed[bytes[i] % REFRESH_TOKEN_LEN] ^= (char)bytes[i + 1];
    is_good = read_exact(changed, REFRESH_TOKEN_LEN, &found);
    assert(is_good == (memcmp(changed, text, REFRESH_TOKEN_LEN) == 0));
    is_good = read_exact(text, REFRESH_TOKEN_LEN - 1, &found);
    assert(!is_good);
    text[REFRESH_TOKEN_LEN] = 'A';
    is_good = read_exact(text, REFRESH_TOKEN_LEN + 1, &found);
    assert(!is_good);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    bool is_text = len < CONTENT_LEN || memcmp(bytes, "jr", 2) == 0;
    if (is_text)
        check_text((const char *)bytes, len);
    else
        check_content(bytes, len);
    return 0;
}
