#include "header_view.h"

static bool has_name(const struct request_field *field, struct text name) {
    return field->name.len == name.len && text_equal_ignoring_case(field->name, name);
}

struct text header_view_find(const struct header_view *headers, struct text name) {
    for (size_t i = 0; i < headers->count; i++)
        if (has_name(&headers->fields[i], name))
            return headers->fields[i].value;
    return (struct text){ NULL, 0 };
}

size_t header_view_count(const struct header_view *headers, struct text name) {
    size_t count = 0;
    for (size_t i = 0; i < headers->count; i++)
        count += has_name(&headers->fields[i], name);
    return count;
}
