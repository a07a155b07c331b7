/*
 * route: what a row of the route table says of an endpoint: its method and path, who may call it, which limit counts it, what
 * its body must be, and the steps that answer it, each with the executor that runs it.
 *
 * Rows, steps and schemas are constant data. routes.h declares the table; the server checks it at start.
 */
#ifndef JWTD_ROUTE_H
#define JWTD_ROUTE_H

#include "jwtd/executor.h"
#include "jwtd/limiter.h"

#include <stdbool.h>
#include <stddef.h>

struct request;

enum step_result {
    STEP_NEXT, /* the next step goes on */
    STEP_DONE  /* the reply is written */
};

struct step {
    const char *name;
    enum executor executor;
    enum step_result (*run)(struct request *request);
};

/* The type of a member of a body. The schema fills the typed scratch: each field is written at its offset. */
enum field_type {
    FIELD_EMAIL,    /* struct text, valid by email_is_valid */
    FIELD_PASSWORD, /* struct text in form C, 1 to PASSWORD_MAX_LEN bytes before and after */
    FIELD_TEXT,     /* struct text, 1 to max_len bytes */
    FIELD_BOOLEAN   /* bool */
};

struct field {
    const char *name;
    enum field_type type;
    bool required;  /* an optional one that is absent leaves zeroes; null is refused in both cases */
    size_t max_len; /* FIELD_TEXT */
    size_t offset;
};

struct body_schema {
    const struct field *fields;
    size_t count;
    bool optional;       /* no body at all is the same as {} */
    size_t scratch_size; /* of the struct that the fields are written into; the route's steps share it */
};

enum access {
    ACCESS_UNSET,          /* a row that forgets the column does not start */
    ACCESS_PUBLIC,         /* no token looked at */
    ACCESS_BEARER,         /* a good access token of a live session; request->claims is set */
    ACCESS_OPTIONAL_BEARER /* no token, or a good one: a bad one is refused; request->has_claims */
};

enum method { METHOD_GET, METHOD_POST, METHOD_PATCH, METHOD_DELETE, METHOD_ANY };

#define ROUTE_STEPS_MAX 5

struct route {
    enum method method;
    const char *path; /* exact; a last segment "{id}" takes a UUID; a last segment "*" takes any rest */
    enum access access;
    enum limit_class limit;                    /* no default either */
    bool ignores_body;                         /* the body is neither read nor looked at */
    const struct body_schema *body;            /* NULL: none is taken; one that comes is refused unless empty */
    const char *summary;                       /* one line for the reader and the API document */
    const struct step *steps[ROUTE_STEPS_MAX]; /* NULL behind the last */
};

#endif
