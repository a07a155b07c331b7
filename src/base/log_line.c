#include "log_line.h"

#include "jwtd/macros.h"
#include "jwtd/network.h"
#include "jwtd/text.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

/* Reserved for the end of a line: the closing quote, the brace and the newline. */
#define END_RESERVE ((size_t)4)

_Static_assert(LOG_LINE_SIZE <= PIPE_BUF, "a line is written to a pipe in one piece");

#define REPLACEMENT UINT32_C(0xfffd) /* for a byte that begins no code point */

static const struct {
    const char *json, *text;
} level_names[] = {
    [LOG_DEBUG] = { "debug", " DEBUG " },
    [LOG_INFO] = { "info", " INFO  " },
    [LOG_WARN] = { "warn", " WARN  " },
    [LOG_ERROR] = { "error", " ERROR " },
};

static size_t space_left(const struct log_line *line) {
    return line->len < LOG_LINE_SIZE - END_RESERVE ? LOG_LINE_SIZE - END_RESERVE - line->len : 0;
}

static bool fits(const struct log_line *line, size_t len) {
    return len <= space_left(line);
}

/* All of the piece or nothing, so that no escape sequence is cut in two. */
static bool put(struct log_line *line, const char *bytes, size_t len) {
    if (!fits(line, len))
        return false;
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
    return true;
}

static void put_string(struct log_line *line, const char *string) {
    put(line, string, strlen(string));
}

/* What could end a line, move a terminal's cursor, turn the text around or not be seen; with the quote and the backslash. */
static const struct {
    uint32_t first, last;
} escaped[] = {
    { 0x00, 0x1f },     { '"', '"' },       { '\\', '\\' },     { 0x7f, 0x9f },       { 0xad, 0xad },
    { 0x61c, 0x61c },   { 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202e },   { 0x2060, 0x2069 },
    { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f }, { 0xe0100, 0xe01ef },
};

static bool is_plain(uint32_t code_point) {
    for (size_t i = 0; i < ARRAY_LEN(escaped); i++)
        if (escaped[i].first <= code_point && code_point <= escaped[i].last)
            return false;
    return true;
}

