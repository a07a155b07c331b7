/* log_thread: the thread that writes the log (log.h), named "log". Main thread. */
#ifndef JWTD_SERVER_LOG_THREAD_H
#define JWTD_SERVER_LOG_THREAD_H

#include "jwtd/status.h"

#include <stdbool.h>

/* Before any other thread that logs. False: there was no memory for a thread; it is logged. */
bool log_thread_start(void) MUST_CHECK;

/* Also when it was not started. When no other thread logs any more. Waits until what was logged is written, for a second at most:
 * a thread that hangs in a sink which takes nothing is left behind, since the process ends. */
void log_thread_stop(void);

#endif
