#include "log_thread.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/thread.h"

/* Static, since the thread may be left behind. */
static struct thread thread;
static bool is_running;

bool log_thread_start(void) {
    is_running = thread_start(&thread, "log", log_write_lines, NULL) == STATUS_OK;
    return is_running;
}

void log_thread_stop(void) {
    if (is_running && log_end_writing(CLOCK_US_PER_S))
        thread_join(&thread);
    is_running = false;
}
