#include "openapi_schemas.h"

#include "jwtd/email.h"
#include "jwtd/hasher.h"
#include "jwtd/macros.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void openapi_write_reference(struct json_writer *writer, const char *kind, const char *name) {
    char target[128];
    int len = snprintf(target, sizeof target, "#/components/%s/%s", kind, name);
    assert(len > 0 && (size_t)len < sizeof target);
    json_begin_object(writer);
    json_member_string(writer, "$ref", target);
    json_end_object(writer);
}

/* ---- the fields of bodies ---- */

static const struct field_kind {
    const char *type, *format, *example; /* the example is JSON; NULL: the row has one, which is JSON but for strings */
    size_t min_len, max_len;             /* of a text; a limit in bytes is one in characters, too */
    const char *items;                   /* of an array, its elements' schema */
} field_kinds[] = {
    [FIELD_EMAIL] = { "string", "idn-email", "\"ada@example.org\"", 3, EMAIL_MAX_LEN, NULL },
    [FIELD_PASSWORD] = { "string", "password", "\"correct horse battery staple\"", 1, PASSWORD_MAX_LEN, NULL },
    [FIELD_NEW_PASSWORD] = { "string", "password", "\"correct horse battery staple\"", 8, PASSWORD_MAX_LEN, NULL },
    [FIELD_TEXT] = { "string", NULL, NULL, 1, 0, NULL },
    [FIELD_LINE] = { "string", NULL, NULL, 1, 0, NULL },
    [FIELD_OBJECT] = { "object", NULL, NULL, 0, 0, NULL },
    [FIELD_BOOLEAN] = { "boolean", NULL, "true", 0, 0, NULL },
    [FIELD_FLAG] = { "boolean", NULL, "true", 0, 0, NULL },
    [FIELD_ROLES] = { .type = "array", .items = "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9_][A-Za-z0-9._:-]{0,63}$\"}" },
};

const char *openapi_wrong_field(const struct field *field) {
    if ((size_t)field->type >= ARRAY_LEN(field_kinds) || field_kinds[field->type].type == NULL)
        return "type";
    if (field->description == NULL)
        return "description";
    return field->example == NULL && field_kinds[field->type].example == NULL ? "example" : NULL;
}

static void write_field_example(struct json_writer *writer, const struct field *field) {
    const char *of_kind = field_kinds[field->type].example;
    if (field->example == NULL)
        json_write_raw(writer, text_of(of_kind));
    else if (strcmp(field_kinds[field->type].type, "string") == 0)
        json_write_string(writer, field->example);
    else
        json_write_raw(writer, text_of(field->example));
}

static void write_type_name(struct json_writer *writer, const char *name, bool is_nullable) {
    json_name(writer, "type");
    if (!is_nullable) {
        json_write_string(writer, name);
        return;
    }
    json_begin_array(writer);
    json_write_string(writer, name);
    json_write_string(writer, "null");
    json_end_array(writer);
}

static void write_length(struct json_writer *writer, const char *name, size_t length) {
    if (length > 0 && length < INT32_MAX)
        json_member_integer(writer, name, (int64_t)length);
}

static void write_field(struct json_writer *writer, const struct field *field, enum body_format format) {
    const struct field_kind *kind = &field_kinds[field->type];
    json_name(writer, field->name);
    json_begin_object(writer);
    write_type_name(writer, kind->type, field->is_nullable);
    if (kind->format != NULL)
        json_member_string(writer, "format", kind->format);
    if (field->type == FIELD_OBJECT) {
        json_member_boolean(writer, "additionalProperties", true);
    } else if (kind->items != NULL) {
        json_member_raw(writer, "items", text_of(kind->items));
    } else {
        write_length(writer, "minLength", format == BODY_FORM ? 0 : kind->min_len);
        write_length(writer, "maxLength", kind->max_len > 0 ? kind->max_len : field->max_len);
    }
    json_member_string(writer, "description", field->description);
    json_name(writer, "examples");
    json_begin_array(writer);
    write_field_example(writer, field);
    json_end_array(writer);
    json_end_object(writer);
}

