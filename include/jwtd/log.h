/*
 * log: one line per event on standard error, as text for a terminal or as JSON lines for everything else.
 *
 * An event has a stable snake_case name and fields. The fields are written as a printf format of `key=conversion` words, so
 * that the compiler checks the types: log_event(LOG_INFO, "session_opened", "user_id=%s session_id=%s ip=%s", a, b, c).
 * Conversions understood: %s, %.*s, %d, %u, %ld, %lu, %lld, %llu, %zu. A NULL for %s prints as an empty string; unlike
 * printf, %.*s takes exactly that many bytes, even behind a NUL. Every value is escaped, so that no input can forge a line
 * (CR, LF, ESC, NUL, invalid UTF-8, bidirectional controls); a line is cut at 4 KiB.
 *
 * The log never blocks on a full pipe: the line is dropped and counted, and the count is logged with the next line that can be
 * written. Never log a password, a token or a hash; an e-mail address is logged only as a user id.
 *
 * Safe from every thread (one lock guards the sink); not from signal handlers.
 */
#ifndef JWTD_LOG_H
#define JWTD_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON }; /* auto: text on a terminal, JSON elsewhere */

/* Before the first call the log writes info and above as LOG_AUTO. */
void log_init(enum log_level level, enum log_format format);

void log_set_level(enum log_level level);

/* Whether events of this level are logged: for events whose fields cost something to compute. */
bool log_has_level(enum log_level level);

/* An event below the level is not formatted. A conversion that is not listed above ends the line's fields. */
void log_event(enum log_level level, const char *event, const char *fields, ...) __attribute__((format(printf, 3, 4)));

#endif
