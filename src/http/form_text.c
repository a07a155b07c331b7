#include "form_text.h"

#include <string.h>

struct text form_take_until(struct text *rest, char separator) {
    const char *end = rest->len > 0 ? memchr(rest->bytes, separator, rest->len) : NULL;
    struct text taken = { rest->bytes, end != NULL ? (size_t)(end - rest->bytes) : rest->len };
    size_t skipped = end != NULL ? taken.len + 1 : taken.len;
    *rest = (struct text){ rest->bytes + skipped, rest->len - skipped };
    return taken;
}

enum status form_decode(struct arena *arena, struct text encoded, struct text *decoded) {
    char *bytes = arena_alloc(arena, encoded.len + 1);
    size_t len = 0;
    if (bytes == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (size_t i = 0; i < encoded.len; i++) {
        char c = encoded.bytes[i];
        if (c == '%') {
            int high = encoded.len - i > 2 ? text_hex_digit(encoded.bytes[i + 1]) : -1;
            int low = encoded.len - i > 2 ? text_hex_digit(encoded.bytes[i + 2]) : -1;
            if (high < 0 || low < 0)
                return STATUS_BAD_REQUEST;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        bytes[len++] = c;
    }
    *decoded = (struct text){ bytes, len };
    return memchr(bytes, '\0', len) == NULL && text_is_utf8(*decoded) ? STATUS_OK : STATUS_BAD_REQUEST;
}
