/* server: the running service, from start to stop. It makes the parts bottom up, answers signals, and ends the parts in the other
 * order. */
#ifndef JWTD_SERVER_H
#define JWTD_SERVER_H

#include "jwtd/config.h"

/* Serves until SIGTERM or SIGINT, and returns the exit code: 0 after a stop that was asked for, 1 if it could not start (the
 * reason is logged or on standard error). SIGHUP loads the configuration from `source` again. `config` is the one to start
 * with, and is only read. Once in a process, on its main thread. */
int server_run(const struct config *config, const struct config_source *source);

#endif
