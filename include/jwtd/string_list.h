/* string_list: a list of strings on the heap, which belong to the list. A list belongs to one thread at a time. */
#ifndef JWTD_STRING_LIST_H
#define JWTD_STRING_LIST_H

#include "jwtd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct string_list {
    char **items; /* NUL-terminated strings */
    size_t count;
};

/* False: out of memory; *copy is empty. */
bool string_list_copy(const struct string_list *list, struct string_list *copy) MUST_CHECK;

/* Frees the strings and leaves an empty list. */
void string_list_fini(struct string_list *list);

#endif
