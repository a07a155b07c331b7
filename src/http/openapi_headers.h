/* openapi_headers: the headers that the API document describes. Constant data, and functions that write it; any thread. */
#ifndef JWTD_HTTP_OPENAPI_HEADERS_H
#define JWTD_HTTP_OPENAPI_HEADERS_H

#include "jwtd/json_writer.h"

#include <stdbool.h>

/* Whether the document knows a header of a request, or of a reply. */
bool openapi_knows_request_header(const char *name);
bool openapi_knows_reply_header(const char *name);

/* The members "parameters" and "headers" of Components: one for each header of requests, and of replies. */
void openapi_write_header_components(struct json_writer *writer);

/* A member of Response.headers, or an element of Operation.parameters, that refers to the component. */
void openapi_refer_to_reply_header(struct json_writer *writer, const char *name);
void openapi_refer_to_request_header(struct json_writer *writer, const char *name);

/* The whole element of Operation.parameters, where the header must be sent: a component says for all that it may be missing. */
void openapi_write_required_request_header(struct json_writer *writer, const char *name);

#endif
