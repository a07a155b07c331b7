/*
 * openapi: the description of the API as an OpenAPI 3.1 document, written from the rows that route and validate.
 *
 * An operation has what its row says: parameters, body, security, limits, and a response for each HTTP status that
 * route_may_answer and route_reply know, with the error codes that it can carry. What OpenAPI cannot say is in extensions: a row
 * for any method is a GET with `x-any-method`, and the last segment "*" of a path is a parameter {path} with `x-any-path`. HEAD
 * and OPTIONS, which every path takes, are not listed; nor are the files of a page, whose row has a first reply of any type, and
 * the rows of the operator's listener.
 * Written once, from constant rows, and constant after that: any thread.
 */
#ifndef JWTD_OPENAPI_H
#define JWTD_OPENAPI_H

#include "jwtd/route.h"
#include "jwtd/text.h"

#define OPENAPI_TAG_SIZE 32 /* of an entity tag with its quotes and a NUL */

struct openapi;

/* `public_url` is the setting: where the service is, or "" for where the document came from. NULL: the rows are not sound
 * (routes_are_sound) or two schemas have one name, which is logged, or there is no memory. */
struct openapi *openapi_create(const struct route *routes, size_t count, const char *public_url);
void openapi_destroy(struct openapi *openapi); /* NULL is allowed */

struct text openapi_text(const struct openapi *openapi);
const char *openapi_tag(const struct openapi *openapi); /* a strong entity tag of the text (RFC 9110 section 8.8.3) */

#endif
