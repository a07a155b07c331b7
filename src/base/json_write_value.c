#include "jwtd/json.h"
#include "jwtd/json_writer.h"

static bool write_member(void *context, const char *name, const struct json *value) {
    struct json_writer *writer = context;
    json_name(writer, name);
    json_write_value(writer, value);
    return true;
}

static void write_array(struct json_writer *writer, const struct json *array) {
    json_begin_array(writer);
    for (size_t i = 0; i < json_item_count(array); i++)
        json_write_value(writer, json_item(array, i));
    json_end_array(writer);
}

void json_write_value(struct json_writer *writer, const struct json *value) {
    switch (json_kind(value)) {
    case JSON_KIND_NULL:
        json_write_string(writer, NULL);
        return;
    case JSON_KIND_BOOLEAN:
        json_write_boolean(writer, json_as_boolean(value));
        return;
    case JSON_KIND_INTEGER:
        json_write_integer(writer, json_as_int64(value));
        return;
    case JSON_KIND_REAL:
        json_write_raw(writer, json_as_real_text(value));
        return;
    case JSON_KIND_TEXT:
        json_write_text(writer, json_as_text(value));
        return;
    case JSON_KIND_ARRAY:
        write_array(writer, value);
        return;
    case JSON_KIND_OBJECT:
        json_begin_object(writer);
        json_each_member(value, write_member, writer);
        json_end_object(writer);
    }
}
