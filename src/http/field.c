#include "field.h"

#include "jwtd/email.h"
#include "jwtd/hasher.h"
#include "jwtd/json_writer.h"
#include "jwtd/role.h"

#include <string.h>

const struct finding finding_none = { .violation = VIOLATION_NONE };
const struct finding finding_missing = { .violation = VIOLATION_REQUIRED, .detail = "is missing" };

static const struct finding no_memory = { .is_out_of_memory = true };
static const struct finding empty = { .violation = VIOLATION_TOO_SHORT, .detail = "must not be empty", .min = 1 };
static const struct finding no_string = { .violation = VIOLATION_WRONG_TYPE, .detail = "must be a string" };
static const struct finding no_object = { .violation = VIOLATION_WRONG_TYPE, .detail = "must be an object" };
static const struct finding no_boolean = { .violation = VIOLATION_WRONG_TYPE, .detail = "must be true or false" };
static const struct finding no_array = { .violation = VIOLATION_WRONG_TYPE, .detail = "must be an array" };

struct finding finding_longer_than(struct arena *arena, size_t max) {
    const char *detail = arena_printf(arena, "must have at most %zu bytes", max);
    return detail != NULL ? (struct finding){ .violation = VIOLATION_TOO_LONG, .detail = detail, .max = max } : no_memory;
}

/* A copy, since the parsed body is freed before the steps run. */
static struct finding keep_text(struct arena *arena, struct text text, void *target) {
    struct text kept = { arena_copy(arena, text.bytes, text.len), text.len };
    if (kept.bytes == NULL)
        return no_memory;
    memcpy(target, &kept, sizeof kept);
    return finding_none;
}

static struct finding read_text(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    struct text text = json_as_text(value);
    if (text.len == 0)
        return empty;
    return text.len > field->max_len ? finding_longer_than(arena, field->max_len) : keep_text(arena, text, target);
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
        return finding_longer_than(arena, field->max_len);
    memcpy(target, &text, sizeof text);
    return finding_none;
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
        return finding_longer_than(arena, EMAIL_MAX_LEN);
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
        return finding_longer_than(arena, PASSWORD_MAX_LEN);
    struct text normalized = text_nfc(arena, typed);
    if (normalized.bytes == NULL)
        return no_memory;
    if (normalized.len > PASSWORD_MAX_LEN)
        return finding_longer_than(arena, PASSWORD_MAX_LEN);
    memcpy(target, &normalized, sizeof normalized);
    return finding_none;
}

/* An empty one is left to the policy, which says how long one must be. */
static struct finding read_new_password(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    if (json_as_text(value).len > 0)
        return read_password(arena, field, value, target);
    memcpy(target, &(struct text){ "", 0 }, sizeof(struct text));
    return finding_none;
}

static struct finding read_boolean(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    (void)arena;
    (void)field;
    bool truth = json_as_boolean(value);
    memcpy(target, &truth, sizeof truth);
    return finding_none;
}

static struct finding read_flag(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    (void)arena;
    (void)field;
    enum field_flag flag = json_as_boolean(value) ? FLAG_TRUE : FLAG_FALSE;
    memcpy(target, &flag, sizeof flag);
    return finding_none;
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
        return finding_longer_than(arena, field->max_len);
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
        return finding_longer_than(arena, field->max_len);
    memcpy(target, &roles, sizeof roles);
    return finding_none;
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

static bool contains_nul(const struct json *value) {
    struct text text = json_as_text(value);
    return text.len > 0 && memchr(text.bytes, '\0', text.len) != NULL;
}

struct finding field_read_json(struct arena *arena, const struct field *field, const struct json *value, void *target) {
    if (value == NULL && field->is_nullable)
        return keep_text(arena, (struct text){ "", 0 }, target);
    if (json_kind(value) != field_types[field->type].kind)
        return *field_types[field->type].wrong_type;
    if (contains_nul(value))
        return (struct finding){ .violation = VIOLATION_CONTAINS_NUL, .detail = "must not contain the character U+0000" };
    return field_types[field->type].read(arena, field, value, target);
}

struct finding field_read_form(struct arena *arena, const struct field *field, struct text value, void *target) {
    if (value.len > field->max_len)
        return finding_longer_than(arena, field->max_len);
    memcpy(target, &value, sizeof value);
    return finding_none;
}

size_t field_max_len(const struct field *field) {
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
