#include "schema.h"

#include "exchange.h"
#include "form.h"

#include "jwtd/email.h"
#include "jwtd/hasher.h"
#include "jwtd/json.h"
#include "jwtd/json_writer.h"
#include "jwtd/password_policy.h"
#include "jwtd/reply.h"
#include "jwtd/role.h"
#include "jwtd/services.h"

#include <assert.h>
#include <string.h>

/* Besides what the fields need: what else a client sends is ignored. */
#define DEPTH_MAX 16
#define CONTAINERS_MAX 64

/* What is wrong with a value. */
struct finding {
    enum violation violation; /* VIOLATION_NONE: nothing */
    const char *detail;       /* behind the name of the field */
    size_t min, max;
    bool is_out_of_memory;
};

static const struct finding good = { .violation = VIOLATION_NONE };
static const struct finding no_memory = { .is_out_of_memory = true };
static const struct finding empty = { .violation = VIOLATION_TOO_SHORT, .detail = "must not be empty", .min = 1 };
static const struct finding no_string = { .violation = VIOLATION_WRONG_TYPE, .detail = "must be a string" };
static const struct finding no_object = { .violation = VIOLATION_WRONG_TYPE, .detail = "must be an object" };
static const struct finding no_boolean = { .violation = VIOLATION_WRONG_TYPE, .detail = "must be true or false" };
static const struct finding no_array = { .violation = VIOLATION_WRONG_TYPE, .detail = "must be an array" };
static const struct finding not_there = { .violation = VIOLATION_REQUIRED, .detail = "is missing" };

static struct finding longer_than(struct arena *arena, size_t max) {
    const char *detail = arena_printf(arena, "must have at most %zu bytes", max);
    return detail != NULL ? (struct finding){ .violation = VIOLATION_TOO_LONG, .detail = detail, .max = max } : no_memory;
}

/* A copy, since the parsed body is freed before the steps run. */
static struct finding keep_text(struct arena *arena, struct text text, void *target) {
    struct text kept = { arena_copy(arena, text.bytes, text.len), text.len };
    if (kept.bytes == NULL)
        return no_memory;
    memcpy(target, &kept, sizeof kept);
    return good;
}

static struct finding read_text(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    struct text text = json_as_text(value);
    if (text.len == 0)
        return empty;
    return text.len > field->max_len ? longer_than(arena, field->max_len) : keep_text(arena, text, target);
}

static struct finding read_line(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    if (!text_is_line(json_as_text(value)))
        return (struct finding){ .violation = VIOLATION_CONTROL_CHARACTER,
                                 .detail = "must not contain control characters or ends of lines" };
    return read_text(arena, field, value, target);
}

/* As text: its length does not depend on the blanks and escapes of the client, and code that keeps it need not know JSON. */
static struct finding read_any_object(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    struct json_writer writer;
    json_writer_init(&writer, arena);
    json_write_value(&writer, value);
    struct text text = json_writer_finish(&writer);
    if (text.bytes == NULL)
        return no_memory;
    if (text.len > field->max_len)
        return longer_than(arena, field->max_len);
    memcpy(target, &text, sizeof text);
    return good;
}

/* Keyboards of phones leave a blank behind what they complete. */
static struct text without_blanks(struct text text) {
    while (text.len > 0 && text_is_blank(text.bytes[text.len - 1]))
        text.len--;
    while (text.len > 0 && text_is_blank(text.bytes[0]))
        text = (struct text){ text.bytes + 1, text.len - 1 };
    return text;
}

static struct finding read_email(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    struct text email = without_blanks(json_as_text(value));
    (void)field;
    if (email.len > EMAIL_MAX_LEN)
        return longer_than(arena, EMAIL_MAX_LEN);
    if (!email_is_valid(email))
        return (struct finding){ .violation = VIOLATION_INVALID_EMAIL,
                                 .detail = "is not an e-mail address of the form name@example.org" };
    return keep_text(arena, email, target);
}

static struct finding read_password(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    (void)field;
    struct text typed = json_as_text(value);
    if (typed.len == 0)
        return empty;
    if (typed.len > PASSWORD_MAX_LEN)
        return longer_than(arena, PASSWORD_MAX_LEN);
    struct text normalized = text_nfc(arena, typed);
    if (normalized.bytes == NULL)
        return no_memory;
    if (normalized.len > PASSWORD_MAX_LEN)
        return longer_than(arena, PASSWORD_MAX_LEN);
    memcpy(target, &normalized, sizeof normalized);
    return good;
}

