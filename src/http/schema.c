#include "exchange.h"

#include "jwtd/hasher.h"
#include "jwtd/json_memory.h"

#include <jansson.h>
#include <string.h>

#define NESTING_MAX 16
#define FIELDS_MAX 8

/* Jansson stops at 2048 levels; this counts brackets outside strings, which is enough since it parses what comes through. */
static bool nests_too_deeply(const char *bytes, size_t len) {
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = bytes[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '[') && ++depth > NESTING_MAX)
            return true;
        else if (!in_string && (c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return false;
}

/* What is wrong with a value; code NULL: nothing. */
struct complaint {
    const char *code;
    const char *detail;
};

static const struct complaint no_complaint = { NULL, NULL };
static const struct complaint too_short = { "too_short", "must not be empty" };
static const struct complaint too_long = { "too_long", "is longer than this endpoint takes" };
static const struct complaint no_memory = { "out_of_memory", "could not be read" };

static struct text string_of(const json_t *value) {
    return (struct text){ json_string_value(value), json_string_length(value) };
}

/* A copy, since the parsed body is freed before the steps run. */
static struct complaint keep_text(struct arena *arena, struct text text, void *target) {
    struct text kept = { arena_copy(arena, text.bytes, text.len), text.len };
    if (kept.bytes == NULL)
        return no_memory;
    memcpy(target, &kept, sizeof kept);
    return no_complaint;
}

static struct complaint read_text(struct arena *arena, const struct field *field, const json_t *value, void *target) {
    struct text text = string_of(value);
    if (text.len == 0)
        return too_short;
    return text.len > field->max_len ? too_long : keep_text(arena, text, target);
}

static struct complaint read_email(struct arena *arena, const struct field *field, const json_t *value, void *target) {
    (void)field;
    if (!email_is_valid(string_of(value)))
        return (struct complaint){ "invalid_email", "is not an e-mail address of the form name@example.org" };
    return keep_text(arena, string_of(value), target);
}

static struct complaint read_password(struct arena *arena, const struct field *field, const json_t *value, void *target) {
    (void)field;
    struct text typed = string_of(value);
    if (typed.len == 0)
        return too_short;
    if (typed.len > PASSWORD_MAX_LEN)
        return too_long;
    struct text normalized = text_nfc(arena, typed);
    if (normalized.bytes == NULL)
        return no_memory;
    if (normalized.len > PASSWORD_MAX_LEN)
        return too_long;
    memcpy(target, &normalized, sizeof normalized);
    return no_complaint;
}

static struct complaint read_boolean(struct arena *arena, const struct field *field, const json_t *value, void *target) {
    (void)arena;
    (void)field;
    bool truth = json_is_true(value);
    memcpy(target, &truth, sizeof truth);
    return no_complaint;
}

static bool is_string(const json_t *value) {
    return json_is_string(value);
}

static bool is_boolean(const json_t *value) {
    return json_is_boolean(value);
}

static const struct {
    bool (*has_type)(const json_t *value);
    struct complaint wrong_type;
    struct complaint (*read)(struct arena *arena, const struct field *field, const json_t *value, void *target);
} field_types[] = {
    [FIELD_EMAIL] = { is_string, { "wrong_type", "must be a string" }, read_email },
    [FIELD_PASSWORD] = { is_string, { "wrong_type", "must be a string" }, read_password },
    [FIELD_TEXT] = { is_string, { "wrong_type", "must be a string" }, read_text },
    [FIELD_BOOLEAN] = { is_boolean, { "wrong_type", "must be true or false" }, read_boolean },
};

static struct complaint read_field(struct exchange *exchange, const struct field *field, const json_t *body) {
    const json_t *value = json_object_get(body, field->name);
    if (value == NULL)
        return field->required ? (struct complaint){ "required", "is missing" } : no_complaint;
    if (!field_types[field->type].has_type(value))
        return field_types[field->type].wrong_type;
    return field_types[field->type].read(exchange->request.arena, field, value,
                                         (char *)exchange->request.scratch + field->offset);
}

/* All fields are looked at, so that a form can mark everything that is wrong in one go. */
static bool read_fields(struct exchange *exchange, const struct body_schema *schema, const json_t *body) {
    struct field_problem problems[FIELDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < schema->count && count < FIELDS_MAX; i++) {
        const struct field *field = &schema->fields[i];
        struct complaint complaint = read_field(exchange, field, body);
        if (complaint.code == NULL)
            continue;
        if (complaint.code == no_memory.code) {
            reply_problem(&exchange->request, STATUS_OUT_OF_MEMORY);
            return false;
        }
        problems[count++] =
            (struct field_problem){ arena_printf(exchange->request.arena, "/%s", field->name), complaint.code,
                                    arena_printf(exchange->request.arena, "%s %s", field->name, complaint.detail) };
    }
    if (count > 0)
        reply_invalid_fields(&exchange->request, problems, count);
    return count == 0;
}

static bool read_object(struct exchange *exchange, const struct body_schema *schema, const json_t *body) {
    if (json_is_object(body))
        return read_fields(exchange, schema, body);
    reply_invalid_field(&exchange->request, "", "wrong_type", "the body must be one JSON object");
    return false;
}

/* RFC 9110 section 8.3.1: type and parameter names without regard to case. */
static bool is_json_media_type(struct text value) {
    char compact[64];
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.bytes[i];
        if (c == ' ' || c == '\t' || c == '"')
            continue;
        if (len == sizeof compact)
            return false;
        compact[len++] = c;
    }
    struct text media_type = { compact, len };
    return text_equal_ignoring_case(media_type, text_of("application/json")) ||
           text_equal_ignoring_case(media_type, text_of("application/json;charset=utf-8"));
}

