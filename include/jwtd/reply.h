/*
 * reply: how steps answer a request. Each of the functions that return STEP_DONE begins a reply, and the one that was begun last
 * is sent: it replaces an earlier one as a whole, with its headers. Steps do not add what every reply of a request carries
 * (X-Request-Id, those of CORS, RateLimit of the route). A reply that the library cannot send (408, 414, 431, 503
 * for lack of memory) is written to the socket without them.
 *
 * Nothing of a reply is left out for lack of memory: one that cannot be written whole becomes 503 out_of_memory, which needs
 * none. On the thread that owns the request.
 */
#ifndef JWTD_REPLY_H
#define JWTD_REPLY_H

#include "jwtd/json_writer.h"
#include "jwtd/limiter.h"
#include "jwtd/request.h"
#include "jwtd/status.h"
#include "jwtd/violation.h"

/* A JSON body: what `writer` holds. Returns STEP_DONE, so that a step can end with `return reply_json(...)`. */
enum step_result reply_json(struct request *request, unsigned http_status, struct json_writer *writer);

/* The same with a header, such as Location of 201; 503 comes without it. */
enum step_result reply_json_with_header(struct request *request, unsigned http_status, struct json_writer *writer,
                                        const char *name, const char *value);

/* No body (204, or 200 for verify). */
enum step_result reply_empty(struct request *request, unsigned http_status);

/* A body of another type that lives as long as the request (or for ever). */
enum step_result reply_bytes(struct request *request, unsigned http_status, const char *content_type, struct text body);

/* The same with 200 for a body that has this entity tag, which the caller adds as ETag; but 304 to a client that has it already
 * (request_has_tag). A 304 has the length that the body would have (RFC 9110 section 8.6), and no body. */
enum step_result reply_unless_kept(struct request *request, const char *tag, const char *content_type, struct text body);

/* application/problem+json from the status table, with an entry in `errors` if the status is about one member of the body,
 * WWW-Authenticate for 401 and insufficient_scope, and Retry-After: 1 if the status carries it. A status of OAuth 2.0 (RFC 6749
 * section 5.2) has a member "error" besides, and comes as application/json to a client whose Accept names that and no
 * problem+json. */
enum step_result reply_problem(struct request *request, enum status status);

/* The same; invalid_header and invalid_parameter name `subject`, the header or parameter that is wrong, in the detail and in a
 * member "header" or "parameter". NULL, and of other statuses: nothing is named. */
enum step_result reply_problem_about(struct request *request, enum status status, const char *subject);

/* The same for a status that carries Retry-After, with a time that is known: in whole seconds rounded up, at least one. */
enum step_result reply_retry_later(struct request *request, enum status status, int64_t retry_after_us);

/* 429, that is `status`, for a decision of the limiter that is not `allowed`: with RateLimit-Policy and RateLimit of its bucket
 * (draft-ietf-httpapi-ratelimit-headers-10) beside those of the route's, and Retry-After, until both have a token. */
enum step_result reply_limited(struct request *request, enum status status, const struct limit_decision *decision);

/* What is wrong with one member of a body. */
struct field_problem {
    const char *pointer; /* RFC 6901: "/password" */
    enum violation violation;
    const char *detail; /* one sentence, with `min` or `max` in it */
    size_t min, max;    /* what the value's length must be; 0: the entry has no such member */
};

/* 422 with one entry in `errors` for each; of a form 400 invalid_request. */
enum step_result reply_invalid_fields(struct request *request, const struct field_problem *problems, size_t count);
enum step_result reply_invalid_field(struct request *request, const struct field_problem *problem);

/* Adds a header to the reply that was begun last; the value is copied, the name is not. STATUS_INTERNAL: the value has bytes
 * outside visible ASCII and blank, or there are HEADER_LIST_MAX already; STATUS_OUT_OF_MEMORY. The reply lacks the header then,
 * and the caller must begin another. */
enum status reply_header(struct request *request, const char *name, const char *value) MUST_CHECK;

/* Lets scripts of every origin read the reply that was begun last (CORS), not only those of cors.allowed_origins: for what is
 * public. As reply_header. */
enum status reply_allow_any_origin(struct request *request) MUST_CHECK;

#endif
