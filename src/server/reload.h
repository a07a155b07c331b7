/*
 * reload: what SIGHUP does. The configuration and the keys are read again and become a new snapshot: the settings whose rows say
 * RELOADABLE take effect at once, all others keep their values, and the log lists which have changed and which need a restart.
 * After an error nothing has changed, and the error is logged, and shows in /health until a reload succeeds. The service manager
 * is notified before and after (notify.h).
 */
#ifndef JWTD_SERVER_RELOAD_H
#define JWTD_SERVER_RELOAD_H

#include "jwtd/config.h"
#include "jwtd/services.h"

void reload(const struct config_source *source, const struct services *services); /* main thread */

/* Logs that every user who reaches the file may read the database's password; at the start, and with each reload. */
void warn_of_exposed_password(const struct config *config, const struct config_source *source);

#endif
