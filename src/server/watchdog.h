/*
 * watchdog: tells the supervisor that the service is alive (WATCHDOG=1, sd_watchdog_enabled(3)), twice in each WATCHDOG_USEC, as
 * long as it is: every HTTP thread answers a request, the thread that accepts connections goes round, and the threads of the
 * background begin their rounds. When one of them does not, nothing is said, and the supervisor restarts the service.
 *
 * Proven is that threads make progress, not that the database is there or that there is room for one more client: neither gets
 * better by a restart. The background may be silent for twice WATCHDOG_USEC, since a search for the database's name is the one
 * thing there without a deadline of its own.
 */
#ifndef JWTD_SERVER_WATCHDOG_H
#define JWTD_SERVER_WATCHDOG_H

#include "background.h"

#include "jwtd/http_server.h"
#include "jwtd/status.h"

#include <stdbool.h>

struct watchdog;

/* Borrows both until watchdog_stop. *started is NULL if the supervisor does not ask for a watchdog. False: no memory or thread;
 * it is logged. */
bool watchdog_start(struct http_server *server, const struct background *background, struct watchdog **started) MUST_CHECK;
void watchdog_stop(struct watchdog *watchdog); /* NULL is none */

#endif