/* An empty one is left to the policy, which says how long one must be. */
static struct finding read_new_password(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    if (json_as_text(value).len > 0)
        return read_password(arena, field, value, target);
    memcpy(target, &(struct text){ "", 0 }, sizeof(struct text));
    return good;
}

static struct finding read_boolean(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    (void)arena;
    (void)field;
    bool truth = json_as_boolean(value);
    memcpy(target, &truth, sizeof truth);
    return good;
}

static struct finding read_flag(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    (void)arena;
    (void)field;
    enum field_flag flag = json_as_boolean(value) ? FLAG_TRUE : FLAG_FALSE;
    memcpy(target, &flag, sizeof flag);
    return good;
}

static bool is_repeated(const struct json *array, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (text_equal(json_as_text(json_item(array, i)), json_as_text(json_item(array, index))))
            return true;
    return false;
}

/* Not even read when so many cannot be stored: the comparison of each with each would take long. */
static struct finding read_roles(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    struct json_writer writer;
    size_t count = json_item_count(value);
    if (count > field->max_len / 2)
        return longer_than(arena, field->max_len);
    json_writer_init(&writer, arena);
    json_begin_array(&writer);
    for (size_t i = 0; i < count; i++) {
        struct text role = json_as_text(json_item(value, i));
        if (!role_is_valid(role))
            return (struct finding){ .violation = VIOLATION_INVALID_ROLE,
                                     .detail = "has an element that is no role: it is " ROLE_RULE };
        if (!is_repeated(value, i))
            json_write_text(&writer, role);
    }
    json_end_array(&writer);
    struct text roles = json_writer_finish(&writer);
    if (roles.bytes == NULL)
        return no_memory;
    if (roles.len > field->max_len)
        return longer_than(arena, field->max_len);
    memcpy(target, &roles, sizeof roles);
    return good;
}

static const struct {
    enum json_kind kind;
    const struct finding *wrong_type;
    struct finding (*read)(struct arena *arena, const struct field *field, const struct json *value, void *target);
} field_types[] = {
    [FIELD_EMAIL] = { JSON_KIND_TEXT, &no_string, read_email },
    [FIELD_PASSWORD] = { JSON_KIND_TEXT, &no_string, read_password },
    [FIELD_NEW_PASSWORD] = { JSON_KIND_TEXT, &no_string, read_new_password },
    [FIELD_TEXT] = { JSON_KIND_TEXT, &no_string, read_text },
    [FIELD_LINE] = { JSON_KIND_TEXT, &no_string, read_line },
    [FIELD_OBJECT] = { JSON_KIND_OBJECT, &no_object, read_any_object },
    [FIELD_BOOLEAN] = { JSON_KIND_BOOLEAN, &no_boolean, read_boolean },
    [FIELD_FLAG] = { JSON_KIND_BOOLEAN, &no_boolean, read_flag },
    [FIELD_ROLES] = { JSON_KIND_ARRAY, &no_array, read_roles },
};

/* What was parsed: one of the two, or neither if no body came. */
struct body {
    const struct json *json;
    const struct form *form;
};

static struct finding missing(const struct field *field) {
    return field->required ? not_there : good;
}

static bool is_there(const struct body *body, const char *name) {
    const struct json *ignored;
    if (body->form != NULL)
        return form_value(body->form, name).bytes != NULL;
    return body->json != NULL && json_find(body->json, name, &ignored);
}

/* Whether a field that is there requires this one, which is not. */
static bool is_missed(const struct body_schema *schema, const struct field *field, const struct body *body) {
    for (size_t i = 0; i < schema->count; i++) {
        const struct field *other = &schema->fields[i];
        if (other->requires != NULL && strcmp(other->requires, field->name) == 0 && is_there(body, other->name))
            return !is_there(body, field->name);
    }
    return false;
}

static void *target_of(const struct exchange *exchange, const struct field *field) {
    return (char *)exchange->request.scratch + field->offset;
}

static struct finding read_form_field(struct arena *arena, const struct field *field, const struct form *form, void *target) {
    struct text value = form_value(form, field->name);
    if (value.bytes == NULL)
        return missing(field);
    if (value.len > field->max_len)
        return longer_than(arena, field->max_len);
    memcpy(target, &value, sizeof value);
    return good;
}

