/*
 * header_view: the header fields of a request, read-only, whoever keeps them: libmicrohttpd (library.h), or an array in a test.
 * The two functions come from the keeper; `source` is borrowed by the view. Names are compared without regard to case (RFC 9110
 * section 5.1). On the thread that holds the request.
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