/* Fields that must not be there without another one. */
static void write_companions(struct json_writer *writer, const struct body_schema *body) {
    bool is_first = true;
    for (size_t i = 0; i < body->count; i++) {
        if (body->fields[i].requires == NULL)
            continue;
        if (is_first) {
            json_name(writer, "dependentRequired");
            json_begin_object(writer);
        }
        is_first = false;
        json_name(writer, body->fields[i].name);
        json_begin_array(writer);
        json_write_string(writer, body->fields[i].requires);
        json_end_array(writer);
    }
    if (!is_first)
        json_end_object(writer);
}

void openapi_write_body_schema(struct json_writer *writer, const struct body_schema *body, enum body_format format) {
    json_begin_object(writer);
    json_member_string(writer, "type", "object");
    json_name(writer, "properties");
    json_begin_object(writer);
    for (size_t i = 0; i < body->count; i++)
        write_field(writer, &body->fields[i], format);
    json_end_object(writer);
    json_name(writer, "required");
    json_begin_array(writer);
    for (size_t i = 0; i < body->count; i++)
        if (body->fields[i].required)
            json_write_string(writer, body->fields[i].name);
    json_end_array(writer);
    write_companions(writer, body);
    json_end_object(writer);
}

/* What must be there; if nothing must, the first field, and the one that it must not be without. */
static bool is_in_example(const struct body_schema *body, const struct field *field) {
    const struct field *first = &body->fields[0];
    for (size_t i = 0; i < body->count; i++)
        if (body->fields[i].required)
            return field->required;
    return field == first || (first->requires != NULL && strcmp(first->requires, field->name) == 0);
}

void openapi_write_body_example(struct json_writer *writer, const struct body_schema *body) {
    json_begin_object(writer);
    for (size_t i = 0; i < body->count; i++) {
        if (!is_in_example(body, &body->fields[i]))
            continue;
        json_name(writer, body->fields[i].name);
        write_field_example(writer, &body->fields[i]);
    }
    json_end_object(writer);
}

/* ---- the members of replies ---- */

static const struct text_format {
    const char *name;
    const char *example;
    const char *schema; /* NULL: {"format": name} */
} formats[] = {
    { "uuid", "0198c0de-7b3a-7000-8000-000000000001", NULL },
    { "date-time", "2026-11-22T10:00:00.000Z", NULL },
    { "idn-email", "ada@example.org", NULL },
    { "ip", "2001:db8::1", "[{\"format\":\"ipv4\"},{\"format\":\"ipv6\"}]" },
    { "uri", "https://auth.example.com/", NULL },
};

