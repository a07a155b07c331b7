#include "base64url.h"

#include <sodium.h>

bool base64url_decode(struct text text, uint8_t *bytes, size_t size, size_t *len) {
    /* libsodium 1.0.18 compares sign-extended characters and so takes every byte from 0x80 up for an underscore */
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.bytes[i] > 0x7f)
            return false;
    return sodium_base642bin(bytes, size, text.bytes, text.len, NULL, len, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}
