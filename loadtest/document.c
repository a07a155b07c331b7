#include "document.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void need(bool has_memory) {
    if (has_memory)
        return;
    fputs("failpoint: no memory\n", stderr);
    abort();
}

static struct json_object *made(struct json_object *value) {
    need(value != NULL);
    return value;
}

struct json_object *document_object(void) {
    return made(json_object_new_object());
}

struct json_object *document_array(void) {
    return made(json_object_new_array());
}

struct json_object *document_text(const char *text) {
    return made(json_object_new_string(text));
}

struct json_object *document_integer(int64_t number) {
    return made(json_object_new_int64(number));
}

struct json_object *document_boolean(bool flag) {
    return made(json_object_new_boolean(flag));
}

struct json_object *document_real(double number) {
    static char format[] = "%.12g"; /* json-c wants it writable, and only reads it */
    struct json_object *value = made(json_object_new_double(isfinite(number) ? number : 0));
    json_object_set_serializer(value, json_object_double_to_json_string, format, NULL);
    return value;
}

void document_add(struct json_object *object, const char *name, struct json_object *value) {
    need(json_object_object_add(object, name, value) == 0);
}

void document_append(struct json_object *array, struct json_object *value) {
    need(json_object_array_add(array, value) == 0);
}

/* ---- copies ---- */

static bool copy_member(void *object, const char *name, const struct json *value) {
    document_add(object, name, document_copy(value));
    return true;
}

/* Recursive, but no deeper than the parser allowed. NOLINTNEXTLINE(misc-no-recursion) */
struct json_object *document_copy(const struct json *value) {
    struct json_object *copy = NULL;
    switch (json_kind(value)) {
    case JSON_KIND_NULL:
        return NULL;
    case JSON_KIND_BOOLEAN:
        return document_boolean(json_as_boolean(value));
    case JSON_KIND_INTEGER:
        return document_integer(json_as_int64(value));
    case JSON_KIND_REAL:
        return made(json_object_new_double(json_as_double(value)));
    case JSON_KIND_TEXT:
        return document_text(json_as_text(value).bytes);
    case JSON_KIND_OBJECT:
        copy = document_object();
        json_each_member(value, copy_member, copy);
        break;
    case JSON_KIND_ARRAY:
        copy = document_array();
        for (size_t i = 0; i < json_item_count(value); i++)
            document_append(copy, document_copy(json_item(value, i)));
        break;
    }
    return copy;
}
