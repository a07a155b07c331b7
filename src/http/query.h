/*
 * query: the parameters in the query of a request target, as the route's row declares them: pairs separated by "&", whose names
 * and values are decoded as application/x-www-form-urlencoded (WHATWG URL standard, section 5.1: "+" is a space, "%41" is "A").
 * Parameters that the row does not declare are ignored, since proxies append some. On the HTTP
 * thread, before the steps.
 */
#ifndef JWTD_HTTP_QUERY_H
#define JWTD_HTTP_QUERY_H

#include "jwtd/status.h"

struct exchange;

/* Copies what follows the "?" of a raw target to exchange->query, since the route is not known yet. STATUS_OUT_OF_MEMORY. */
enum status query_keep(struct exchange *exchange, const char *target) MUST_CHECK;

/* Fills request->query with the declared parameters of exchange->query. STATUS_INVALID_PARAMETER: *wrong names one that is
 * repeated although its row does not allow that, is longer than its row allows, is not UTF-8, contains a NUL or a malformed
 * escape; or is beyond QUERY_VALUES_MAX. On a route that is_for_proxies the value of such a one is empty instead.
 * STATUS_OUT_OF_MEMORY. */
enum status query_read(struct exchange *exchange, const char **wrong) MUST_CHECK;

#endif
