/*
 * json_writer: writes one JSON value into a growing buffer of an arena, escaping as RFC 8259 section 7 says.
 *
 * The writer writes the commas. After the first failure (out of memory, nesting deeper than JSON_WRITER_DEPTH_MAX, an end without
 * its beginning) later calls do nothing and json_writer_finish returns {NULL, 0}, so that only its result must be checked. One
 * owner, no lock.
 *
 * Replies are not written by json-c (json.h): the reply to a login takes 0.9 microseconds here and 1.4 there, where each member
 * is an object of the heap first (`make build/bench_json && build/bench_json`; a shared two-core Xeon), and where each call may
 * fail for want of memory. No name here is one of json-c's or of Jansson's.
 */
#ifndef JWTD_JSON_WRITER_H
#define JWTD_JSON_WRITER_H

#include "jwtd/arena.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stdint.h>

/* An OpenAPI document nests about 20 deep. A level takes no memory: the limit only finds a writer that never closes one. */
#define JSON_WRITER_DEPTH_MAX 32

struct json;

struct json_writer {
    struct arena *arena;
    char *bytes;
    size_t len, size;
    unsigned depth;
    bool need_comma;
    bool failed;
};

void json_writer_init(struct json_writer *writer, struct arena *arena);

void json_begin_object(struct json_writer *writer);
void json_end_object(struct json_writer *writer);
void json_begin_array(struct json_writer *writer);
void json_end_array(struct json_writer *writer);
void json_name(struct json_writer *writer, const char *name);

/* Values. Each byte of invalid UTF-8 is replaced by U+FFFD; {NULL, 0} and NULL are written as null. Any other `raw` is one JSON
 * value, which is not checked. */
void json_write_text(struct json_writer *writer, struct text text);
void json_write_string(struct json_writer *writer, const char *string);
void json_write_integer(struct json_writer *writer, int64_t value);
void json_write_boolean(struct json_writer *writer, bool value);
void json_write_raw(struct json_writer *writer, struct text raw);

/* Name and value in one call. */
void json_member_string(struct json_writer *writer, const char *name, const char *value);
void json_member_text(struct json_writer *writer, const char *name, struct text value);
void json_member_integer(struct json_writer *writer, const char *name, int64_t value);
void json_member_boolean(struct json_writer *writer, const char *name, bool value);
void json_member_raw(struct json_writer *writer, const char *name, struct text raw);

/* A value that json.h has parsed, without blanks, members and elements in their order, and numbers with a point or an exponent as
 * they were written: no longer than the text that was parsed but for each U+007F, which takes six bytes, and a second parsing and
 * writing changes nothing. It nests as deep as the limits allowed when it was parsed; deeper than JSON_WRITER_DEPTH_MAX, the
 * writer fails. */
void json_write_value(struct json_writer *writer, const struct json *value);

/* The text, with a NUL behind it, in the arena; {NULL, 0} after a failure, or if an object or array is still open. */
struct text json_writer_finish(struct json_writer *writer);

#endif
