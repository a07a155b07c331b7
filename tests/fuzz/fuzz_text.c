/*
 * Text as users send it (text.h): e-mail addresses and passwords go through libunistring.
 *
 * Checked: what is UTF-8, and how many code points it has, as a decoder written from RFC 3629 says; normalised text is UTF-8 and
 * stays as it is when it is normalised again; an address that is accepted has one canonical form, the same for its normal form
 * and for the canonical form itself.
 */
#include "fuzz.h"

#include "jwtd/email.h"
#include "jwtd/macros.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_LIMIT ((size_t)8 << 20)

/* The length of the sequence at the front; 0: it is none. */
static size_t sequence_len(const uint8_t *bytes, size_t left) {
    static const struct {
        uint8_t first_min, first_max, second_min, second_max;
        size_t len;
    } forms[] = {
        { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (bytes[0] < forms[i].first_min || bytes[0] > forms[i].first_max || forms[i].len > left)
            continue;
        bool is_good = forms[i].len == 1 || (bytes[1] >= forms[i].second_min && bytes[1] <= forms[i].second_max);
        for (size_t j = 2; j < forms[i].len; j++)
            is_good = is_good && bytes[j] >= 0x80 && bytes[j] <= 0xbf;
        return is_good ? forms[i].len : 0;
    }
    return 0;
}

static bool decode(struct text text, size_t *count) {
    *count = 0;
    for (size_t at = 0; at < text.len; ++*count) {
        size_t len = sequence_len((const uint8_t *)text.bytes + at, text.len - at);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

static void check_normal_form(struct arena *arena, struct text text) {
    struct text normal = text_nfc(arena, text);
    assert(normal.bytes != NULL && text_is_utf8(normal));
    struct text again = text_nfc(arena, normal);
    assert(again.bytes != NULL && text_equal(normal, again));
}

static void check_address(struct arena *arena, struct text email) {
    assert(email.len <= EMAIL_MAX_LEN && memchr(email.bytes, '@', email.len) != NULL);
    for (size_t i = 0; i < email.len; i++)
        assert((unsigned char)email.bytes[i] > ' ' && email.bytes[i] != 0x7f);
    struct text canonical = email_canonical(arena, email);
    assert(canonical.bytes != NULL && text_is_utf8(canonical));
    struct text of_canonical = email_canonical(arena, canonical);
    struct text of_normal = email_canonical(arena, text_nfc(arena, email));
    assert(text_equal(canonical, of_canonical));
    assert(text_equal(canonical, of_normal));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct arena arena;
    size_t count;
    char *copy = malloc(len > 0 ? len : 1); /* of that size, so that a read behind its end is found */
    assert(copy != NULL);
    memcpy(copy, bytes, len);
    struct text text = { copy, len };
    bool is_utf8 = decode(text, &count);
    assert(text_is_utf8(text) == is_utf8);
    arena_init(&arena, ARENA_LIMIT);
    if (is_utf8) {
        assert(text_code_points(text) == count);
        check_normal_form(&arena, text);
    }
    if (email_is_valid(text)) {
        assert(is_utf8);
        check_address(&arena, text);
    }
    arena_fini(&arena);
    free(copy);
    return 0;
}
