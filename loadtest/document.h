/*
 * document: JSON that failpoint writes: json-c's objects, of which this file has what json-c itself lacks. The caller
 * owns a document, until it is added to another one; json_object_put frees it with all that was added.
 *
 * Making one fails only when memory is exhausted, and that ends the program: nothing that comes after would be true.
 */
#ifndef FAILPOINT_DOCUMENT_H
#define FAILPOINT_DOCUMENT_H

#include "jwtd/json.h"

#include <json-c/json.h>

/* How documents become text: as short as can be, without backslashes before slashes. */
#define DOCUMENT_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

struct json_object *document_object(void);
struct json_object *document_array(void);
struct json_object *document_text(const char *text);
struct json_object *document_integer(int64_t number);
struct json_object *document_boolean(bool flag);
struct json_object *document_real(double number); /* 12 digits; 0 for what is not finite */

/* They take over `value`. */
void document_add(struct json_object *object, const char *name, struct json_object *value);
void document_append(struct json_object *array, struct json_object *value);

/* Of a value that was read. */
struct json_object *document_copy(const struct json *value);

#endif
