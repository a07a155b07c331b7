/*
 * log: one line per event on standard error, as text for a terminal or as JSON lines for everything else.
 *
 * An event has a stable snake_case name and fields. The fields are written as a printf format of `key=conversion` words, so
 * that the compiler checks the types: log_event(LOG_INFO, "session_opened", "user_id=%s session_id=%s", a, b).
 * Conversions understood: %s, %.*s, %d, %u, %ld, %lu, %lld, %llu, %zu. The field of a NULL is left out; unlike
 * printf, %.*s takes exactly that many bytes, even behind a NUL. Every value is escaped, so that no input can forge a line
 * (CR, LF, ESC, NUL, invalid UTF-8, bidirectional controls); a line is cut at 4 KiB. What the thread's context says is behind
 * the fields.
 *
 * The log blocks nobody, however slow the sink is. In the service a thread of its own writes (src/server/log_thread.h): each
 * thread that logs has a queue of LOG_QUEUE_SIZE bytes, which only it and the writer touch, without a lock; the second half of it
 * is used only when lines have to wait. Lines of requests (log_request) and of LOG_DEBUG have no room in its last quarter, and
 * events of LOG_INFO none in the last eighth: behind a slow sink a flood of requests costs no login_failed, and neither a flood
 * of those nor one of requests a warning or an error. Without that thread, in commands, a line is written where it is logged, if
 * the sink takes it at once. A line that has no room, or cannot be written, is lost and counted; the count is logged
 * (log_lines_lost) with the next line that can be written. Lines of one thread stand in their order; those of several in that of
 * their times as far as they waited together. What waits when the process is killed is lost uncounted.
 *
 * Never log a password, a token or a hash; an e-mail address only by log_email.
 *
 * Every function is safe from every thread, and none from signal handlers, but for those that say otherwise.
 */
#ifndef JWTD_LOG_H
#define JWTD_LOG_H

#include "jwtd/text.h"

#include <stdbool.h>
#include <stdint.h>

#define LOG_QUEUE_SIZE 262144
#define LOG_EMAIL_SIZE 256

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON };             /* auto: text on a terminal, JSON elsewhere */
enum log_requests { LOG_ALL_REQUESTS, LOG_REFUSED_REQUESTS }; /* which have a line (src/http/request_log.h) */
enum log_emails { LOG_MASKED_EMAILS, LOG_WHOLE_EMAILS };

/* Before the first call the log writes info and above as LOG_AUTO. Main thread. */
void log_init(enum log_level level, enum log_format format);

void log_set_level(enum log_level level);

/* The body of the thread that writes: while it runs, lines wait for it. Once; it returns after log_end_writing. */
void log_write_lines(void *unused);

/* When that thread was started and no other one logs any more: has the thread write what is left, and waits until it has, for at
 * most `wait_us`. Main thread. False: it hangs in a sink that takes nothing. From now on a line is written where it is logged. */
bool log_end_writing(int64_t wait_us);

/* Waits until what was logged is written, for at most `wait_us`. */
void log_flush(int64_t wait_us);

/* How log_email writes addresses; masked before the first call. */
void log_set_emails(enum log_emails emails);

/* An e-mail address for the log, in `text`, which it returns: "a***@e***", the first characters of its two parts, unless whole
 * ones are asked for; a part of one character shows none. The address is valid (email.h). */
const char *log_email(struct text email, char text[LOG_EMAIL_SIZE]);

/* Since the start; for tests, as METRIC_LOG_LINES_LOST is for operators. */
uint64_t log_lines_lost(void);

struct address;

/* What the lines of a thread are about: the request that it carries out. NULL members are left out. */
struct log_context {
    const struct address *client; /* field "address" */
    const char *request_id;
    const char *trace_id;
    bool is_detailed; /* lines of every level are logged */
};

/* The context of the calling thread, borrowed until the next call; NULL: none. Whoever gives up what it points to, or hands it to
 * another thread, calls it with NULL before. */
void log_set_context(const struct log_context *context);

/* Whether events of this level are logged, by this thread now: for events whose fields cost something to compute. */
bool log_has_level(enum log_level level);

/* An event below the level is not formatted. A conversion that is not listed above ends the line's fields. */
void log_event(enum log_level level, const char *event, const char *fields, ...) __attribute__((format(printf, 3, 4)));

/* The event "request" of LOG_INFO: the line that a request has in any case (src/http/request_log.h). */
void log_request(const char *fields, ...) __attribute__((format(printf, 1, 2)));

#endif
