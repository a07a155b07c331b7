/*
 * reply: the one way to answer. Each function writes the reply of a request; the pipeline sends it. A second reply to the same
 * request is an error of ours and replaces the first. Called by the step that holds the request. Memory that runs out turns the
 * reply into 503.
 */
#ifndef JWTD_REPLY_H
#define JWTD_REPLY_H

#include "jwtd/json_writer.h"
#include "jwtd/request.h"
#include "jwtd/status.h"

/* A JSON body: what `writer` holds. Gives STEP_DONE, so that a step can end with `return reply_json(...)`. */
enum step_result reply_json(struct request *request, unsigned http_status, struct json_writer *writer);

/* No body (204, or 200 for verify). */
enum step_result reply_empty(struct request *request, unsigned http_status);

/* A body of another type that lives as long as the request (or for ever). */
enum step_result reply_bytes(struct request *request, unsigned http_status, const char *content_type, struct text body);

/* application/problem+json from the status table; adds WWW-Authenticate to 401, Retry-After to those that want it. */
enum step_result reply_problem(struct request *request, enum status status);

/* The same for one of those that want Retry-After, when it is known: so long, in whole seconds rounded up. */
enum step_result reply_retry_later(struct request *request, enum status status, int64_t retry_after_us);

/* What is wrong with one member of a body. */
struct field_problem {
    const char *pointer; /* RFC 6901: "/password" */
    const char *code;    /* "too_short" */
    const char *detail;  /* one sentence */
};

/* 422 with one entry in `errors` for each. */
enum step_result reply_invalid_fields(struct request *request, const struct field_problem *problems, size_t count);
enum step_result reply_invalid_field(struct request *request, const char *pointer, const char *code, const char *detail);

/* Says what the limiter has decided: RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10) beside those of
 * other buckets, and Retry-After with a refusal. Gives STATUS_RATE_LIMITED, for which the caller must reply, or STATUS_OK. */
enum status reply_limit(struct request *request, const struct limit_decision *decision);

/* Adds a header to the reply; the value is copied. STATUS_INTERNAL for one with bytes outside visible ASCII and space, or one too
 * many; STATUS_OUT_OF_MEMORY. */
enum status reply_header(struct request *request, const char *name, const char *value);

#endif
