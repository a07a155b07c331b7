#include "basic.h"

#include "form.h"

#include <sodium.h>

/* {NULL, 0}: another scheme. The scheme's name is case-insensitive (RFC 9110 section 11.1). The library keeps the blanks after a
 * value, which are no part of it (section 5.5). */
static struct text encoded_part(struct text value) {
    struct text scheme = text_of("Basic ");
    if (value.len < scheme.len || !text_equal_ignoring_case((struct text){ value.bytes, scheme.len }, scheme))
        return (struct text){ NULL, 0 };
    struct text encoded = { value.bytes + scheme.len, value.len - scheme.len };
    while (encoded.len > 0 && encoded.bytes[0] == ' ') {
        encoded.bytes++;
        encoded.len--;
    }
    while (encoded.len > 0 && text_is_blank(encoded.bytes[encoded.len - 1]))
        encoded.len--;
    return encoded;
}

/* libsodium 1.0.18 takes every byte from 0x80 up for a character of base64. */
static bool is_ascii(struct text text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.bytes[i] > 0x7f)
            return false;
    return true;
}

enum status basic_read(struct arena *arena, struct text value, struct basic_credentials *credentials) {
    struct text encoded = encoded_part(value);
    size_t len;
    if (encoded.len == 0 || !is_ascii(encoded))
        return STATUS_BAD_REQUEST;
    char *bytes = arena_alloc(arena, BASIC_DECODED_MAX);
    if (bytes == NULL)
        return STATUS_OUT_OF_MEMORY;
    if (sodium_base642bin((unsigned char *)bytes, BASIC_DECODED_MAX, encoded.bytes, encoded.len, NULL, &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return STATUS_BAD_REQUEST;
    struct text secret = { bytes, len };
    struct text name = form_take_until(&secret, ':');
    if (name.len == len)
        return STATUS_BAD_REQUEST; /* there is no colon */
    enum status status = form_decode(arena, name, &credentials->name);
    return status == STATUS_OK ? form_decode(arena, secret, &credentials->secret) : status;
}
