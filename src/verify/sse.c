#include "sse.h"

#include <assert.h>
#include <string.h>

void sse_init(struct sse_parser *parser) {
    *parser = (struct sse_parser){ .retry_ms = -1 };
}

static void forget_event(struct sse_parser *parser) {
    parser->name_len = 0;
    parser->data_len = 0;
}

void sse_restart(struct sse_parser *parser) {
    forget_event(parser);
    parser->line_len = 0;
    parser->is_begun = false;
    parser->ends_with_cr = false;
    memcpy(parser->next_id, parser->id, sizeof parser->next_id);
}

/* The empty line behind an event. One without data is none, but its id counts. */
static bool dispatch(struct sse_parser *parser, const struct sse_handlers *handlers) {
    struct text name = { parser->name_len == 0 ? NULL : parser->name, parser->name_len };
    struct text data = { parser->data, parser->data_len };
    if (data.len > 0) {
        data.len--; /* the line feed behind the last line of data */
        if (!handlers->on_event(handlers->context, name, data))
            return false;
    }
    memcpy(parser->id, parser->next_id, sizeof parser->id);
    forget_event(parser);
    return true;
}

static bool add_data(struct sse_parser *parser, struct text value) {
    if (value.len >= SSE_DATA_MAX - parser->data_len)
        return false;
    if (value.len > 0)
        memcpy(parser->data + parser->data_len, value.bytes, value.len);
    parser->data_len += value.len;
    parser->data[parser->data_len++] = '\n';
    return true;
}

static bool set_string(char *string, size_t size, struct text value) {
    if (value.len >= size)
        return false;
    if (value.len > 0)
        memcpy(string, value.bytes, value.len);
    string[value.len] = '\0';
    return true;
}

/* It goes into a header of the next request. */
static bool set_id(struct sse_parser *parser, struct text value) {
    for (size_t i = 0; i < value.len; i++)
        if (value.bytes[i] < ' ' || value.bytes[i] > '~')
            return false;
    return set_string(parser->next_id, sizeof parser->next_id, value);
}

static bool set_field(struct sse_parser *parser, struct text field, struct text value) {
    uint64_t ms;
    if (text_equal(field, text_of("data")))
        return add_data(parser, value);
    if (text_equal(field, text_of("id")))
        return set_id(parser, value);
    if (text_equal(field, text_of("event"))) {
        parser->name_len = value.len;
        return set_string(parser->name, sizeof parser->name, value);
    }
    if (text_equal(field, text_of("retry")) && text_parse_unsigned(value, SSE_RETRY_MAX_MS, &ms))
        parser->retry_ms = (int64_t)ms;
    return true;
}

static bool end_line(struct sse_parser *parser, const struct sse_handlers *handlers) {
    struct text line = { parser->line, parser->line_len };
    if (!parser->is_begun && line.len >= 3 && memcmp(line.bytes, "\xef\xbb\xbf", 3) == 0)
        line = (struct text){ line.bytes + 3, line.len - 3 };
    parser->is_begun = true;
    parser->line_len = 0;
    if (line.len == 0)
        return dispatch(parser, handlers);
    const char *colon = memchr(line.bytes, ':', line.len);
    struct text field = { line.bytes, colon == NULL ? line.len : (size_t)(colon - line.bytes) };
    struct text value = { NULL, 0 };
    if (colon != NULL) {
        size_t skipped = field.len + 1;
        skipped += skipped < line.len && line.bytes[skipped] == ' ';
        value = (struct text){ line.bytes + skipped, line.len - skipped };
    }
    if (colon == line.bytes)
        return handlers->on_comment(handlers->context, value);
    return set_field(parser, field, value);
}

static bool add_byte(struct sse_parser *parser, char byte, const struct sse_handlers *handlers) {
    bool is_second_of_end = byte == '\n' && parser->ends_with_cr;
    parser->ends_with_cr = byte == '\r';
    if (is_second_of_end)
        return true;
    if (byte == '\n' || byte == '\r')
        return end_line(parser, handlers);
    if (byte == '\0' || parser->line_len == SSE_LINE_MAX)
        return false;
    parser->line[parser->line_len++] = byte;
    return true;
}

bool sse_parse(struct sse_parser *parser, struct text bytes, const struct sse_handlers *handlers) {
    assert(parser->line_len <= SSE_LINE_MAX && parser->data_len <= SSE_DATA_MAX);
    for (size_t i = 0; i < bytes.len; i++)
        if (!add_byte(parser, bytes.bytes[i], handlers))
            return false;
    return true;
}
