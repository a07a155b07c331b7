/*
 * query: the parameters in the query of a request target, as the route's row declares them. Names and values are those of
 * application/x-www-form-urlencoded (WHATWG URL standard, section 5.1): pairs between "&", "+" is a space, "%41" is "A".
 * Parameters that the row does not declare are ignored, since proxies append some. On the HTTP thread, before the steps.
 */
#ifndef JWTD_HTTP_QUERY_H
#define JWTD_HTTP_QUERY_H

#include "jwtd/status.h"

struct exchange;

/* Keeps a copy of what stands behind the "?" of a raw target, since the route is not known yet. STATUS_OUT_OF_MEMORY. */
enum status query_keep(struct exchange *exchange, const char *target) MUST_CHECK;

/* Fills request->query with the declared parameters of exchange->query. STATUS_BAD_REQUEST: a declared one comes more often than
 * its row says, is longer than that, or is no UTF-8 without NUL; or an escape is cut off; or there are more than
 * QUERY_VALUES_MAX. STATUS_OUT_OF_MEMORY. */
enum status query_read(struct exchange *exchange) MUST_CHECK;

#endif
