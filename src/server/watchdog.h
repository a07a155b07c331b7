/*
 * watchdog: reports to the service manager that the service is alive (WATCHDOG=1, sd_watchdog_enabled(3)), twice in each
 * WATCHDOG_USEC, as long as every HTTP thread answers a request, the acceptor's thread completes its rounds, and the threads of
 * the background are not late. When one of them fails, no report is sent, and the service manager restarts the service.
 *
 * It checks that threads make progress, not that the database answers or that another client would be admitted: a restart would
 * help with neither. The background may be late for twice WATCHDOG_USEC, since the resolution of the database's host name has no
 * deadline of its own.
 */
#ifndef JWTD_SERVER_WATCHDOG_H
#define JWTD_SERVER_WATCHDOG_H

#include "background.h"

#include "jwtd/http_server.h"
#include "jwtd/status.h"

#include <stdbool.h>

struct watchdog;

/* `operations` is the operator's listener; NULL: there is none. Borrows all until watchdog_stop. *started is NULL if the service
 * manager does not ask for a watchdog, or asks for one of more than a day. False: no memory or thread; it is logged. */
bool watchdog_start(struct http_server *server, struct http_server *operations, const struct background *background,
                    struct watchdog **started) MUST_CHECK;
void watchdog_stop(struct watchdog *watchdog); /* waits for a check that has begun; NULL is allowed */

#endif
