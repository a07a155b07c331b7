/*
 * json: parses JSON (RFC 8259) from outside: request bodies, headers and payloads of tokens, roles from the database. json-c is
 * known here only. json_writer.h writes JSON.
 *
 * The text must be one object or array, and nothing in it may have two readings. Besides what RFC 8259 forbids, rejected are
 * two members of one object with the same name (after unescaping), NUL (as \u0000 unless the caller allows it), lone surrogates,
 * invalid UTF-8, integers outside int64_t, numbers beyond a double, and more levels or more objects and arrays than the caller
 * allows.
 *
 * json-c 0.16 alone does not reject all of that, even with JSON_TOKENER_STRICT and JSON_TOKENER_VALIDATE_UTF8: it accepts NaN,
 * Infinity, control characters, -01, "1." and names in single quotes, keeps the last of two members, replaces lone surrogates,
 * saturates integers, and accepts overlong UTF-8. So json_scan.h checks the text first, and counts the members, of which the tree
 * must have as many.
 *
 * Memory: everything json-c allocates, the strings included, is taken from the caller's arena, which wipes and frees it; no value
 * may be used after arena_fini. The tree of a hostile text takes up to 64 times the text's length, and a kilobyte for each object
 * and array, of which the caller sets the maximum. When the arena is exhausted json_parse returns STATUS_OUT_OF_MEMORY and
 * nothing else, and nothing leaks: left to itself, json-c 0.16 would shorten strings, drop members or write to address 0 (see
 * json.c).
 *
 * Safe from every thread; a parsed value is not modified, so that several threads may read it.
 */
#ifndef JWTD_JSON_H
#define JWTD_JSON_H

#include "jwtd/arena.h"
#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value. NULL is JSON's null. */
struct json;

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOLEAN,
    JSON_KIND_INTEGER,
    JSON_KIND_REAL,
    JSON_KIND_TEXT,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT
};

/* What a text may have at most. Even {} takes about a kilobyte, so the second number bounds the work and memory that a short
 * text can cause. */
struct json_limits {
    unsigned depth;      /* levels of nested objects and arrays, at most JSON_DEPTH_MAX */
    unsigned containers; /* objects and arrays in all */
    bool allows_nul;     /* in texts (as \u0000) on the first level: not in names, nor deeper */
};

#define JSON_DEPTH_MAX 64

/* An arena limit that no text of this length with so many objects and arrays exceeds. */
#define JSON_ARENA_LIMIT(text_len, containers) ((size_t)(text_len)*128 + (size_t)(containers)*1024 + 16384)

/* Parses `text`. STATUS_OK and the object or array in *root; or STATUS_INVALID_JSON or STATUS_OUT_OF_MEMORY, and NULL. A text
 * beyond the limits is STATUS_INVALID_JSON, at the cost of one pass over its bytes. */
enum status json_parse(struct arena *arena, struct text text, struct json_limits limits, const struct json **root) MUST_CHECK;

/* For a text of which only the beginning is there: whether it is cut in the value of a member of the outermost object, which is a
 * text. *name is the member's, as it is written between the quotes, and *value_len counts the bytes of the value that are there,
 * as they are written. */
bool json_find_cut(struct text beginning, struct text *name, size_t *value_len);

enum json_kind json_kind(const struct json *value);

/* Whether an object has this member, null or not; *value is NULL if not, and if `object` is no object. */
bool json_find(const struct json *object, const char *name, const struct json **value);

/* The text of a member; {NULL, 0} if it is missing or no text. */
struct text json_find_text(const struct json *object, const char *name);

/* NUL follows the bytes, and none is among them unless the limits allowed it. {NULL, 0} unless the value is a JSON_KIND_TEXT. */
struct text json_as_text(const struct json *value);

bool json_as_boolean(const struct json *value);          /* false unless the value is a JSON_KIND_BOOLEAN */
struct text json_as_real_text(const struct json *value); /* as it was written, {NULL, 0} unless it is a JSON_KIND_REAL */
int64_t json_as_int64(const struct json *value);         /* 0 unless it is a JSON_KIND_INTEGER */
double json_as_double(const struct json *value);         /* 0 unless it is a JSON_KIND_INTEGER or JSON_KIND_REAL */

size_t json_item_count(const struct json *array); /* 0 unless the value is a JSON_KIND_ARRAY */

/* `index` is less than json_item_count. */
const struct json *json_item(const struct json *array, size_t index);

/* Calls `visit` for the members of an object in their order, until it returns false. Returns false if it did; true, without a
 * call, if the value is no object. */
typedef bool json_visit(void *context, const char *name, const struct json *value);
bool json_each_member(const struct json *object, json_visit *visit, void *context);

#endif