static const struct text_format *find_format(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

static const char *const type_names[] = { [REPLY_STRING] = "string",
                                          [REPLY_INTEGER] = "integer",
                                          [REPLY_BOOLEAN] = "boolean",
                                          [REPLY_OBJECT] = "object",
                                          [REPLY_ARRAY] = "array" };

static bool needs_example(const struct reply_member *member) {
    if (member->type == REPLY_STRING)
        return member->format == NULL && member->values == NULL;
    return member->type == REPLY_INTEGER || (member->type == REPLY_ARRAY && member->schema == NULL);
}

const char *openapi_wrong_member(const struct reply_member *member) {
    if (member->name == NULL)
        return "name";
    if (member->description == NULL)
        return "description";
    if (member->format != NULL && (member->type != REPLY_STRING || find_format(member->format) == NULL))
        return "format";
    return member->example == NULL && needs_example(member) ? "example" : NULL;
}

static void write_text_example(struct json_writer *writer, const struct reply_member *member) {
    if (member->example != NULL) {
        json_write_string(writer, member->example);
    } else if (member->values != NULL) {
        json_write_string(writer, member->values[0]);
    } else {
        assert(member->format != NULL); /* openapi_wrong_member */
        json_write_string(writer, find_format(member->format)->example);
    }
}

static void write_member_example(struct json_writer *writer, const struct reply_member *member) {
    if (member->type == REPLY_STRING) {
        write_text_example(writer, member);
    } else if (member->example != NULL) {
        json_write_raw(writer, text_of(member->example));
    } else if (member->type == REPLY_BOOLEAN) {
        json_write_boolean(writer, true);
    } else if (member->type == REPLY_ARRAY) {
        json_begin_array(writer);
        openapi_write_reply_example(writer, member->schema);
        json_end_array(writer);
    } else if (member->schema != NULL) {
        openapi_write_reply_example(writer, member->schema);
    } else {
        json_begin_object(writer);
        json_end_object(writer);
    }
}

/* Rows nest as they are written, so the depth is bounded. */
void openapi_write_reply_example(struct json_writer *writer, const struct reply_schema *reply) {
    json_begin_object(writer);
    for (size_t i = 0; i < reply->count; i++) {
        json_name(writer, reply->members[i].name);
        write_member_example(writer, &reply->members[i]);
    }
    json_end_object(writer);
}

/* Of a text. A format says nothing of null. */
static void write_format(struct json_writer *writer, const struct text_format *format) {
    if (format->schema == NULL)
        json_member_string(writer, "format", format->name);
    else
        json_member_raw(writer, "anyOf", text_of(format->schema));
}

static void write_values(struct json_writer *writer, const struct reply_member *member) {
    json_name(writer, "enum");
    json_begin_array(writer);
    for (size_t i = 0; member->values[i] != NULL; i++)
        json_write_string(writer, member->values[i]);
    if (member->nullable)
        json_write_string(writer, NULL);
    json_end_array(writer);
}

static void write_items(struct json_writer *writer, const struct reply_member *member) {
    json_name(writer, "items");
    if (member->schema != NULL)
        openapi_write_reference(writer, "schemas", member->schema->name);
    else
        json_write_raw(writer, text_of("{\"type\":\"string\"}"));
}

/* A reference and null exclude each other, so they are alternatives. */
static void write_object_reference(struct json_writer *writer, const struct reply_member *member) {
    json_name(writer, member->nullable ? "anyOf" : "allOf");
    json_begin_array(writer);
    openapi_write_reference(writer, "schemas", member->schema->name);
    if (member->nullable)
        json_write_raw(writer, text_of("{\"type\":\"null\"}"));
    json_end_array(writer);
}

static void write_member(struct json_writer *writer, const struct reply_member *member) {
    bool is_reference = member->type == REPLY_OBJECT && member->schema != NULL;
    json_name(writer, member->name);
    json_begin_object(writer);
    if (is_reference)
        write_object_reference(writer, member);
    else
        write_type_name(writer, type_names[member->type], member->nullable);
    if (member->format != NULL)
        write_format(writer, find_format(member->format));
    if (member->values != NULL)
        write_values(writer, member);
    if (member->type == REPLY_ARRAY)
        write_items(writer, member);
    if (member->type == REPLY_OBJECT && !is_reference)
        json_member_boolean(writer, "additionalProperties", true);
    json_member_string(writer, "description", member->description);
    if (member->schema == NULL) {
        json_name(writer, "examples");
        json_begin_array(writer);
        write_member_example(writer, member);
        json_end_array(writer);
    }
    json_end_object(writer);
}

/* Without additionalProperties: a later version may add members. */
void openapi_write_reply_schema(struct json_writer *writer, const struct reply_schema *reply) {
    json_begin_object(writer);
    json_member_string(writer, "type", "object");
    json_name(writer, "properties");
    json_begin_object(writer);
    for (size_t i = 0; i < reply->count; i++)
        write_member(writer, &reply->members[i]);
    json_end_object(writer);
    json_name(writer, "required");
    json_begin_array(writer);
    for (size_t i = 0; i < reply->count; i++)
        if (!reply->members[i].optional)
            json_write_string(writer, reply->members[i].name);
    json_end_array(writer);
    json_end_object(writer);
}
