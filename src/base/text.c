#include "jwtd/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

struct text text_of(const char *string) {
    return (struct text){ string, string == NULL ? 0 : strlen(string) };
}

bool text_equal(struct text a, struct text b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_equal_ignoring_case(struct text a, struct text b) {
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (a.bytes[i] != b.bytes[i] && lower(a.bytes[i]) != lower(b.bytes[i]))
            return false;
    return true;
}

bool text_parse_unsigned(struct text text, uint64_t max, uint64_t *number) {
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.bytes[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value))
            return false;
    }
    if (text.len == 0 || value > max)
        return false;
    *number = value;
    return true;
}

bool text_is_made_of(struct text text, const char *alphabet, size_t min_len, size_t max_len) {
    if (text.len < min_len || text.len > max_len)
        return false;
    bool is_allowed[UCHAR_MAX + 1] = { false };
    for (const char *byte = alphabet; *byte != '\0'; byte++)
        is_allowed[(unsigned char)*byte] = true;
    for (size_t i = 0; i < text.len; i++)
        if (!is_allowed[(unsigned char)text.bytes[i]])
            return false;
    return true;
}

bool text_is_alphanumeric(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

bool text_is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

struct text text_take_until(struct text *list, char separator) {
    const char *end = list->len > 0 ? memchr(list->bytes, separator, list->len) : NULL;
    struct text part = { list->bytes, end != NULL ? (size_t)(end - list->bytes) : list->len };
    size_t skipped = end != NULL ? part.len + 1 : part.len;
    *list = (struct text){ list->bytes + skipped, list->len - skipped };
    while (part.len > 0 && text_is_blank(part.bytes[0]))
        part = (struct text){ part.bytes + 1, part.len - 1 };
    while (part.len > 0 && text_is_blank(part.bytes[part.len - 1]))
        part.len--;
    return part;
}

int text_hex_digit(char byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

size_t text_code_point(struct text text, uint32_t *code_point) {
    ucs4_t decoded;
    int len = text.len == 0 ? 0 : u8_mbtoucr(&decoded, (const uint8_t *)text.bytes, text.len);
    if (len <= 0)
        return 0;
    *code_point = decoded;
    return (size_t)len;
}

bool text_is_utf8(struct text text) {
    return text.len == 0 || u8_check((const uint8_t *)text.bytes, text.len) == NULL;
}

size_t text_code_points(struct text text) {
    return text.len == 0 ? 0 : u8_mbsnlen((const uint8_t *)text.bytes, text.len);
}

static bool has_none_of(struct text text, uint32_t categories) {
    while (text.len > 0) {
        uint32_t code_point;
        size_t len = text_code_point(text, &code_point);
        if (len == 0 || uc_is_general_category_withtable(code_point, categories))
            return false;
        text.bytes += len;
        text.len -= len;
    }
    return true;
}

bool text_is_visible(struct text text) {
    return has_none_of(text, UC_CATEGORY_MASK_Z | UC_CATEGORY_MASK_C);
}

bool text_is_line(struct text text) {
    return has_none_of(text, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Zl | UC_CATEGORY_MASK_Zp);
}

/* Copies a result of libunistring into the arena, and wipes and frees the library's copy: it may be a password. */
static struct text move_to_arena(struct arena *arena, uint8_t *result, size_t len) {
    if (result == NULL)
        return (struct text){ NULL, 0 };
    struct text kept = { arena_copy(arena, result, len), len };
    explicit_bzero(result, len);
    free(result);
    return kept.bytes == NULL ? (struct text){ NULL, 0 } : kept;
}

static bool is_ascii(struct text text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.bytes[i] >= 0x80)
            return false;
    return true;
}

struct text text_nfc(struct arena *arena, struct text text) {
    if (is_ascii(text)) {
        struct text same = { arena_copy(arena, text.bytes, text.len), text.len };
        return same.bytes == NULL ? (struct text){ NULL, 0 } : same;
    }
    size_t len = 0;
    uint8_t *result = u8_normalize(UNINORM_NFC, (const uint8_t *)text.bytes, text.len, NULL, &len);
    return move_to_arena(arena, result, len);
}

struct text text_fold(struct arena *arena, struct text text) {
    if (text.len == 0)
        return text_nfc(arena, text);
    size_t len = 0;
    uint8_t *result = u8_casefold((const uint8_t *)text.bytes, text.len, NULL, UNINORM_NFC, NULL, &len);
    return move_to_arena(arena, result, len);
}
