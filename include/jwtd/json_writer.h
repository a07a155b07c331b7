/*
 * json_writer: writes one JSON value into a growing buffer of an arena, escaping as RFC 8259 section 7 says.
 *
 * Commas and nesting are the writer's business. The first failure (out of memory, or nesting deeper than JSON_WRITER_DEPTH_MAX)
 * sticks: later calls do nothing and json_writer_finish returns {NULL, 0}, so that only one result must be checked. One owner, no
 * lock.
 *
 * Replies are not written by json-c (json.h): the reply to a login takes 0.9 microseconds here and 1.4 there, where each member
 * is an object of the heap first (`make build/bench_json && build/bench_json`; a shared two-core Xeon), and there memory that
 * runs out would have to be noticed after each of them. No name here is one of json-c's or of Jansson's.
 */
#ifndef JWTD_JSON_WRITER_H
#define JWTD_JSON_WRITER_H

#include "jwtd/arena.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stdint.h>

/* An OpenAPI document nests about 20 deep. Nothing is kept for each level: the limit only stops a writer that never closes. */
#define JSON_WRITER_DEPTH_MAX 32

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

/* Values. Invalid UTF-8 is replaced by U+FFFD; NULL bytes become null. Other `raw` must be one JSON value already. */
void json_write_text(struct json_writer *writer, struct text text);
void json_write_string(struct json_writer *writer, const char *string);
void json_write_integer(struct json_writer *writer, int64_t value);
void json_write_boolean(struct json_writer *writer, bool value);
void json_write_raw(struct json_writer *writer, struct text raw);

/* Name and value in one call, since most members are that. */
void json_member_string(struct json_writer *writer, const char *name, const char *value);
void json_member_text(struct json_writer *writer, const char *name, struct text value);
void json_member_integer(struct json_writer *writer, const char *name, int64_t value);
void json_member_boolean(struct json_writer *writer, const char *name, bool value);
void json_member_raw(struct json_writer *writer, const char *name, struct text raw);

/* The text, NUL behind it, in the arena; {NULL, 0} after a failure. */
struct text json_writer_finish(struct json_writer *writer);

#endif
