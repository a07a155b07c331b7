/* server: the running service, from start to stop. It creates the parts bottom up, handles signals, and destroys the parts in
 * reverse order. */
#ifndef JWTD_SERVER_H
#define JWTD_SERVER_H

#include "jwtd/config.h"

/* Serves until SIGTERM or SIGINT, and returns the exit code: 0 after such a stop, 1 if it could not start (the reason is logged
 * or on standard error). SIGHUP loads the configuration from `source` again (reload.h). Borrows both; `config` is the one to
 * start with, and is only read. Once in a process, on its main thread. */
int server_run(const struct config *config, const struct config_source *source);

#endif
