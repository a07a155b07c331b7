#include "header_list.h"

#include <stdbool.h>
#include <string.h>

/* So many at a time that the compiler vectorizes it: most values have 36. */
#define STEP ((size_t)16)

static bool is_header_value(const char *value) {
    size_t len = strlen(value), i = 0;
    unsigned char wrong = 0;
    for (; i + STEP <= len; i += STEP)
        for (size_t j = 0; j < STEP; j++)
            wrong |= (unsigned char)(value[i + j] < ' ') | (unsigned char)(value[i + j] > '~');
    for (; i < len; i++)
        wrong |= (unsigned char)(value[i] < ' ') | (unsigned char)(value[i] > '~');
    return wrong == 0;
}

enum status header_list_add(struct header_list *list, const char *name, const char *value) {
    if (!is_header_value(value) || list->count == HEADER_LIST_MAX)
        return STATUS_INTERNAL;
    /* the library refuses an empty value; a blank is the same on the wire (RFC 9110 section 5.5), and a proxy that copies the
     * header must find it even when it says nothing, or it would forward the client's own */
    list->fields[list->count++] = (struct header_field){ name, value[0] != '\0' ? value : " " };
    return STATUS_OK;
}
