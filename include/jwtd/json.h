/*
 * json: reads JSON (RFC 8259) that somebody else has written: request bodies, headers and payloads of tokens, roles from the
 * database. json-c is known here only. json_writer writes.
 *
 * The text must be one object or array, and nothing in it may be open to two readings. Besides what RFC 8259 forbids, refused are
 * two members of one object with the same name (after unescaping), NUL (also as \u0000), lone surrogates, invalid UTF-8, integers
 * outside int64_t, numbers beyond a double, and more levels than the caller allows.
 *
 * json-c 0.16 alone does not do that, even with JSON_TOKENER_STRICT and JSON_TOKENER_VALIDATE_UTF8: it accepts NaN, Infinity,
 * control characters, -01, "1." and names in single quotes, keeps the last of two members, replaces lone surrogates, saturates
 * integers, and accepts overlong UTF-8. So json_scan.h checks the text first, and the tree is compared with what was counted.
 *
 * Memory: everything json-c allocates, the strings included, is taken from the caller's arena, vanishes with it and is wiped by
 * it; nothing is freed here, and no value may be used after the arena. The tree of a hostile text takes up to 300 times its
 * length. When the arena is exhausted json_parse returns STATUS_OUT_OF_MEMORY and nothing else, and nothing leaks: left to
 * itself, json-c 0.16 would shorten strings, drop members or write to address 0 (see json.c).
 *
 * Safe from every thread; a parsed value is read only.
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

/* An arena limit that no text of this length exceeds. */
#define JSON_ARENA_LIMIT(text_len) ((size_t)(text_len)*512 + 16384)

/* Parses `text`, in which brackets nest at most `depth_max` deep (at most JSON_DEPTH_MAX). STATUS_OK and the object or array in
 * *root, STATUS_INVALID_JSON or STATUS_OUT_OF_MEMORY and NULL. */
#define JSON_DEPTH_MAX 64
enum status json_parse(struct arena *arena, struct text text, unsigned depth_max, const struct json **root) MUST_CHECK;

enum json_kind json_kind(const struct json *value);

/* Whether an object has this member, null or not; *value is NULL if not, and if `object` is no object. */
bool json_find(const struct json *object, const char *name, const struct json **value);

/* The text of a member; {NULL, 0} if it is missing or no text. */
struct text json_find_text(const struct json *object, const char *name);

/* NUL follows the bytes, and none is among them. {NULL, 0} unless the value is a JSON_KIND_TEXT. */
struct text json_as_text(const struct json *value);

/* False, 0, 0 unless the value is a JSON_KIND_BOOLEAN, JSON_KIND_INTEGER, JSON_KIND_ARRAY. */
bool json_as_boolean(const struct json *value);
int64_t json_as_int64(const struct json *value);
double json_as_double(const struct json *value); /* of a JSON_KIND_INTEGER or JSON_KIND_REAL; else 0 */
size_t json_item_count(const struct json *array);

/* `index` is less than json_item_count. */
const struct json *json_item(const struct json *array, size_t index);

/* Calls `visit` for the members of an object in their order, until it returns false. Returns whether it never did; true without a
 * call for what is no object. */
typedef bool json_visit(void *context, const char *name, const struct json *value);
bool json_each_member(const struct json *object, json_visit *visit, void *context);

#endif
