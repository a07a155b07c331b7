/* route_texts: whether a row of the route table says all that the API document needs. Pure. */
#ifndef JWTD_HTTP_ROUTE_TEXTS_H
#define JWTD_HTTP_ROUTE_TEXTS_H

#include "jwtd/route.h"

/* The column that is missing or unknown to the document, or NULL. */
const char *route_wrong_text(const struct route *route);

#endif
