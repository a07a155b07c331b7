#include "header_list.h"

#include <stdbool.h>

static bool is_header_value(const char *value) {
    for (; *value != '\0'; value++)
        if (*value < ' ' || *value > '~')
            return false;
    return true;
}

enum status header_list_add(struct header_list *list, const char *name, const char *value) {
    if (!is_header_value(value) || list->count == HEADER_LIST_MAX)
        return STATUS_INTERNAL;
    /* the library refuses an empty value; a blank is the same on the wire (RFC 9110 section 5.5), and a proxy that copies the
     * header must find it even when it says nothing, or it would forward the client's own */
    list->fields[list->count++] = (struct header_field){ name, value[0] != '\0' ? value : " " };
    return STATUS_OK;
}