static bool contains_nul(const struct json *value) {
    struct text text = json_as_text(value);
    return text.len > 0 && memchr(text.bytes, '\0', text.len) != NULL;
}

static struct finding read_field(struct exchange *exchange, const struct field *field, const struct body *body) {
    const struct json *value;
    struct arena *arena = exchange->request.arena;
    void *target = target_of(exchange, field);
    if (body->form != NULL)
        return read_form_field(arena, field, body->form, target);
    if (body->json == NULL || !json_find(body->json, field->name, &value))
        return missing(field);
    if (value == NULL && field->is_nullable)
        return keep_text(arena, (struct text){ "", 0 }, target);
    if (json_kind(value) != field_types[field->type].kind)
        return *field_types[field->type].wrong_type;
    if (contains_nul(value))
        return (struct finding){ .violation = VIOLATION_CONTAINS_NUL, .detail = "must not contain the character U+0000" };
    return field_types[field->type].read(arena, field, value, target);
}

/* ---- new passwords ---- */

static struct text read_text_of(const struct exchange *exchange, const struct field *field) {
    struct text text;
    memcpy(&text, target_of(exchange, field), sizeof text);
    return text;
}

/* The one that the body has, if it is valid; else {NULL, 0}. */
static struct text email_of(const struct exchange *exchange, const struct body_schema *schema) {
    for (size_t i = 0; i < schema->count; i++)
        if (schema->fields[i].type == FIELD_EMAIL)
            return read_text_of(exchange, &schema->fields[i]);
    return (struct text){ NULL, 0 };
}

static struct finding judge_password(const struct exchange *exchange, struct text password, struct text email) {
    const struct password_policy *policy = &exchange->request.services->password_policy;
    struct arena *arena = exchange->request.arena;
    enum password_verdict verdict = password_check_policy(policy, arena, password, email);
    if (verdict == PASSWORD_ACCEPTED)
        return good;
    struct finding finding = { .violation = password_verdict_violation(verdict) };
    finding.detail = password_verdict_detail(policy, verdict, arena);
    finding.min = verdict == PASSWORD_TOO_SHORT ? policy->min_length : 0;
    finding.is_out_of_memory = verdict == PASSWORD_OUT_OF_MEMORY || finding.detail == NULL;
    return finding;
}

/* When all fields are read, since a password must not contain the address beside it. */
static void judge_new_passwords(const struct exchange *exchange, const struct body_schema *schema, struct finding *findings) {
    struct text email = email_of(exchange, schema);
    for (size_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].type != FIELD_NEW_PASSWORD || findings[i].violation != VIOLATION_NONE)
            continue;
        struct text password = read_text_of(exchange, &schema->fields[i]);
        if (password.bytes != NULL)
            findings[i] = judge_password(exchange, password, email);
    }
}

/* ---- the reply ---- */

static bool refuse(struct exchange *exchange, enum status status) {
    reply_problem(&exchange->request, status);
    return false;
}

/* False: out of memory. */
static bool describe(struct arena *arena, const struct field *field, const struct finding *finding,
                     struct field_problem *problem) {
    *problem = (struct field_problem){
        .pointer = arena_printf(arena, "/%s", field->name),
        .violation = finding->violation,
        .detail = arena_printf(arena, "%s %s", field->name, finding->detail),
        .min = finding->min,
        .max = finding->max,
    };
    return problem->pointer != NULL && problem->detail != NULL;
}

/* True: nothing is wrong. */
static bool report(struct exchange *exchange, const struct body_schema *schema, const struct finding *findings) {
    struct field_problem problems[BODY_FIELDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < schema->count; i++) {
        if (findings[i].is_out_of_memory)
            return refuse(exchange, STATUS_OUT_OF_MEMORY);
        if (findings[i].violation == VIOLATION_NONE)
            continue;
        if (!describe(exchange->request.arena, &schema->fields[i], &findings[i], &problems[count++]))
            return refuse(exchange, STATUS_OUT_OF_MEMORY);
    }
    if (count > 0)
        reply_invalid_fields(&exchange->request, problems, count);
    return count == 0;
}

