/* service_access: authenticates the service that calls, by HTTP Basic (basic.h), for routes of ACCESS_SERVICE. */
#ifndef JWTD_HTTP_SERVICE_ACCESS_H
#define JWTD_HTTP_SERVICE_ACCESS_H

#include "jwtd/status.h"

struct exchange;

/* STATUS_OK: request->service is set, or the route has another access. STATUS_INVALID_CLIENT: no credentials of a service were
 * sent, for whatever reason; a wrong secret takes the same time for a name that exists as for one that does not
 * (service_credentials.h). STATUS_OUT_OF_MEMORY. On the HTTP thread. */
enum status service_access_check(struct exchange *exchange) MUST_CHECK;

#endif