static bool put_escape(struct log_line *line, uint32_t code_point) {
    char escape[16];
    switch (code_point) {
    case '"':
        return put(line, "\\\"", 2);
    case '\\':
        return put(line, "\\\\", 2);
    case '\n':
        return put(line, "\\n", 2);
    default:
        break;
    }
    if (code_point < 0x10000)
        return put(line, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04" PRIx32, code_point));
    uint32_t high = 0xd800 + ((code_point - 0x10000) >> 10), low = 0xdc00 + (code_point & 0x3ff); /* as JSON has it */
    return put(line, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04" PRIx32 "\\u%04" PRIx32, high, low));
}

static size_t ascii_run(struct text text) {
    size_t len = 0;
    while (len < text.len && text.bytes[len] >= ' ' && text.bytes[len] <= '~' && text.bytes[len] != '"' &&
           text.bytes[len] != '\\')
        len++;
    return len;
}

/* As much as fits. Plain ASCII is copied in runs, since nearly every value is that. */
static void put_escaped(struct log_line *line, struct text text) {
    bool fitted = true;
    while (text.len > 0 && fitted) {
        size_t len = ascii_run(text);
        if (len > 0) {
            fitted = fits(line, len);
            put(line, text.bytes, fitted ? len : space_left(line));
        } else {
            uint32_t code_point = REPLACEMENT;
            len = text_code_point(text, &code_point);
            bool is_itself = is_plain(code_point) && code_point != REPLACEMENT;
            fitted = is_itself ? put(line, text.bytes, len) : put_escape(line, code_point);
            len = len > 0 ? len : 1;
        }
        text.bytes += len;
        text.len -= len;
    }
}

static void put_quoted(struct log_line *line, struct text text) {
    if (!put(line, "\"", 1))
        return;
    put_escaped(line, text);
    assert(line->len <= LOG_LINE_SIZE - END_RESERVE);
    line->bytes[line->len++] = '"'; /* in the reserve if the value was cut */
}

static bool is_word(struct text text) {
    return text.len > 0 && ascii_run(text) == text.len && memchr(text.bytes, ' ', text.len) == NULL &&
           memchr(text.bytes, '=', text.len) == NULL;
}

static bool put_name(struct log_line *line, const char *name, size_t len) {
    if (!fits(line, len + 4))
        return false;
    put_string(line, line->json ? ",\"" : " ");
    put(line, name, len);
    put_string(line, line->json ? "\":" : "=");
    return true;
}

struct field {
    const char *name;
    size_t name_len;
    const char *conversion; /* behind the % */
    size_t conversion_len;
};

static void add_text(struct log_line *line, const struct field *field, struct text value) {
    if (value.bytes == NULL || !fits(line, field->name_len + 16) || !put_name(line, field->name, field->name_len))
        return;
    if (!line->json && is_word(value) && put(line, value.bytes, value.len))
        return;
    put_quoted(line, value);
}

static void add_digits(struct log_line *line, const struct field *field, const char *digits) {
    if (fits(line, field->name_len + strlen(digits) + 4) && put_name(line, field->name, field->name_len))
        put(line, digits, strlen(digits));
}

static void add_signed(struct log_line *line, const struct field *field, long long value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", value);
    add_digits(line, field, digits);
}

static void add_unsigned(struct log_line *line, const struct field *field, unsigned long long value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", value);
    add_digits(line, field, digits);
}

void log_line_add_text(struct log_line *line, const char *name, struct text value) {
    add_text(line, &(struct field){ .name = name, .name_len = strlen(name) }, value);
}

void log_line_add_number(struct log_line *line, const char *name, long long value) {
    add_signed(line, &(struct field){ .name = name, .name_len = strlen(name) }, value);
}

/* The next "name=%conversion" word; false at the end. */
static bool next_field(const char **fields, struct field *field) {
    const char *at = *fields + strspn(*fields, " ");
    const char *mark = strstr(at, "=%");
    if (mark == NULL)
        return false;
    field->name = at;
    field->name_len = (size_t)(mark - at);
    field->conversion = mark + 2;
    field->conversion_len = strcspn(field->conversion, " ");
    *fields = field->conversion + field->conversion_len;
    return true;
}

static bool is_conversion(const struct field *field, const char *conversion) {
    return field->conversion_len == strlen(conversion) && strncmp(field->conversion, conversion, field->conversion_len) == 0;
}

void log_line_add_fields(struct log_line *line, const char *fields, va_list values) {
    struct field field;
    while (next_field(&fields, &field)) {
        // NOLINTBEGIN(bugprone-branch-clone): the branches differ in the type that va_arg takes
        if (is_conversion(&field, "s")) {
            add_text(line, &field, text_of(va_arg(values, const char *)));
        } else if (is_conversion(&field, ".*s")) {
            int len = va_arg(values, int);
            add_text(line, &field, (struct text){ va_arg(values, const char *), len > 0 ? (size_t)len : 0 });
        } else if (is_conversion(&field, "d")) {
            add_signed(line, &field, va_arg(values, int));
        } else if (is_conversion(&field, "u")) {
            add_unsigned(line, &field, va_arg(values, unsigned));
        } else if (is_conversion(&field, "ld")) {
            add_signed(line, &field, va_arg(values, long));
        } else if (is_conversion(&field, "lu")) {
            add_unsigned(line, &field, va_arg(values, unsigned long));
        } else if (is_conversion(&field, "lld")) {
            add_signed(line, &field, va_arg(values, long long));
        } else if (is_conversion(&field, "llu")) {
            add_unsigned(line, &field, va_arg(values, unsigned long long));
        } else if (is_conversion(&field, "zu")) {
            add_unsigned(line, &field, va_arg(values, size_t));
        } else {
            return; /* an unknown conversion: what follows cannot be read either */
        }
        // NOLINTEND(bugprone-branch-clone)
    }
}

void log_line_add_context(struct log_line *line, const struct log_context *context) {
    char address[ADDRESS_TEXT_SIZE];
    if (context == NULL)
        return;
    if (context->client != NULL && context->client->known)
        log_line_add_text(line, "address", text_of(address_text(context->client, address)));
    log_line_add_text(line, "request_id", text_of(context->request_id));
    log_line_add_text(line, "trace_id", text_of(context->trace_id));
}

void log_line_begin(struct log_line *line, bool json, const char *time, enum log_level level, const char *event) {
    line->json = json;
    line->len = 0;
    if (json) {
        put_string(line, "{\"time\":\"");
        put_string(line, time);
        put_string(line, "\",\"level\":\"");
        put_string(line, level_names[level].json);
        put_string(line, "\",\"event\":");
        put_quoted(line, text_of(event));
    } else {
        put_string(line, time);
        put_string(line, level_names[level].text);
        put_escaped(line, text_of(event));
    }
}

void log_line_end(struct log_line *line) {
    assert(line->len <= LOG_LINE_SIZE - 2);
    if (line->json)
        line->bytes[line->len++] = '}';
    line->bytes[line->len++] = '\n';
}
