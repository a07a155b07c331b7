/*
 * header_view: the header fields of a request, read-only, wherever they are stored: in libmicrohttpd (library.h), or in an array
 * of a test. Two functions read them from `source`, which the view borrows. Names are compared without regard to case (RFC 9110
 * section 5.1). On the thread that owns the request.
 */
#ifndef JWTD_HTTP_HEADER_VIEW_H
#define JWTD_HTTP_HEADER_VIEW_H

#include "jwtd/text.h"

struct header_view {
    /* The value of a field, {NULL, 0} if absent; of a repeated one the first. */
    struct text (*find)(const void *source, const char *name);
    /* Calls `visit` for each field in the order in which they came. */
    void (*each)(const void *source, void (*visit)(void *context, struct text name, struct text value), void *context);
    const void *source;
};

#endif
