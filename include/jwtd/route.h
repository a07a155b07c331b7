/*
 * route: what a row of the route table says about an endpoint: its method and path, who may call it, which limit counts it, what
 * its body must be, the steps that answer it, each with the executor that runs it, and every reply that it can have.
 *
 * Rows, steps and schemas are constant data. routes.h declares the table; the server checks it at start. Router, validator,
 * limiter, the API document (openapi.h) and the tests read the same rows: a row whose parts are not described does not start, and
 * a reply that a row does not declare fails the tests.
 */
#ifndef JWTD_ROUTE_H
#define JWTD_ROUTE_H

#include "jwtd/executor.h"
#include "jwtd/limiter.h"

#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct db_query;
struct request;
struct stream_kind;

enum step_result {
    STEP_NEXT, /* the next step runs */
    STEP_DONE  /* the reply is written */
};

/*
 * One that is ON_DATABASE has two halves, both on the HTTP thread: `ask` writes a statement into the query, or none, and then the
 * next step follows; when the statement is done and its result is read (into the request's scratch or arena), `run` goes on. A
 * statement that fails is answered with its status, and `run` is not called.
 */
struct step {
    const char *name;
    enum executor executor;
    enum step_result (*run)(struct request *request);                         /* may be NULL if ON_DATABASE */
    enum step_result (*ask)(struct request *request, struct db_query *query); /* with ON_DATABASE only */
    bool may_fail; /* ON_DATABASE: `run` is called whatever the outcome, which is in request->query_status */
    /* False: this request does without the step, whose executor then need not admit it. Asked several times, and says the same
     * each time: it depends on the body, which the scratch holds before the first step. NULL: every request needs it. */
    bool (*applies)(const struct request *request);
};

/* The type of a member of a body. The schema fills the typed scratch: each field is written at its offset. */
enum field_type {
    FIELD_EMAIL,        /* struct text, valid by email_is_valid, without the blanks around it */
    FIELD_PASSWORD,     /* struct text in normalization form C, 1 to PASSWORD_MAX_LEN bytes before and after normalization */
    FIELD_NEW_PASSWORD, /* the same, accepted by the policy for the address of the body, if it has a FIELD_EMAIL */
    FIELD_TEXT,         /* struct text, 1 to max_len bytes, without NUL, as the three above */
    FIELD_LINE,         /* the same without control characters and ends of lines */
    FIELD_OBJECT,       /* struct text, a JSON object with any members, of 2 to max_len bytes as json_write_value writes it */
    FIELD_BOOLEAN,      /* bool */
    FIELD_FLAG,         /* enum field_flag */
    FIELD_ROLES         /* struct text, a compact JSON array of roles (role.h), none of them twice, of at most max_len bytes */
};

/* A boolean that may be missing. */
enum field_flag { FLAG_ABSENT, FLAG_FALSE, FLAG_TRUE };

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
    bool required;        /* an optional one that is absent leaves zeroes */
    bool is_nullable;     /* null leaves an empty text, whose bytes are not NULL; false: it is refused. Not of FIELD_BOOLEAN */
    const char *requires; /* the name of a field that must be there too if this one is; NULL: none */
    size_t max_len;       /* of FIELD_TEXT, FIELD_LINE and FIELD_OBJECT, in bytes */
    const char *description;
    const char *example; /* of a type with max_len, which must have one; NULL: that of its type */
};

/* A field that is named like the member of `struct scratch` that it fills: FIELD(login, email, FIELD_EMAIL, .required = true).
 * Does not compile when the member's type is not that of the field. */
#define FIELD(scratch, member, field_type, ...)                                                                                  \
    {                                                                                                                            \
        .name = #member, .type = field_type,                                                                                     \
        .offset =                                                                                                                \
            offsetof(struct scratch, member) + 0 * sizeof(char[FIELD_FITS(((struct scratch *)0)->member, field_type) ? 1 : -1]), \
        __VA_ARGS__                                                                                                              \
    }
