/* problem: the members of a problem (RFC 9457), for replies and for the examples of the API document. */
#ifndef JWTD_HTTP_PROBLEM_H
#define JWTD_HTTP_PROBLEM_H

#include "jwtd/json_writer.h"
#include "jwtd/reply.h"

/* All that follow from the status, into an object that the caller has begun. `subject` is the header or parameter that the
 * status is about (status_subject), NULL: none is known. `public_url` is that of the configuration. */
void problem_write_members(struct json_writer *writer, enum status status, const char *subject, const char *public_url,
                           const char *request_id);

/* The member "errors". */
void problem_write_errors(struct json_writer *writer, const struct field_problem *problems, size_t count);

#endif
