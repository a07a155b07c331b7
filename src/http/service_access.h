/*
 * service_access: authenticates the service that calls, by HTTP Basic (RFC 7617), for routes of ACCESS_SERVICE. User-id and
 * password are name and secret, each encoded as a form value (RFC 6749 section 2.3.1). The base64 must be that of RFC 4648
 * section 4, padded and canonical.
 */
#ifndef JWTD_HTTP_SERVICE_ACCESS_H
#define JWTD_HTTP_SERVICE_ACCESS_H

#include "jwtd/status.h"

struct exchange;

/* STATUS_OK: request->service is set, or the route has another access. STATUS_INVALID_CLIENT: no credentials of a service were
 * sent, for whatever reason, in about the same time for each; STATUS_OUT_OF_MEMORY. On the HTTP thread. */
enum status service_access_check(struct exchange *exchange) MUST_CHECK;

#endif
