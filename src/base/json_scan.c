#include "json_scan.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

struct cursor {
    const char *at, *end;
    bool has_nul; /* the last scalar has, as \u0000 */
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_whitespace(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool skip(struct cursor *cursor, char c) {
    bool found = cursor->at < cursor->end && *cursor->at == c;
    cursor->at += found;
    return found;
}

static bool skip_word(struct cursor *cursor, const char *word) {
    size_t len = strlen(word);
    bool found = (size_t)(cursor->end - cursor->at) >= len && memcmp(cursor->at, word, len) == 0;
    cursor->at += found ? len : 0;
    return found;
}

static bool skip_digits(struct cursor *cursor) {
    const char *start = cursor->at;
    while (cursor->at < cursor->end && is_digit(*cursor->at))
        cursor->at++;
    return cursor->at > start;
}

/* Whether the integer, which json-c would saturate, is one of int64_t. */
static bool is_in_range(const char *at, const char *end) {
    uint64_t magnitude = 0;
    bool is_negative = *at == '-';
    for (at += is_negative; at < end; at++)
        if (__builtin_mul_overflow(magnitude, 10, &magnitude) ||
            __builtin_add_overflow(magnitude, (uint64_t)(*at - '0'), &magnitude))
            return false;
    return magnitude <= (uint64_t)INT64_MAX + is_negative;
}

static bool skip_number(struct cursor *cursor) {
    const char *start = cursor->at;
    bool is_integer = true;
    skip(cursor, '-');
    if (!skip(cursor, '0') && !skip_digits(cursor))
        return false;
    if (skip(cursor, '.')) {
        is_integer = false;
        if (!skip_digits(cursor))
            return false;
    }
    if (skip(cursor, 'e') || skip(cursor, 'E')) {
        is_integer = false;
        if (!skip(cursor, '+'))
            skip(cursor, '-');
        if (!skip_digits(cursor))
            return false;
    }
    bool ends = cursor->at < cursor->end && !is_digit(*cursor->at); /* no digit behind a leading zero */
    return ends && (!is_integer || is_in_range(start, cursor->at));
}

static bool read_hex(struct cursor *cursor, unsigned *unit) {
    *unit = 0;
    if (cursor->end - cursor->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        int digit = text_hex_digit(*cursor->at++);
        if (digit < 0)
            return false;
        *unit = *unit << 4 | (unsigned)digit;
    }
    return true;
}

/* Behind "\u": RFC 8259 section 7, and section 8.2 on surrogates that are no pair. */
static bool skip_unicode_escape(struct cursor *cursor) {
    unsigned unit, low;
    if (!read_hex(cursor, &unit))
        return false;
    cursor->has_nul = cursor->has_nul || unit == 0;
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    return unit < 0xdc00 && skip_word(cursor, "\\u") && read_hex(cursor, &low) && low >= 0xdc00 && low <= 0xdfff;
}

static bool skip_escape(struct cursor *cursor) {
    if (cursor->at == cursor->end)
        return false;
    char c = *cursor->at++;
    if (c == 'u')
        return skip_unicode_escape(cursor);
    return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
}

static bool skip_string(struct cursor *cursor) {
    cursor->at++;
    while (cursor->at < cursor->end) {
        char c = *cursor->at++;
        if (c == '"')
            return true;
        if ((unsigned char)c < ' ' || (c == '\\' && !skip_escape(cursor)))
            return false;
    }
    return false;
}

static bool skip_scalar(struct cursor *cursor) {
    cursor->has_nul = false;
    if (*cursor->at == '"')
        return skip_string(cursor);
    if (*cursor->at == '-' || is_digit(*cursor->at))
        return skip_number(cursor);
    return skip_word(cursor, "true") || skip_word(cursor, "false") || skip_word(cursor, "null");
}

static void skip_whitespace(struct cursor *cursor) {
    while (cursor->at < cursor->end && is_whitespace(*cursor->at))
        cursor->at++;
}

/* From the first bracket to the one that closes it. */
static bool skip_brackets(struct cursor *cursor, struct json_limits limits, size_t *members) {
    unsigned depth = 0, containers = 0;
    do {
        char c = *cursor->at;
        bool is_scalar = false, is_good = true;
        if (c == '{' || c == '[') {
            depth++;
            containers++;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == ':') {
            ++*members;
            is_good = !cursor->has_nul; /* the scalar before it is a name */
        } else {
            is_scalar = c != ',' && !is_whitespace(c);
        }
        if (is_scalar)
            is_good = skip_scalar(cursor) && (!cursor->has_nul || (limits.allows_nul && depth == 1));
        if (!is_good || depth > limits.depth || containers > limits.containers)
            return false;
        cursor->at += !is_scalar;
    } while (depth > 0 && cursor->at < cursor->end);
    return depth == 0;
}

bool json_scan(struct text text, struct json_limits limits, size_t *members) {
    *members = 0;
    if (text.len == 0) /* its bytes may be NULL, to which C adds nothing, not even 0 */
        return false;
    struct cursor cursor = { .at = text.bytes, .end = text.bytes + text.len };
    skip_whitespace(&cursor);
    if (cursor.at == cursor.end || (*cursor.at != '{' && *cursor.at != '[') || !skip_brackets(&cursor, limits, members))
        return false;
    skip_whitespace(&cursor);
    return cursor.at == cursor.end && text_is_utf8(text);
}

/* A cut in an escape leaves less of it than the whole. */
#define ESCAPE_MAX_LEN 6

static bool is_at_end(const struct cursor *cursor) {
    return cursor->end - cursor->at < ESCAPE_MAX_LEN;
}

static bool skip_value(struct cursor *cursor) {
    static const struct json_limits any = { .depth = JSON_DEPTH_MAX, .containers = UINT_MAX };
    size_t members = 0;
    if (cursor->at == cursor->end)
        return false;
    return *cursor->at == '{' || *cursor->at == '[' ? skip_brackets(cursor, any, &members) : skip_scalar(cursor);
}

static bool skip_name(struct cursor *cursor, struct text *name) {
    skip_whitespace(cursor);
    const char *begin = cursor->at;
    if (cursor->at == cursor->end || *begin != '"' || !skip_string(cursor))
        return false;
    *name = (struct text){ begin + 1, (size_t)(cursor->at - begin) - 2 };
    skip_whitespace(cursor);
    return skip(cursor, ':');
}

bool json_find_cut(struct text beginning, struct text *name, size_t *value_len) {
    struct cursor cursor = { .at = beginning.bytes, .end = beginning.bytes + beginning.len };
    skip_whitespace(&cursor);
    if (!skip(&cursor, '{'))
        return false;
    do {
        if (!skip_name(&cursor, name))
            return false;
        skip_whitespace(&cursor);
        const char *value = cursor.at;
        if (!skip_value(&cursor)) {
            bool is_text = value < cursor.end && *value == '"';
            *value_len = is_text ? (size_t)(cursor.end - value) - 1 : 0;
            return is_text && is_at_end(&cursor);
        }
        skip_whitespace(&cursor);
    } while (skip(&cursor, ','));
    return false;
}
