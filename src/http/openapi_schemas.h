/* openapi_schemas: JSON Schema (2020-12) of bodies and replies, with examples, from their rows. For openapi*.c. */
#ifndef JWTD_HTTP_OPENAPI_SCHEMAS_H
#define JWTD_HTTP_OPENAPI_SCHEMAS_H

#include "jwtd/json_writer.h"
#include "jwtd/route.h"

/* The column that the document lacks, or that it cannot write, or NULL. Of a field, and of a reply's member. */
const char *openapi_wrong_field(const struct field *field);
const char *openapi_wrong_member(const struct reply_member *member);

/* The schema as an object. */
void openapi_write_body_schema(struct json_writer *writer, const struct body_schema *body, enum body_format format);
void openapi_write_reply_schema(struct json_writer *writer, const struct reply_schema *reply);

/* An example of the whole object. */
void openapi_write_body_example(struct json_writer *writer, const struct body_schema *body);
void openapi_write_reply_example(struct json_writer *writer, const struct reply_schema *reply);

/* {"$ref": "#/components/KIND/NAME"} */
void openapi_write_reference(struct json_writer *writer, const char *kind, const char *name);

#endif
