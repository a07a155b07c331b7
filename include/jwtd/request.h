/*
 * request: what a step sees of an HTTP request, and what a row of the route table says.
 *
 * A step is a plain function over the request and its scratch. It knows neither threads nor suspension nor the HTTP library. It
 * returns STEP_NEXT, or, having written the reply (reply.h), STEP_DONE. A request has one owner at any moment, so a step needs no
 * lock. Everything it allocates comes from request->arena and vanishes, wiped, when the reply has gone.
 */
#ifndef JWTD_REQUEST_H
#define JWTD_REQUEST_H

#include "jwtd/access_token.h"
#include "jwtd/arena.h"
#include "jwtd/limiter.h"
#include "jwtd/network.h"
#include "jwtd/services.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;
struct db;
struct hasher;

enum step_result { STEP_NEXT, STEP_DONE };

struct step {
    const char *name;
    enum executor executor;
    enum step_result (*run)(struct request *request);
};

/* What a body must be. The schema fills the typed scratch: each field is written at its offset. */
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

struct request {
    /* for steps, read only */
    const struct services *services;
    const struct snapshot
        *snapshot; /* the keys and origins that were in force when the request began, or newer ones that have its token's key */
    const struct route *route;
    struct arena *arena;
    void *scratch; /* body->scratch_size zeroed bytes, filled by the body schema; NULL without one */
    const char *request_id;
    struct address client;  /* peer, or what a trusted proxy says of its own peer */
    struct address peer;    /* of the connection */
    struct text user_agent; /* {NULL, 0}: none; else valid UTF-8, at most 512 bytes */
    bool has_claims;
    bool session_has_ended; /* the token is good but for that; `claims` are filled in */
    struct access_claims claims;
    struct uuid path_id;   /* of "{id}" */
    int64_t deadline_us;   /* clock_monotonic_us */
    struct db *db;         /* in a step ON_DATABASE */
    struct hasher *hasher; /* in a step ON_CRYPTO */
};

/* The value of a header, {NULL, 0} if absent; of a repeated header the first. ON any thread that holds the request. */
struct text request_header(const struct request *request, const char *name);

#endif
