#include "jwtd/json_writer.h"

#include "jwtd/macros.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define FIRST_SIZE ((size_t)256)

void json_writer_init(struct json_writer *writer, struct arena *arena) {
    *writer = (struct json_writer){ .arena = arena };
}

static bool reserve(struct json_writer *writer, size_t more) {
    if (writer->failed)
        return false;
    if (writer->size - writer->len >= more)
        return true;
    size_t size = writer->size == 0 ? FIRST_SIZE : writer->size;
    while (size <= SIZE_MAX / 2 && size - writer->len < more)
        size *= 2;
    char *bytes = size - writer->len < more ? NULL : arena_alloc(writer->arena, size);
    if (bytes == NULL) {
        writer->failed = true;
        return false;
    }
    if (writer->len > 0)
        memcpy(bytes, writer->bytes, writer->len);
    writer->bytes = bytes;
    writer->size = size;
    return true;
}

static void put(struct json_writer *writer, const char *bytes, size_t len) {
    if (len == 0 || !reserve(writer, len))
        return;
    memcpy(writer->bytes + writer->len, bytes, len);
    writer->len += len;
    assert(writer->len <= writer->size);
}

static void put_string(struct json_writer *writer, const char *string) {
    put(writer, string, strlen(string));
}

static void begin_value(struct json_writer *writer) {
    if (writer->need_comma)
        put(writer, ",", 1);
    writer->need_comma = true;
}

static void open_bracket(struct json_writer *writer, const char *bracket) {
    begin_value(writer);
    if (++writer->depth > JSON_WRITER_DEPTH_MAX)
        writer->failed = true;
    put(writer, bracket, 1);
    writer->need_comma = false;
}

static void close_bracket(struct json_writer *writer, const char *bracket) {
    if (writer->depth == 0) {
        writer->failed = true;
        return;
    }
    writer->depth--;
    put(writer, bracket, 1);
    writer->need_comma = true;
}

void json_begin_object(struct json_writer *writer) {
    open_bracket(writer, "{");
}

void json_end_object(struct json_writer *writer) {
    close_bracket(writer, "}");
}

void json_begin_array(struct json_writer *writer) {
    open_bracket(writer, "[");
}

void json_end_array(struct json_writer *writer) {
    close_bracket(writer, "]");
}

static void put_control(struct json_writer *writer, unsigned char c) {
    static const char *const short_escapes[] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t",
    };
    char escaped[8];
    if (c < ARRAY_LEN(short_escapes) && short_escapes[c] != NULL) {
        put_string(writer, short_escapes[c]);
        return;
    }
    snprintf(escaped, sizeof escaped, "\\u%04x", c);
    put_string(writer, escaped);
}

static bool is_plain(char c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static void put_quoted(struct json_writer *writer, struct text text) {
    put(writer, "\"", 1);
    while (text.len > 0) {
        size_t plain = 0;
        while (plain < text.len && is_plain(text.bytes[plain]))
            plain++;
        put(writer, text.bytes, plain);
        text.bytes += plain;
        text.len -= plain;
        if (text.len == 0)
            break;
        uint32_t code_point;
        size_t len = text_code_point(text, &code_point);
        if (len == 1)
            put_control(writer, (unsigned char)text.bytes[0]);
        else if (len > 1)
            put(writer, text.bytes, len);
        else
            put_string(writer, "\\ufffd");
        text.bytes += len > 0 ? len : 1;
        text.len -= len > 0 ? len : 1;
    }
    put(writer, "\"", 1);
}

void json_name(struct json_writer *writer, const char *name) {
    begin_value(writer);
    put_quoted(writer, text_of(name));
    put(writer, ":", 1);
    writer->need_comma = false;
}

void json_write_text(struct json_writer *writer, struct text text) {
    begin_value(writer);
    if (text.bytes == NULL)
        put_string(writer, "null");
    else
        put_quoted(writer, text);
}

void json_write_string(struct json_writer *writer, const char *string) {
    json_write_text(writer, text_of(string));
}

void json_write_integer(struct json_writer *writer, int64_t value) {
    char digits[24];
    begin_value(writer);
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    put_string(writer, digits);
}

void json_write_boolean(struct json_writer *writer, bool value) {
    begin_value(writer);
    put_string(writer, value ? "true" : "false");
}

void json_write_raw(struct json_writer *writer, struct text raw) {
    begin_value(writer);
    if (raw.bytes == NULL)
        put_string(writer, "null");
    else
        put(writer, raw.bytes, raw.len);
}

void json_member_string(struct json_writer *writer, const char *name, const char *value) {
    json_name(writer, name);
    json_write_string(writer, value);
}

void json_member_text(struct json_writer *writer, const char *name, struct text value) {
    json_name(writer, name);
    json_write_text(writer, value);
}

void json_member_integer(struct json_writer *writer, const char *name, int64_t value) {
    json_name(writer, name);
    json_write_integer(writer, value);
}

void json_member_boolean(struct json_writer *writer, const char *name, bool value) {
    json_name(writer, name);
    json_write_boolean(writer, value);
}

void json_member_raw(struct json_writer *writer, const char *name, struct text raw) {
    json_name(writer, name);
    json_write_raw(writer, raw);
}

struct text json_writer_finish(struct json_writer *writer) {
    if (reserve(writer, 1))
        writer->bytes[writer->len] = '\0';
    if (writer->failed || writer->depth != 0)
        return (struct text){ NULL, 0 };
    return (struct text){ writer->bytes, writer->len };
}
