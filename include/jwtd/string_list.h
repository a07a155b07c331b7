/* string_list: a list of strings on the heap, owned by whoever has the list. */
#ifndef JWTD_STRING_LIST_H
#define JWTD_STRING_LIST_H

#include "jwtd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct string_list {
    char **items; /* NUL-terminated strings */
    size_t count;
};

bool string_list_copy(const struct string_list *list,
                      struct string_list *copy) MUST_CHECK; /* false: out of memory; *copy is empty */
void string_list_fini(struct string_list *list);            /* leaves an empty list */

#endif
