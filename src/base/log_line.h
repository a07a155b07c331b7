/*
 * log_line: one line of the log, built in a buffer of fixed size, as JSON or as text. A line that does not fit is cut, and is
 * valid all the same. Used by log.c alone; no thread knows of another's line.
 */
#ifndef JWTD_BASE_LOG_LINE_H
#define JWTD_BASE_LOG_LINE_H

#include "jwtd/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define LOG_LINE_SIZE 4096 /* PIPE_BUF: what a pipe takes in one piece */

struct log_line {
    bool json;
    size_t len;
    char bytes[LOG_LINE_SIZE];
};

void log_line_begin(struct log_line *line, bool json, const char *time, enum log_level level, const char *event);
void log_line_add_text(struct log_line *line, const char *name, size_t name_len, const char *value, size_t len);
void log_line_add_number(struct log_line *line, const char *name, long long value);

/* Walks "key=conversion ..." words; see log.h for the conversions. */
void log_line_add_fields(struct log_line *line, const char *fields, va_list values);
void log_line_end(struct log_line *line);

#endif
