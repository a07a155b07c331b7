#include "header_view.h"

struct text header_view_find(const struct header_view *headers, struct text name) {
    for (size_t i = 0; i < headers->count; i++)
        if (headers->fields[i].name.len == name.len && text_equal_ignoring_case(headers->fields[i].name, name))
            return headers->fields[i].value;
    return (struct text){ NULL, 0 };
}
