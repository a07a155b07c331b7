/* openapi_problems: problem replies (RFC 9457) in the API document, from the table of statuses. For openapi*.c. */
#ifndef JWTD_HTTP_OPENAPI_PROBLEMS_H
#define JWTD_HTTP_OPENAPI_PROBLEMS_H

#include "jwtd/json_writer.h"
#include "jwtd/route.h"
#include "jwtd/status.h"

/* The problems of one HTTP status that requests to a route may be answered with. */
struct problem_set {
    bool has[STATUS_COUNT];
    size_t count;
};

struct problem_set openapi_problems_of(const struct route *route, unsigned http_status);

/* The name of the component that is the response with these problems and no other reply, which is that of the only code;
 * NULL: there are more of them, or none, and the response is written in its place. */
const char *openapi_shared_response(const struct problem_set *problems);

/* In "schemas" of Components: Problem, FieldProblem. */
void openapi_write_problem_schemas(struct json_writer *writer);

/* In "examples" of Components: one for each error code, also of those that belong to no route (405). */
void openapi_write_problem_examples(struct json_writer *writer, const char *public_url);

/* The members of Response.content, and of Response.headers for the headers that all of them carry. */
void openapi_write_problem_content(struct json_writer *writer, const struct problem_set *problems);
void openapi_write_problem_headers(struct json_writer *writer, const struct problem_set *problems);

#endif
