/*
 * reload: what SIGHUP does. The configuration and the keys are read again; the log's level, the limits, the allowed origins and
 * the keys take effect at once, and the log says what changed and what will wait for a restart. A mistake anywhere changes
 * nothing.
 */
#ifndef JWTD_CLI_RELOAD_H
#define JWTD_CLI_RELOAD_H

#include "jwtd/cli.h"
#include "jwtd/services.h"

/* `applied` is the configuration in force: those of its settings that take effect are replaced. Main thread. */
void reload(const struct cli_arguments *arguments, struct services *services, struct config *applied);

#endif