/* clang-format off */
#define FIELD_FITS(member, field_type) \
    _Generic(member, bool: (field_type) == FIELD_BOOLEAN, enum field_flag: (field_type) == FIELD_FLAG, \
             struct text: (field_type) != FIELD_BOOLEAN && (field_type) != FIELD_FLAG, default: 0)
/* clang-format on */

#define BODY_FIELDS_MAX 12

struct body_schema {
    const struct field *fields;
    size_t count;        /* at most BODY_FIELDS_MAX */
    bool optional;       /* no body at all is the same as {}; not of a form */
    size_t scratch_size; /* of the struct that the fields are written into; the route's steps share it */
    const char *name;    /* in the API document, as "LoginRequest"; no other schema has it */
};

/* Which access token Authorization must have. A good one is valid and its session has not ended: has_claims and claims of the
 * request are set. Or that it must be the credentials of a service: `service` of the request is set. */
enum access {
    ACCESS_UNSET,           /* not allowed: a server with such a row does not start */
    ACCESS_PUBLIC,          /* any or none: it is not read */
    ACCESS_BEARER,          /* a good one; of an ended session, when all that follows is idempotency_admits_ended_session */
    ACCESS_OPTIONAL_BEARER, /* none, or a good one; a bad one is refused */
    ACCESS_BEARER_OR_BODY,  /* any or none: the body may name another credential, so the steps decide, by has_claims and
                               session_has_ended; only one that cannot be checked for now is refused */
    ACCESS_SERVICE          /* no token, but name and secret of a service (service_credentials.h), by HTTP Basic */
};

/* The members of a reply's JSON object, for the tests and the API document. An object without a schema has any members. */
enum reply_type { REPLY_STRING, REPLY_INTEGER, REPLY_BOOLEAN, REPLY_OBJECT, REPLY_ARRAY };

struct reply_schema;

struct reply_member {
    const char *name;
    enum reply_type type;
    bool nullable;
    bool optional;                     /* may be missing */
    const struct reply_schema *schema; /* of an object, or of each element of an array; NULL: an array of strings */
    const char *description;
    const char *format;        /* of a string: "uuid", "date-time", "idn-email", "ip" or "uri" (openapi_schemas.c); NULL: none */
    const char *const *values; /* of a string: all that it can be, NULL after the last; NULL: any */
    const char *example;       /* of a string its text, else JSON; NULL: what follows from schema, format, values or type */
};

struct reply_schema {
    const struct reply_member *members; /* a reply has all of them, but for optional ones, and no others */
    size_t count;
    const char *name; /* in the API document, as "User"; no other schema has it */
};

#define REPLY_HEADERS_MAX 4

struct route_reply {
    unsigned http_status;
    const struct reply_schema *schema;      /* of an application/json body */
    const char *content_type;               /* without a schema: of another body, a media range if several; NULL: there is none */
    const char *headers[REPLY_HEADERS_MAX]; /* that not every reply has: names of the table in openapi_headers.c */
};

enum body_format {
    BODY_NONE,   /* none is expected; one within server.body_limit is read and dropped, a larger one is 413 */
    BODY_JSON,   /* read by the schema; one over the limit is 413 */
    BODY_FORM,   /* application/x-www-form-urlencoded, read by the schema, whose fields are FIELD_TEXT; what is wrong is 400
                    invalid_request (RFC 6749 section 5.2) */
    BODY_IGNORED /* the reply does not wait for one, which may never come; when one is announced, the connection closes */
};

enum method { METHOD_UNSET, METHOD_GET, METHOD_POST, METHOD_PATCH, METHOD_DELETE, METHOD_ANY };

/* In the query of a target (after the "?"). Names are compared as they were sent, without decoding. */
struct query_parameter {
    const char *name;
    bool repeated;  /* may be sent several times */
    size_t max_len; /* of each decoded value, in bytes */
    const char *description;
    const char *example;
    int64_t min, max; /* of a whole number; both 0: it is a text */
};

/* On which of the two sockets a row answers; on the other it is as if it were not there. */
enum route_listener {
    LISTENER_PUBLIC,     /* server.listen */
    LISTENER_OPERATIONS, /* ops.listen: for the operator, and not in the API document */
    LISTENER_BOTH
};

