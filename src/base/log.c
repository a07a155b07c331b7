#include "jwtd/log.h"

#include "log_line.h"

#include "jwtd/clock.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

static _Atomic(enum log_level) minimum_level = LOG_INFO;
static bool write_json;
static bool format_chosen;
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the sink, dropped, and the choice of the format */
static unsigned long dropped;

static void choose_format(enum log_format format) {
    write_json = format == LOG_JSON || (format == LOG_AUTO && isatty(STDERR_FILENO) == 0);
    format_chosen = true;
}

void log_init(enum log_level level, enum log_format format) {
    log_set_level(level);
    pthread_mutex_lock(&sink_lock);
    choose_format(format);
    pthread_mutex_unlock(&sink_lock);
}

void log_set_level(enum log_level level) {
    atomic_store_explicit(&minimum_level, level, memory_order_relaxed);
}

/*
 * A pipe is writable when PIPE_BUF bytes fit, and no line is longer: a write after this check does not block. A pipe whose reader
 * has closed it is writable too, with POLLERR; writing to it would raise SIGPIPE.
 */
static bool sink_takes_a_line(void) {
    struct pollfd sink = { .fd = STDERR_FILENO, .events = POLLOUT };
    return poll(&sink, 1, 0) == 1 && sink.revents == POLLOUT;
}

static bool write_line(const struct log_line *line) {
    return sink_takes_a_line() && write(STDERR_FILENO, line->bytes, line->len) == (ssize_t)line->len;
}

static void report_dropped(const char *now) {
    if (dropped == 0)
        return;
    struct log_line line;
    log_line_begin(&line, write_json, now, LOG_WARN, "log_lines_dropped");
    log_line_add_number(&line, "count", (long long)dropped);
    log_line_end(&line);
    if (write_line(&line))
        dropped = 0;
}

bool log_has_level(enum log_level level) {
    return level >= atomic_load_explicit(&minimum_level, memory_order_relaxed);
}

void log_event(enum log_level level, const char *event, const char *fields, ...) {
    if (!log_has_level(level))
        return;
    char now[CLOCK_TEXT_SIZE];
    va_list values;
    va_start(values, fields);
    pthread_mutex_lock(&sink_lock);
    clock_text(clock_wall_us(), now); /* under the lock, so that lines stand in the order of their times */
    if (!format_chosen)
        choose_format(LOG_AUTO);
    struct log_line line;
    log_line_begin(&line, write_json, now, level, event);
    log_line_add_fields(&line, fields, values);
    log_line_end(&line);
    report_dropped(now);
    if (!write_line(&line))
        dropped++;
    pthread_mutex_unlock(&sink_lock);
    va_end(values);
}
