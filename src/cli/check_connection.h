/* check_connection: `jwtd check-config --connect`. Main thread. */
#ifndef JWTD_CLI_CHECK_CONNECTION_H
#define JWTD_CLI_CHECK_CONNECTION_H

#include "jwtd/config.h"

/* Tries what the service needs beside its configuration: database, schema and keys. Prints a comment for each that is as it must
 * be, and the reason on standard error for each that is not; the log has what the database said. False: one is not. */
bool check_connection(const struct config *config);

#endif