/* The headings of the API document. */
enum route_group {
    GROUP_UNSET, /* not allowed */
    GROUP_ACCOUNT,
    GROUP_SESSIONS,
    GROUP_ADMINISTRATION,
    GROUP_SERVICES,
    GROUP_KEYS,
    GROUP_HEALTH,
    GROUP_DOCUMENTATION,
    GROUP_OPERATIONS,
    GROUP_COUNT
};

#define ROUTE_STEPS_MAX 7
#define ROUTE_REPLAY_MAX 3
#define ROUTE_IDS_MAX 2
#define ROUTE_QUERY_MAX 4
#define ROUTE_REPLIES_MAX 3
#define ROUTE_HEADERS_MAX 2
#define ROUTE_PROBLEMS_MAX 6

struct route {
    enum method method;
    const char *path;    /* exact, but for up to ROUTE_IDS_MAX segments "{name}", each a UUID, and a last segment "*", any rest */
    const char *summary; /* one line for the reader and the API document */
    const char *name;    /* in clients that are made of the API document, as "logIn"; no other row has it */
    enum route_group group;
    enum route_listener listener;
    const char *description;                         /* what the summary does not say; NULL: nothing */
    bool (*is_enabled)(const struct config *config); /* by the configuration in force; false: as if there were no such row; NULL:
                                                        always */
    enum access access;
    const char *role;       /* which the token must have, else 403; only with ACCESS_BEARER; NULL: none */
    enum limit_class limit; /* LIMIT_UNSET is not allowed */
    /* The caller is a proxy that has copied header fields and the query of its own client, who must not be able to cause 400:
     * nginx would answer 500. Of two Authorization fields neither counts (STATUS_INVALID_TOKEN); two Content-Types, and an
     * expectation without a body, are ignored; a value of `query` that cannot be read is empty. With BODY_IGNORED only. */
    bool is_for_proxies;
    struct query_parameter query[ROUTE_QUERY_MAX]; /* name NULL after the last; others are ignored */
    const char *headers[ROUTE_HEADERS_MAX];        /* of the request, with a meaning for this route only (openapi_headers.c) */
    enum body_format body_format;
    const struct body_schema *body;                /* with BODY_JSON and BODY_FORM */
    bool is_cacheable;                             /* false: each reply has Cache-Control: no-store; true: problems have it */
    const struct step *steps[ROUTE_STEPS_MAX + 1]; /* NULL after the last */
    /* POST, PATCH and DELETE have one of two: a request that is sent again does no more than the first, whatever became of its
     * reply; or `headers` has Idempotency-Key (idempotency.h). Of the latter, `replay` are the steps that answer a request that
     * was carried out before: request->key.done says what they answer. None: with the first of `replies`, which has no body. */
    bool is_repeatable;
    const struct step *replay[ROUTE_REPLAY_MAX + 1];
    const struct stream_kind *stream;              /* its reply with 200 is such a stream (stream.h); at most one row has one */
    struct route_reply replies[ROUTE_REPLIES_MAX]; /* those that are no problem; http_status 0 after the last */
    enum status problems[ROUTE_PROBLEMS_MAX];      /* those that its steps choose; STATUS_OK after the last */
};

/* Whether all rows are complete and possible, and no two have the same method and path; the first that is not is logged. */
bool routes_are_sound(const struct route *routes, size_t count) MUST_CHECK;

/* Whether requests to this route may be answered with this problem: it is listed, or follows from another column (a route that
 * reads a token may answer missing_token). */
bool route_may_answer(const struct route *route, enum status problem);

/* Whether it has Idempotency-Key among its headers. */
bool route_takes_key(const struct route *route);

bool route_is_at(const struct route *route, enum route_listener listener);

/* By its method: POST, PATCH, DELETE. */
bool route_may_change_state(const struct route *route);

/* The route's reply with this HTTP status; NULL: it has none. */
const struct route_reply *route_reply(const struct route *route, unsigned http_status);

#endif
