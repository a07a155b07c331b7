/*
 * reload: what SIGHUP does. The configuration and the keys are read again; the log's level, the limits, the allowed origins and
 * the keys take effect at once, and the log says what changed and what will wait for a restart. An error anywhere changes
 * nothing.
 */
#ifndef JWTD_SERVER_RELOAD_H
#define JWTD_SERVER_RELOAD_H

#include "jwtd/config.h"
#include "jwtd/services.h"

/* `applied` is the configuration in force: those of its settings that take effect are replaced. Main thread. */
void reload(const struct config_source *source, struct services *services, struct config *applied);

#endif
