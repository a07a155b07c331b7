/*
 * log_line: one line of the log, built in a buffer of fixed size, as JSON or as text. A line that does not fit is cut, and is
 * valid all the same. For log.c only. A line belongs to one thread.
 */
#ifndef JWTD_BASE_LOG_LINE_H
#define JWTD_BASE_LOG_LINE_H

#include "jwtd/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define LOG_LINE_SIZE 4096 /* PIPE_BUF: what is written to a pipe in one piece */

struct log_line {
    bool json;
    size_t len;
    char bytes[LOG_LINE_SIZE];
};

void log_line_begin(struct log_line *line, bool json, const char *time, enum log_level level, const char *event);
void log_line_add_text(struct log_line *line, const char *name, struct text value); /* {NULL, 0}: nothing */
void log_line_add_number(struct log_line *line, const char *name, long long value);

/* Adds a field for each "key=conversion" word; log.h has the conversions. A field that does not fit is left out, or its text cut.
 */
void log_line_add_fields(struct log_line *line, const char *fields, va_list values);

/* NULL, and members that are NULL: nothing. */
void log_line_add_context(struct log_line *line, const struct log_context *context);

void log_line_end(struct log_line *line);

#endif
