#include "form.h"

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

static bool is_visible_ascii(struct text text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.bytes[i] <= ' ' || text.bytes[i] > '~')
            return false;
    return true;
}

static bool has_parameter(const struct form *form, struct text name) {
    for (size_t i = 0; i < form->count; i++)
        if (text_equal(form->parameters[i].name, name))
            return true;
    return false;
}

static enum status read_parameter(struct arena *arena, struct text pair, struct form *form) {
    struct text encoded_name = form_take_until(&pair, '='), name, value;
    enum status status = form_decode(arena, encoded_name, &name);
    if (status == STATUS_OK)
        status = form_decode(arena, pair, &value);
    if (status != STATUS_OK)
        return status == STATUS_BAD_REQUEST ? STATUS_INVALID_REQUEST : status;
    if (form->count == FORM_PARAMETERS_MAX || has_parameter(form, name))
        return STATUS_INVALID_REQUEST;
    form->parameters[form->count].name = name;
    form->parameters[form->count].value = value;
    form->count++;
    return STATUS_OK;
}

enum status form_parse(struct arena *arena, struct text body, struct form *form) {
    form->count = 0;
    if (!is_visible_ascii(body))
        return STATUS_INVALID_REQUEST;
    while (body.len > 0) {
        struct text pair = form_take_until(&body, '&');
        enum status status = pair.len > 0 ? read_parameter(arena, pair, form) : STATUS_OK;
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

struct text form_value(const struct form *form, const char *name) {
    for (size_t i = 0; i < form->count; i++)
        if (form->parameters[i].value.len > 0 && text_equal(form->parameters[i].name, text_of(name)))
            return form->parameters[i].value;
    return (struct text){ NULL, 0 };
}
