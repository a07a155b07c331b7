#include "schema.h"

#include "exchange.h"
#include "field.h"
#include "form.h"

#include "jwtd/json.h"
#include "jwtd/password_policy.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"

#include <assert.h>
#include <string.h>

/* Besides what the fields need: what else a client sends is ignored. */
#define DEPTH_MAX 16
#define CONTAINERS_MAX 64

/* What was parsed: one of the two, or neither if no body came. */
struct body {
    const struct json *json;
    const struct form *form;
};

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

static struct finding read_field(struct exchange *exchange, const struct field *field, const struct body *body) {
    struct arena *arena = exchange->request.arena;
    void *target = target_of(exchange, field);
    const struct json *value;
    if (!is_there(body, field->name))
        return field->required ? finding_missing : finding_none;
    if (body->form != NULL)
        return field_read_form(arena, field, form_value(body->form, field->name), target);
    json_find(body->json, field->name, &value);
    return field_read_json(arena, field, value, target);
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
        return finding_none;
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
        findings[i] =
            is_missed(schema, &schema->fields[i], body) ? finding_missing : read_field(exchange, &schema->fields[i], body);
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

/* In a text each byte may be written as \u00xx. */
#define BYTES_OF_AN_ESCAPE 6

/* The field whose value has used up the limit, and is too long whatever comes behind it; NULL: it is not known. */
static const struct field *field_that_is_too_long(const struct exchange *exchange, const struct body_schema *schema) {
    struct text name, beginning = { exchange->body.bytes, exchange->body.len };
    size_t len;
    if (exchange->request.route->body_format != BODY_JSON || beginning.len == 0 || !json_find_cut(beginning, &name, &len))
        return NULL;
    for (size_t i = 0; i < schema->count; i++) {
        size_t max = field_max_len(&schema->fields[i]);
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
    struct finding finding = finding_longer_than(exchange->request.arena, field_max_len(field));
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
