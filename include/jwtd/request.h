/*
 * request: what a step sees of an HTTP request.
 *
 * A step is a plain function over the request and its scratch. It knows neither threads nor suspension nor the HTTP library. It
 * returns STEP_NEXT, or, having written the reply (reply.h), STEP_DONE. A request has one owner at any moment, so a step needs no
 * lock. What it allocates comes from request->arena, which is wiped and freed when the request ends. All functions here are for
 * the thread that owns the request.
 */
#ifndef JWTD_REQUEST_H
#define JWTD_REQUEST_H

#include "jwtd/access_token.h"
#include "jwtd/arena.h"
#include "jwtd/idempotency_keys.h"
#include "jwtd/log.h"
#include "jwtd/network.h"
#include "jwtd/route.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stdbool.h>
#include <stdint.h>

struct hasher;
struct services;
struct snapshot;

#define QUERY_VALUES_MAX 8

struct query_value {
    const struct query_parameter *parameter;
    struct text value; /* UTF-8 without NUL */
};

/* The Idempotency-Key of a request whose route takes one, from when it is known whose it is. */
struct request_key {
    const char *digest, *fingerprint; /* idempotency_keys.h; NULL: there is none */
    struct remembered_request done;   /* in the steps of a route's `replay` */
};

struct request {
    /* for steps, read only */
    const struct services *services;
    const struct snapshot
        *snapshot; /* the configuration and keys in force when the request began, or newer ones with its token's key */
    const struct route *route;
    struct arena *arena;
    void *scratch; /* body->scratch_size zeroed bytes, filled by the body schema; without one NULL until a step sets it */
    const char *request_id;
    const char *trace_id;   /* 32 hexadecimal digits: the caller's (traceparent), or made here; "": tracing is off */
    struct address client;  /* peer, or its client if it is a trusted proxy; unknown if that proxy sent no valid address */
    struct address peer;    /* of the connection; unknown for a Unix socket */
    struct text user_agent; /* {NULL, 0}: none; else visible ASCII and blanks, at most 512 bytes */
    const char *service;    /* its name, with ACCESS_SERVICE; else NULL */
    bool has_claims;
    bool session_has_ended; /* the token is good except for that; `claims` are filled in */
    struct access_claims claims;
    struct request_key key;
    struct uuid path_ids[ROUTE_IDS_MAX];        /* of the path's "{name}" segments, in their order */
    struct query_value query[QUERY_VALUES_MAX]; /* in the order in which they were sent */
    size_t query_count;
    int64_t deadline_us;      /* clock_monotonic_us; by when the reply must be sent */
    enum status query_status; /* in a step ON_DATABASE that may_fail */
    struct hasher *hasher;    /* in a step ON_CRYPTO */
    /* for the log */
    struct log_context log; /* of every thread while it carries out the request */
    bool has_user;          /* `user_id` is known without claims: request_concerns */
    struct uuid user_id;
};

/* Says whom a request without a token concerns, for its line in the log. */
void request_concerns(struct request *request, const struct uuid *user_id);

/* The value of a header, {NULL, 0} if absent; of a repeated header the first. It lives as long as the request. */
struct text request_header(const struct request *request, const char *name);

/* Whether the client has the reply with this entity tag already, by If-None-Match (RFC 9110 section 13.1.2): a list of tags,
 * compared as if none were weak, or "*". Then it is answered 304 with the same ETag. `tag`, with its quotes, has no comma. */
bool request_has_tag(const struct request *request, const char *tag);

/* Whether a header of content negotiation, Accept or Accept-Encoding (RFC 9110 section 12.5), has one of these ranges, and the
 * last of them that it has with a weight above 0; so they go from the least to the most specific. False without the header. */
bool request_accepts(const struct request *request, const char *name, const char *const *ranges, size_t count);

/* The value of a query parameter that the route declares; of a repeated one that with this index. {NULL, 0}: there is none. It
 * lives as long as the request. */
struct text request_query(const struct request *request, const char *name, size_t index);

/* For steps of a public route that takes an Idempotency-Key: says whose it is, in front of the statement that makes the change.
 * `kind` is a word that no other kind of owner has, `owner` tells it from others of its kind. Of a route with ACCESS_BEARER the
 * key is the user's from the start. Without a key it does nothing. Fails with STATUS_OUT_OF_MEMORY. */
enum status request_bind_key(struct request *request, const char *kind, struct text owner) MUST_CHECK;

/* Checks a token that came elsewhere than in Authorization as if it had come there (RFC 6750): STATUS_OK, and `claims` are set;
 * STATUS_INVALID_TOKEN, with session_has_ended and `claims` if it is good except for that; or the status with which no token can
 * be checked for now. In a step ON_HTTP; may read the keys directory and replace request->snapshot (snapshot.h). */
enum status request_check_token(struct request *request, struct text token) MUST_CHECK;

#endif