/* All fields are checked, so that a form can mark everything that is wrong at once. */
static bool read_fields(struct exchange *exchange, const struct body_schema *schema, const struct body *body) {
    struct finding findings[BODY_FIELDS_MAX];
    assert(schema->count <= BODY_FIELDS_MAX);
    for (size_t i = 0; i < schema->count; i++)
        findings[i] = is_missed(schema, &schema->fields[i], body) ? not_there : read_field(exchange, &schema->fields[i], body);
    judge_new_passwords(exchange, schema, findings);
    return report(exchange, schema, findings);
}

static bool read_object(struct exchange *exchange, const struct body_schema *schema, const struct json *body) {
    if (json_kind(body) == JSON_KIND_OBJECT)
        return read_fields(exchange, schema, &(struct body){ .json = body });
    reply_invalid_field(&exchange->request, &(struct field_problem){ .pointer = "",
                                                                     .violation = VIOLATION_WRONG_TYPE,
                                                                     .detail = "the body must be one JSON object" });
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

/* An object of the client's own may be made of nothing but objects and arrays, each of which has two brackets. */
static struct json_limits limits_of(const struct body_schema *schema) {
    struct json_limits limits = { .depth = DEPTH_MAX, .containers = CONTAINERS_MAX, .allows_nul = true };
    for (size_t i = 0; i < schema->count; i++)
        if (schema->fields[i].type == FIELD_OBJECT)
            limits.containers += (unsigned)(schema->fields[i].max_len / 2);
    return limits;
}

/* The parsed body has an arena of its own, since it may be many times as large as what the steps need of it. */
static bool read_json(struct exchange *exchange, const struct body_schema *schema) {
    struct text text = { exchange->body.bytes, exchange->body.len };
    struct json_limits limits = limits_of(schema);
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

/* ---- bodies that are too large ---- */

/* The longest value of a text, in bytes; 0: it is no text. */
static size_t max_len_of(const struct field *field) {
    switch (field->type) {
    case FIELD_EMAIL:
        return EMAIL_MAX_LEN;
    case FIELD_PASSWORD:
    case FIELD_NEW_PASSWORD:
        return PASSWORD_MAX_LEN;
    case FIELD_TEXT:
    case FIELD_LINE:
        return field->max_len;
    default:
        return 0;
    }
}

/* In a text each byte may be written as \u00xx. */
#define BYTES_OF_AN_ESCAPE 6

/* The field whose value has used up the limit, and is too long whatever comes behind it; NULL: it is not known. */
static const struct field *field_that_is_too_long(const struct exchange *exchange, const struct body_schema *schema) {
    struct text name, beginning = { exchange->body.bytes, exchange->body.len };
    size_t len;
    if (exchange->request.route->body_format != BODY_JSON || beginning.len == 0 || !json_find_cut(beginning, &name, &len))
        return NULL;
    for (size_t i = 0; i < schema->count; i++) {
        size_t max = max_len_of(&schema->fields[i]);
        if (text_equal(name, text_of(schema->fields[i].name)))
            return max > 0 && len / BYTES_OF_AN_ESCAPE > max ? &schema->fields[i] : NULL;
    }
    return NULL;
}

/* A user who has pasted a novel for a password is told the same as with one byte too many. */
static bool refuse_too_large(struct exchange *exchange, const struct body_schema *schema) {
    const struct field *field = schema != NULL ? field_that_is_too_long(exchange, schema) : NULL;
    if (field == NULL)
        return refuse(exchange, STATUS_BODY_TOO_LARGE);
    struct finding finding = longer_than(exchange->request.arena, max_len_of(field));
    struct field_problem problem;
    if (finding.is_out_of_memory || !describe(exchange->request.arena, field, &finding, &problem))
        return refuse(exchange, STATUS_OUT_OF_MEMORY);
    reply_invalid_field(&exchange->request, &problem);
    return false;
}

bool schema_read_body(struct exchange *exchange) {
    const struct body_schema *schema = exchange->request.route->body;
    if (exchange->body.dropped > 0)
        return refuse_too_large(exchange, schema);
    if (schema == NULL) {
        /* some clients send {} with every DELETE; it is not parsed */
        return true;
    }
    if (exchange->body.len == 0) /* with whatever media type: nothing is one */
        return schema->optional || read_fields(exchange, schema, &(struct body){ .json = NULL });
    enum status status = check_media_type(exchange);
    if (status != STATUS_OK)
        return refuse(exchange, status);
    return exchange->request.route->body_format == BODY_FORM ? read_form(exchange, schema) : read_json(exchange, schema);
}
