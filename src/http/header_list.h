/* header_list: header fields of a reply, in the order in which they are sent. Pure; names and values are borrowed. */
#ifndef JWTD_HTTP_HEADER_LIST_H
#define JWTD_HTTP_HEADER_LIST_H

#include "jwtd/status.h"

#include <stddef.h>

#define HEADER_LIST_MAX 10

struct header_field {
    const char *name;
    const char *value;
};

struct header_list {
    struct header_field fields[HEADER_LIST_MAX];
    size_t count;
};

/* An empty value is sent as a blank. STATUS_INTERNAL: the value has bytes outside visible ASCII and blank, or the list is full.
 */
enum status header_list_add(struct header_list *list, const char *name, const char *value) MUST_CHECK;

#endif
