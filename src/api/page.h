/* page: the query of a listing that goes page by page. On the thread that owns the request. */
#ifndef JWTD_API_PAGE_H
#define JWTD_API_PAGE_H

#include "jwtd/request.h"

/* The value of a parameter; {NULL, 0} without it, or if it is empty: what a form without input sends. */
struct text page_parameter(const struct request *request, const char *name);

/* The parameter "limit", 1 to `max`; without it 20. False: it is no such number. */
bool page_limit(const struct request *request, unsigned max, unsigned *limit) MUST_CHECK;

#endif