static enum status check_media_type(const struct exchange *exchange) {
    if (request_header(&exchange->request, "Content-Encoding").bytes != NULL)
        return STATUS_UNSUPPORTED_MEDIA_TYPE;
    struct text type = request_header(&exchange->request, "Content-Type");
    return is_json_media_type(type) ? STATUS_OK : STATUS_UNSUPPORTED_MEDIA_TYPE;
}

static bool refuse(struct exchange *exchange, enum status status) {
    reply_problem(&exchange->request, status);
    return false;
}

/* Jansson refuses what RFC 8259 refuses, and duplicate members, NUL, lone surrogates and invalid UTF-8 besides. */
static bool read_json(struct exchange *exchange, const struct body_schema *schema) {
    const struct body_buffer *buffer = &exchange->body;
    if (nests_too_deeply(buffer->bytes, buffer->len))
        return refuse(exchange, STATUS_INVALID_JSON);
    if (!json_memory_begin())
        return refuse(exchange, STATUS_OUT_OF_MEMORY);
    json_t *body = json_loadb(buffer->bytes, buffer->len, JSON_REJECT_DUPLICATES, NULL);
    /* looked at first: a string for which memory failed in the middle may come out short, and the body as good */
    if (json_memory_has_failed()) {
        json_decref(body);
        return refuse(exchange, STATUS_OUT_OF_MEMORY);
    }
    if (body == NULL)
        return refuse(exchange, STATUS_INVALID_JSON);
    bool is_good = read_object(exchange, schema, body);
    json_decref(body);
    return is_good;
}

bool schema_read_body(struct exchange *exchange) {
    const struct body_schema *schema = exchange->request.route->body;
    if (exchange->body.dropped > 0)
        return refuse(exchange, STATUS_BODY_TOO_LARGE);
    if (schema == NULL) {
        /* a client that sends {} with every DELETE means no harm; what it says is not read */
        return true;
    }
    if (exchange->body.len == 0 && schema->optional)
        return true;
    enum status status = check_media_type(exchange);
    return status == STATUS_OK ? read_json(exchange, schema) : refuse(exchange, status);
}
