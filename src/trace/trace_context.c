#include "jwtd/trace_context.h"

#include "jwtd/uuid.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define VERSION_INVALID 0xff
#define TRACE_ID_AT 3
#define SPAN_ID_AT (TRACE_ID_AT + 2 * TRACE_ID_BYTES + 1)
#define FLAGS_AT (SPAN_ID_AT + 2 * SPAN_ID_BYTES + 1)
#define TRACEPARENT_LEN (FLAGS_AT + 2)

#define STATE_MEMBERS_MAX 32
#define STATE_PART_MAX 256 /* of a key, and of a value */

/* ---- traceparent ---- */

static bool read_hex(const char *text, uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < 2 * len; i++) {
        int digit = text[i] >= 'A' && text[i] <= 'F' ? -1 : text_hex_digit(text[i]);
        if (digit < 0)
            return false;
        bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | digit);
    }
    return true;
}

static struct text trim(struct text text) {
    while (text.len > 0 && text_is_blank(text.bytes[0])) {
        text.bytes++;
        text.len--;
    }
    while (text.len > 0 && text_is_blank(text.bytes[text.len - 1]))
        text.len--;
    return text;
}

/* A higher version begins as version 00 does, and may have more behind another hyphen. */
static bool has_form(struct text text, uint8_t version) {
    if (text.bytes[TRACE_ID_AT - 1] != '-' || text.bytes[SPAN_ID_AT - 1] != '-' || text.bytes[FLAGS_AT - 1] != '-')
        return false;
    bool has_more = text.len > TRACEPARENT_LEN;
    return version != VERSION_INVALID && (!has_more || (version > 0 && text.bytes[TRACEPARENT_LEN] == '-'));
}

bool trace_context_parse(struct text traceparent, struct trace_context *context) {
    struct text text = trim(traceparent);
    struct trace_context parsed = { .flags = 0 };
    uint8_t version = 0;
    if (text.len < TRACEPARENT_LEN || !read_hex(text.bytes, &version, 1) || !has_form(text, version))
        return false;
    if (!read_hex(text.bytes + TRACE_ID_AT, parsed.trace_id, TRACE_ID_BYTES) ||
        !read_hex(text.bytes + SPAN_ID_AT, parsed.span_id, SPAN_ID_BYTES) || !read_hex(text.bytes + FLAGS_AT, &parsed.flags, 1))
        return false;
    if (sodium_is_zero(parsed.trace_id, TRACE_ID_BYTES) || sodium_is_zero(parsed.span_id, SPAN_ID_BYTES))
        return false;
    parsed.flags &= TRACE_SAMPLED | TRACE_RANDOM; /* the others have no meaning yet, and must not be passed on */
    *context = parsed;
    return true;
}

const char *trace_hex(const uint8_t *bytes, size_t len, char *text) {
    return sodium_bin2hex(text, 2 * len + 1, bytes, len);
}

const char *trace_context_text(const struct trace_context *context, char text[TRACEPARENT_SIZE]) {
    char trace_id[TRACE_ID_TEXT_SIZE], span_id[SPAN_ID_TEXT_SIZE];
    snprintf(text, TRACEPARENT_SIZE, "00-%s-%s-%02x", trace_hex(context->trace_id, TRACE_ID_BYTES, trace_id),
             trace_hex(context->span_id, SPAN_ID_BYTES, span_id), (unsigned)context->flags);
    return text;
}

/* ---- tracestate ---- */

static bool is_key(struct text key) {
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789_-*/@";
    return text_is_made_of(key, lower, 1, STATE_PART_MAX) && strchr("_-*/@", key.bytes[0]) == NULL;
}

static bool is_value(struct text value) {
    for (size_t i = 0; i < value.len; i++)
        if (value.bytes[i] < ' ' || value.bytes[i] > '~' || value.bytes[i] == '=')
            return false;
    return value.len > 0 && value.len <= STATE_PART_MAX;
}

bool trace_state_is_valid(struct text trace_state) {
    unsigned members = 0;
    while (trace_state.len > 0) {
        struct text value = text_take_until(&trace_state, ',');
        if (value.len == 0)
            continue;
        const char *equals = memchr(value.bytes, '=', value.len);
        if (equals == NULL || ++members > STATE_MEMBERS_MAX)
            return false;
        struct text key = { value.bytes, (size_t)(equals - value.bytes) };
        value = (struct text){ equals + 1, value.len - key.len - 1 };
        if (!is_key(key) || !is_value(value))
            return false;
    }
    return members > 0;
}

/* ---- of our own ---- */

/* The last eight bytes of the UUID: 62 random bits behind the two of its variant, which are not zero. */
void span_id_create(uint8_t span_id[SPAN_ID_BYTES]) {
    struct uuid id = uuid_create_for_log();
    memcpy(span_id, id.bytes + sizeof id.bytes - SPAN_ID_BYTES, SPAN_ID_BYTES);
}

struct trace_context trace_context_create(void) {
    struct trace_context context = { .flags = TRACE_RANDOM };
    struct uuid id = uuid_create_for_log();
    _Static_assert(sizeof id.bytes == TRACE_ID_BYTES, "a UUID is an id of a trace");
    memcpy(context.trace_id, id.bytes, TRACE_ID_BYTES);
    span_id_create(context.span_id);
    return context;
}
