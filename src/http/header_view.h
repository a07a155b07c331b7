/*
 * header_view: the header fields of a request in the order in which they came, read-only: an array that is made once for a
 * request (library.h), or by a test. Names are compared without regard to case (RFC 9110 section 5.1). On the thread that owns
 * the request.
 */
#ifndef JWTD_HTTP_HEADER_VIEW_H
#define JWTD_HTTP_HEADER_VIEW_H

#include "jwtd/text.h"

struct request_field {
    struct text name, value; /* a NUL stands behind each; the value is never {NULL, 0} */
};

struct header_view {
    const struct request_field *fields; /* borrowed */
    size_t count;
};

/* The value of a field, {NULL, 0} if absent; of a repeated one the first. */
struct text header_view_find(const struct header_view *headers, struct text name);

/* How many fields have this name. */
size_t header_view_count(const struct header_view *headers, struct text name);

#endif
