/*
 * status: what can fail, in one closed list, and what each failure means to the three who hear of it.
 *
 * Every function that can fail returns an `enum status` (or a pointer, NULL on failure). One table in status.c gives each
 * status its HTTP status, the stable public code that client programs switch on, its title, and the sentence a person can
 * act on. What the client may hear is decided by choosing a status; nobody writes an HTTP number or a code by hand.
 *
 * Pure data: safe from every thread.
 */
#ifndef JWTD_STATUS_H
#define JWTD_STATUS_H

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))

enum status {
    STATUS_OK,
    /* the caller's request is wrong */
    STATUS_BAD_REQUEST,            /* 400 bad_request: framing, headers, target */
    STATUS_INVALID_JSON,           /* 400 invalid_json */
    STATUS_INVALID_HEADER,         /* 400 invalid_header: a header with a meaning here has a value that it cannot have */
    STATUS_NOT_FOUND,              /* 404 */
    STATUS_METHOD_NOT_ALLOWED,     /* 405, carries Allow */
    STATUS_REQUEST_TIMEOUT,        /* 408: the request came in too slowly; the connection is closed */
    STATUS_BODY_TOO_LARGE,         /* 413 */
    STATUS_UNSUPPORTED_MEDIA_TYPE, /* 415 */
    STATUS_HEADER_TOO_LARGE,       /* 431: the connection is closed */
    STATUS_INVALID_BODY,           /* 422 validation_failed, carries errors */
    STATUS_IDEMPOTENCY_KEY_REUSED, /* 422: the key came before with another request */
    STATUS_EMAIL_TAKEN,            /* 409 */
    /* the caller is not who it must be */
    STATUS_MISSING_TOKEN,         /* 401, WWW-Authenticate without error */
    STATUS_INVALID_TOKEN,         /* 401, WWW-Authenticate with error="invalid_token" */
    STATUS_INVALID_CREDENTIALS,   /* 401 */
    STATUS_INVALID_REFRESH_TOKEN, /* 401 */
    STATUS_REFRESH_TOKEN_REUSED,  /* 401 */
    STATUS_SESSION_EXPIRED,       /* 401 */
    STATUS_FORBIDDEN,             /* 403 */
    /* try again later: always with Retry-After */
    STATUS_RATE_LIMITED,         /* 429 */
    STATUS_OVERLOADED,           /* 503: the turn would come after the deadline */
    STATUS_DEADLINE_EXCEEDED,    /* 503: the deadline passed on the way */
    STATUS_DATABASE_UNAVAILABLE, /* 503 */
    STATUS_OUT_OF_MEMORY,        /* 503 */
    STATUS_REFRESH_TOO_SOON,     /* 503: the answer to another refresh may still be on its way */
    STATUS_STARTING,             /* 503: the revoked sessions have not been read yet */
    STATUS_KEYS_UNAVAILABLE,     /* 503: the token's key is newer than those that were read, and cannot be read */
    STATUS_SHUTTING_DOWN,        /* 503 */
    /* an error of ours */
    STATUS_INTERNAL, /* 500 */
    STATUS_COUNT
};

struct status_info {
    const char *name;   /* for logs: "email_taken"; the same word as the public code */
    unsigned http;      /* 200, 400, ... */
    const char *title;  /* RFC 9457 title, also the heading in /docs */
    const char *detail; /* one sentence a person can act on */
    bool retry_later;   /* carries Retry-After */
};

/* The row of a status; a value outside the enum returns the row of STATUS_INTERNAL. Never NULL. */
const struct status_info *status_info(enum status status);

#endif
