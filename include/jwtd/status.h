/*
 * status: what can fail, in one closed list.
 *
 * A function that can fail returns an `enum status`; or, where the reason is clear or written elsewhere, a bool or a pointer that
 * is NULL. One table in status.c has the HTTP status of each, the stable public code for client programs, the title, and the
 * sentence for a person. The client of a failed request receives one of these rows: its status and code are written nowhere else.
 *
 * Constant data: safe from every thread.
 */
#ifndef JWTD_STATUS_H
#define JWTD_STATUS_H

#include "jwtd/violation.h"

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))

enum status {
    STATUS_OK,
    /* an error in the request */
    STATUS_BAD_REQUEST,             /* 400 bad_request: framing, headers, target */
    STATUS_INVALID_JSON,            /* 400 invalid_json */
    STATUS_INVALID_REQUEST,         /* 400 invalid_request: a form that does not parse, or is not what the endpoint takes */
    STATUS_INVALID_HEADER,          /* 400 invalid_header: a header with a meaning here has a value that it cannot have */
    STATUS_INVALID_PARAMETER,       /* 400: of the query */
    STATUS_NOT_FOUND,               /* 404 */
    STATUS_NOT_DISCOVERABLE,        /* 404 */
    STATUS_METHOD_NOT_ALLOWED,      /* 405, carries Allow */
    STATUS_NOT_ACCEPTABLE,          /* 406 */
    STATUS_REQUEST_TIMEOUT,         /* 408: the request came in too slowly; the connection is closed */
    STATUS_BODY_TOO_LARGE,          /* 413 */
    STATUS_TARGET_TOO_LONG,         /* 414: the connection is closed */
    STATUS_UNSUPPORTED_MEDIA_TYPE,  /* 415 */
    STATUS_MISDIRECTED_REQUEST,     /* 421: Host names what this listener is not called; the connection is closed */
    STATUS_HEADER_TOO_LARGE,        /* 431: the connection is closed */
    STATUS_INVALID_BODY,            /* 422 validation_failed, carries errors */
    STATUS_IDEMPOTENCY_KEY_REUSED,  /* 422: the key came before with another request */
    STATUS_IDEMPOTENCY_IN_PROGRESS, /* 409: the first request with the key is not over; carries Retry-After */
    STATUS_EMAIL_TAKEN,             /* 409 */
    STATUS_LAST_ADMIN,              /* 409: no administrator would be left who has a password and is not disabled */
    STATUS_PRECONDITION_FAILED,     /* 412: If-Match has an older version */
    STATUS_PRECONDITION_REQUIRED,   /* 428: If-Match is missing */
    /* the client is not authenticated, or not permitted to do this */
    STATUS_MISSING_TOKEN,         /* 401, WWW-Authenticate without error */
    STATUS_INVALID_TOKEN,         /* 401, WWW-Authenticate with error="invalid_token" */
    STATUS_INVALID_CREDENTIALS,   /* 401 */
    STATUS_INVALID_REFRESH_TOKEN, /* 401 */
    STATUS_REFRESH_TOKEN_REUSED,  /* 401 */
    STATUS_SESSION_EXPIRED,       /* 401 */
    STATUS_INVALID_CLIENT,        /* 401, WWW-Authenticate of Basic: no credentials of a service */
    STATUS_WRONG_PASSWORD,        /* 403: behind a good token; 401 would ask for another token */
    STATUS_INSUFFICIENT_SCOPE,    /* 403, WWW-Authenticate with error="insufficient_scope" */
    /* 403: the password is right, and login takes a new one beside it */
    STATUS_PASSWORD_CHANGE_REQUIRED,
    /* try again later: always with Retry-After */
    STATUS_RATE_LIMITED,         /* 429: too many requests of one address or service, or wrong passwords of one address */
    STATUS_ACCOUNT_LOCKED,       /* 429: too many wrong passwords for one account */
    STATUS_OVERLOADED,           /* 503: the turn would come after the deadline */
    STATUS_DEADLINE_EXCEEDED,    /* 503: the deadline passed while the request was served */
    STATUS_DATABASE_UNAVAILABLE, /* 503 */
    STATUS_OUT_OF_MEMORY,        /* 503 */
    STATUS_REFRESH_TOO_SOON,     /* 503: the reply to another refresh may still be under way */
    STATUS_STARTING,             /* 503: the revoked sessions have not been read yet */
    STATUS_REVOCATIONS_STALE,    /* 503: the revoked sessions were last read longer ago than token.max_stale */
    STATUS_KEYS_UNAVAILABLE,     /* 503: the token's key may exist, but cannot be read; or no key may sign */
    STATUS_SHUTTING_DOWN,        /* 503 */
    /* an error of the service */
    STATUS_INTERNAL, /* 500 */
    STATUS_COUNT
};

struct status_info {
    const char *name;   /* for logs: "email_taken"; the same word as the public code */
    unsigned http;      /* 200, 400, ... */
    const char *title;  /* RFC 9457 title, also the heading in /docs */
    const char *detail; /* a sentence for a person */
    bool retry_later;   /* carries Retry-After */
};

/* The row of a status; a value outside the enum returns the row of STATUS_INTERNAL. Never NULL. */
const struct status_info *status_info(enum status status);

/* The member of the body that a status is about: its problem has one entry in `errors`. */
struct status_member {
    const char *pointer; /* RFC 6901: "/email" */
    enum violation violation;
};

/* NULL: the status is about no member, or about any. */
const struct status_member *status_member(enum status status);

/* The header, or the parameter of the query, that a status is about: its problem names it. */
struct status_subject {
    const char *member; /* of the problem: "header" */
    const char *detail; /* that of the row as it goes on behind the name */
};

/* NULL: the status is about neither. */
const struct status_subject *status_subject(enum status status);

/* Whether OAuth 2.0 clients know its code (RFC 6749 section 5.2): its problem has it as the member "error", too. */
bool status_is_oauth_error(enum status status);

#endif
