#include "watchdog.h"

#include "notify.h"
#include "periodic.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/text.h"

#include <stdlib.h>
#include <unistd.h>

#define INTERVAL_MAX_US (INT64_C(86400) * CLOCK_US_PER_S)

struct watchdog {
    struct http_server *server;
    struct http_server *operations; /* NULL: there is none */
    const struct background *background;
    int64_t interval_us; /* WATCHDOG_USEC: without a report for so long the service is restarted */
    bool was_alive;
    struct periodic *thread;
};

/* 0 unless the variable is a number. */
static int64_t number_of(const char *name) {
    uint64_t number = 0;
    return text_parse_unsigned(text_of(getenv(name)), INT64_MAX, &number) ? (int64_t)number : 0;
}

/* 0: no watchdog is asked for, or one for another process. */
static int64_t interval_asked_for(void) {
    int64_t interval_us = number_of("WATCHDOG_USEC");
    bool is_ours = getenv("WATCHDOG_PID") == NULL || number_of("WATCHDOG_PID") == getpid();
    return is_ours && interval_us <= INTERVAL_MAX_US ? interval_us : 0;
}

static int64_t check(void *context) {
    struct watchdog *watchdog = context;
    int64_t now_us = clock_monotonic_us();
    bool background_lives = background_is_alive(watchdog->background, 2 * watchdog->interval_us);
    bool http_lives = http_server_is_alive(watchdog->server, watchdog->interval_us / 8);
    if (watchdog->operations != NULL)
        http_lives = http_server_is_alive(watchdog->operations, watchdog->interval_us / 8) && http_lives;
    bool is_alive = background_lives && http_lives;
    if (is_alive)
        notify_supervisor("WATCHDOG=1");
    if (is_alive != watchdog->was_alive)
        log_event(is_alive ? LOG_INFO : LOG_ERROR, is_alive ? "threads_answer" : "threads_stuck", "http=%s background=%s",
                  http_lives ? "ok" : "stuck", background_lives ? "ok" : "stuck");
    watchdog->was_alive = is_alive;
    return now_us + watchdog->interval_us / 2;
}

bool watchdog_start(struct http_server *server, struct http_server *operations, const struct background *background,
                    struct watchdog **started) {
    int64_t interval_us = interval_asked_for();
    *started = NULL;
    if (interval_us == 0)
        return true;
    struct watchdog *watchdog = calloc(1, sizeof *watchdog);
    if (watchdog == NULL) {
        log_event(LOG_ERROR, "thread_start_failed", "thread=%s error=%s", "watchdog", "out of memory");
        return false;
    }
    *watchdog = (struct watchdog){
        .server = server, .operations = operations, .background = background, .interval_us = interval_us, .was_alive = true
    };
    watchdog->thread = periodic_start("watchdog", check, watchdog);
    if (watchdog->thread == NULL) {
        free(watchdog);
        return false;
    }
    *started = watchdog;
    return true;
}

void watchdog_stop(struct watchdog *watchdog) {
    if (watchdog == NULL)
        return;
    periodic_stop(watchdog->thread);
    free(watchdog);
}
