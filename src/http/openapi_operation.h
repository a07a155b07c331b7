/* openapi_operation: a row of the route table in the API document. For openapi.c. */
#ifndef JWTD_HTTP_OPENAPI_OPERATION_H
#define JWTD_HTTP_OPENAPI_OPERATION_H

#include "jwtd/json_writer.h"
#include "jwtd/route.h"

/* The name of a member of Paths; written into `path`. */
#define OPENAPI_PATH_SIZE 128
const char *openapi_path(const struct route *route, char path[OPENAPI_PATH_SIZE]);

/* The name of a member of Path Item. */
const char *openapi_method(const struct route *route);

/* The name of a group, and what it is about. */
const char *openapi_group_name(enum route_group group);
const char *openapi_group_description(enum route_group group);

/* The Operation object. */
void openapi_write_operation(struct json_writer *writer, const struct route *route);

/* "responses" of Components: those that several operations refer to. */
void openapi_write_shared_responses(struct json_writer *writer, const struct route *routes, size_t count);

#endif
