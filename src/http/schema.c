#include "schema.h"

#include "exchange.h"
#include "form.h"

#include "jwtd/email.h"
#include "jwtd/hasher.h"
#include "jwtd/json.h"
#include "jwtd/reply.h"

#include <string.h>

/* The schemas take one object of scalars; what else a client sends beside is ignored. */
static const struct json_limits limits = { .depth = 16, .containers = 64 };

#define FIELDS_MAX 8

/* What is wrong with a value; code NULL: nothing. */
struct violation {
    const char *code;
    const char *detail;
};

static const struct violation no_violation = { NULL, NULL };
static const struct violation too_short = { "too_short", "must not be empty" };
static const struct violation too_long = { "too_long", "is longer than this endpoint takes" };
static const struct violation no_memory = { "out_of_memory", "could not be read" };

/* A copy, since the parsed body is freed before the steps run. */
static struct violation keep_text(struct arena *arena, struct text text, void *target) {
    struct text kept = { arena_copy(arena, text.bytes, text.len), text.len };
    if (kept.bytes == NULL)
        return no_memory;
    memcpy(target, &kept, sizeof kept);
    return no_violation;
}

static struct violation read_text(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    struct text text = json_as_text(value);
    if (text.len == 0)
        return too_short;
    return text.len > field->max_len ? too_long : keep_text(arena, text, target);
}

static struct violation read_email(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    (void)field;
    if (!email_is_valid(json_as_text(value)))
        return (struct violation){ "invalid_email", "is not an e-mail address of the form name@example.org" };
    return keep_text(arena, json_as_text(value), target);
}

static struct violation read_password(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    (void)field;
    struct text typed = json_as_text(value);
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
    return no_violation;
}

static struct violation read_boolean(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    (void)arena;
    (void)field;
    bool truth = json_as_boolean(value);
    memcpy(target, &truth, sizeof truth);
    return no_violation;
}

static const struct {
    enum json_kind kind;
    struct violation wrong_type;
    struct violation (*read)(struct arena *arena, const struct field *field, const struct json *value, void *target);
} field_types[] = {
    [FIELD_EMAIL] = { JSON_KIND_TEXT, { "wrong_type", "must be a string" }, read_email },
    [FIELD_PASSWORD] = { JSON_KIND_TEXT, { "wrong_type", "must be a string" }, read_password },
    [FIELD_TEXT] = { JSON_KIND_TEXT, { "wrong_type", "must be a string" }, read_text },
    [FIELD_BOOLEAN] = { JSON_KIND_BOOLEAN, { "wrong_type", "must be true or false" }, read_boolean },
};

/* What was parsed: one of the two. */
struct body {
    const struct json *json;
    const struct form *form;
};

static struct violation missing(const struct field *field) {
    return field->required ? (struct violation){ "required", "is missing" } : no_violation;
}

static struct violation read_form_field(const struct field *field, const struct form *form, void *target) {
    struct text value = form_value(form, field->name);
    if (value.bytes == NULL)
        return missing(field);
    if (value.len > field->max_len)
        return too_long;
    memcpy(target, &value, sizeof value);
    return no_violation;
}

static struct violation read_field(struct exchange *exchange, const struct field *field, const struct body *body) {
    const struct json *value;
    void *target = (char *)exchange->request.scratch + field->offset;
    if (body->form != NULL)
        return read_form_field(field, body->form, target);
    if (!json_find(body->json, field->name, &value))
        return missing(field);
    if (json_kind(value) != field_types[field->type].kind)
        return field_types[field->type].wrong_type;
    return field_types[field->type].read(exchange->request.arena, field, value, target);
}

static bool refuse(struct exchange *exchange, enum status status) {
    reply_problem(&exchange->request, status);
    return false;
}

/* All fields are checked, so that a form can mark everything that is wrong at once. */
static bool read_fields(struct exchange *exchange, const struct body_schema *schema, const struct body *body) {
    struct field_problem problems[FIELDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < schema->count && count < FIELDS_MAX; i++) {
        const struct field *field = &schema->fields[i];
        struct violation violation = read_field(exchange, field, body);
        if (violation.code == NULL)
            continue;
        if (violation.code == no_memory.code)
            return refuse(exchange, STATUS_OUT_OF_MEMORY);
        struct field_problem problem = { arena_printf(exchange->request.arena, "/%s", field->name), violation.code,
                                         arena_printf(exchange->request.arena, "%s %s", field->name, violation.detail) };
        if (problem.pointer == NULL || problem.detail == NULL)
            return refuse(exchange, STATUS_OUT_OF_MEMORY);
        problems[count++] = problem;
    }
    if (count > 0)
        reply_invalid_fields(&exchange->request, problems, count);
    return count == 0;
}

static bool read_object(struct exchange *exchange, const struct body_schema *schema, const struct json *body) {
    if (json_kind(body) == JSON_KIND_OBJECT)
        return read_fields(exchange, schema, &(struct body){ .json = body });
    reply_invalid_field(&exchange->request, "", "wrong_type", "the body must be one JSON object");
    return false;
}

/* RFC 9110 section 8.3.1: type and parameter names without regard to case. */
static bool is_media_type(struct text value, const char *name, const char *name_with_charset) {
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
    return text_equal_ignoring_case(media_type, text_of(name)) ||
           text_equal_ignoring_case(media_type, text_of(name_with_charset));
}

static enum status check_media_type(const struct exchange *exchange) {
    if (request_header(&exchange->request, "Content-Encoding").bytes != NULL)
        return STATUS_UNSUPPORTED_MEDIA_TYPE;
    struct text type = request_header(&exchange->request, "Content-Type");
    bool is_right =
        exchange->request.route->body_format == BODY_FORM
            ? is_media_type(type, "application/x-www-form-urlencoded", "application/x-www-form-urlencoded;charset=utf-8")
            : is_media_type(type, "application/json", "application/json;charset=utf-8");
    return is_right ? STATUS_OK : STATUS_UNSUPPORTED_MEDIA_TYPE;
}

/* The parsed body has an arena of its own, since it may be many times as large as what the steps need of it. */
static bool read_json(struct exchange *exchange, const struct body_schema *schema) {
    struct text text = { exchange->body.bytes, exchange->body.len };
    struct arena arena;
    const struct json *body;
    arena_init(&arena, JSON_ARENA_LIMIT(text.len, limits.containers));
    enum status status = json_parse(&arena, text, limits, &body);
    bool is_good = status == STATUS_OK ? read_object(exchange, schema, body) : refuse(exchange, status);
    arena_fini(&arena);
    return is_good;
}

static bool read_form(struct exchange *exchange, const struct body_schema *schema) {
    struct form form;
    enum status status = form_parse(exchange->request.arena, (struct text){ exchange->body.bytes, exchange->body.len }, &form);
    if (status != STATUS_OK)
        return refuse(exchange, status);
    return read_fields(exchange, schema, &(struct body){ .form = &form });
}

bool schema_read_body(struct exchange *exchange) {
    const struct body_schema *schema = exchange->request.route->body;
    if (exchange->body.dropped > 0)
        return refuse(exchange, STATUS_BODY_TOO_LARGE);
    if (schema == NULL) {
        /* some clients send {} with every DELETE; it is not parsed */
        return true;
    }
    if (exchange->body.len == 0 && schema->optional)
        return true;
    enum status status = check_media_type(exchange);
    if (status != STATUS_OK)
        return refuse(exchange, status);
    return exchange->request.route->body_format == BODY_FORM ? read_form(exchange, schema) : read_json(exchange, schema);
}
