/*
 * exchange: one HTTP request on its way through the house: the request that steps see, and what only src/http/ knows of it.
 *
 * It is made when the request line has been read and freed when the library says that the request is over. In between it has
 * one owner at any moment: the HTTP thread of its connection, or, while `state` is EXCHANGE_AWAY, the pool that holds its job, or
 * the wheel of replies that are held back.
 */
#ifndef JWTD_HTTP_EXCHANGE_H
#define JWTD_HTTP_EXCHANGE_H

#include "wheel.h"

#include "jwtd/reply.h"
#include "jwtd/request.h"
#include "jwtd/services.h"

#include <microhttpd.h>
#include <stdatomic.h>

#define REPLY_HEADERS_MAX 16

/* What the library has for one connection, and touches even of an idle one: a header of 6 KiB, with a record of 64 bytes for each
 * field, and the header of the reply. */
#define CONNECTION_MEMORY ((size_t)10 * 1024)
#define REPLY_HEADER_MEMORY ((size_t)2 * 1024)

struct connection;
struct http_server;
struct waiting;

enum exchange_state {
    EXCHANGE_NEW,       /* the headers have not been looked at */
    EXCHANGE_RECEIVING, /* the body is coming in */
    EXCHANGE_AWAY,      /* suspended; a pool has it, or its answer is held back */
    EXCHANGE_ANSWERED,  /* request->reply is ready to be queued */
    EXCHANGE_QUEUED     /* the library has the reply */
};

struct reply_header {
    const char *name;
    const char *value;
};

struct reply {
    bool written;
    unsigned http_status;
    const char *content_type; /* NULL: no body */
    struct text body;
    struct reply_header headers[REPLY_HEADERS_MAX];
    size_t header_count;
    bool close; /* the connection is in no state for another request */
    int64_t retry_after_us;
    bool is_refusal; /* carries Retry-After */
};

struct body_buffer {
    char *bytes;
    size_t len, size;
    size_t dropped; /* bytes that came after the limit */
    bool declared;  /* Content-Length above 0, or Transfer-Encoding */
};

struct exchange {
    struct request request; /* first, so that a request leads back to its exchange */
    struct arena arena;
    struct http_server *server;
    struct MHD_Connection *connection;
    struct connection *peer; /* never NULL */
    const char *method;
    char *path; /* of the raw target, without the query; NULL unless target_status is STATUS_OK */
    enum status target_status;
    const struct route *allowed_path; /* a row with this path but another method, for Allow */
    enum exchange_state state;
    size_t next_step;
    struct pool_job job;
    struct body_buffer body;
    struct reply reply;
    int64_t started_us;         /* the request line was there */
    int64_t received_us;        /* all of it was there: from now on the service is to blame */
    bool was_held;              /* its answer */
    struct wheel_entry waiting; /* while it is held back */
};

/* What the header fields of a request say, gathered in one walk over them. */
struct header_summary {
    unsigned hosts, content_lengths, transfer_encodings, authorizations, content_types, expectations;
    uint64_t content_length;
    bool malformed; /* not written as RFC 9112 wants it, or a framing that two readers could read differently */
    bool has_body;
};

/* framing.c: whether the request may be read at all (RFC 9112 sections 2.2, 3, 5, 6.1, 6.3; RFC 9110 section 5.3). Once for each
 * request, in the first call for it: it takes the request from the scanner (input.h). */
enum status framing_check(struct MHD_Connection *connection, const char *version, struct header_summary *summary);

/* framing.c: whether the library has memory left for the header of a reply. It would close the connection without one. */
bool framing_leaves_room_for_reply(struct MHD_Connection *connection);

/* target.c: the path of a raw request target, absolute form allowed, copied into the arena. STATUS_BAD_REQUEST for one that makes
 * no sense, STATUS_OUT_OF_MEMORY: *path is NULL then. */
enum status target_path(struct arena *arena, const char *target, char **path) MUST_CHECK;

/* router.c */
enum status router_find(const struct route *routes, size_t count, struct exchange *exchange);
const char *router_allowed_methods(const struct route *routes, size_t count, const struct exchange *exchange);

/* bearer.c: looks at the access token as route->access asks. */
enum status bearer_check(struct exchange *exchange);

/* limits.c: takes a token of the route's class from the client's bucket, and says in the reply what is left. */
enum status limits_take(struct exchange *exchange);

/* schema.c: reads the body into the scratch. A body that is refused has been answered and returns false. */
bool schema_read_body(struct exchange *exchange);

/* cors.c: adds the headers of an allowed origin; answers a preflight and returns true. */
void cors_add_headers(struct exchange *exchange);
bool cors_answer_preflight(struct exchange *exchange);

/* pipeline.c: runs the steps from exchange->next_step on. True: the exchange is answered. False: a pool has it, do not touch it.
 */
bool pipeline_run(struct exchange *exchange);

/* Suspends the connection, unless the service stops (false). Whoever has the exchange then ends that by pipeline_resume. */
bool pipeline_suspend(struct exchange *exchange);
void pipeline_resume(struct exchange *exchange); /* from any thread; the exchange is answered, and may be gone on return */

/* reply.c */
struct field_problem {
    const char *pointer; /* RFC 6901 */
    const char *code;
    const char *detail;
};

struct exchange *exchange_of(struct request *request);
enum step_result reply_invalid_fields(struct request *request, const struct field_problem *problems, size_t count);
/* NULL when memory is exhausted. */
struct MHD_Response *reply_build(struct exchange *exchange);

/* The counters by which http_server_stop knows when nothing is on its way. */
struct http_flow {
    atomic_uint in_flight; /* exchanges that exist */
    atomic_uint away;      /* of these, suspended */
    atomic_bool closed;    /* nothing may be suspended any more */
    atomic_uint unread;    /* requests whose header the library could not read, since the start */
    _Atomic int64_t unread_logged_us;
};

struct waiting *server_waiting(struct http_server *server);
struct http_flow *server_flow(struct http_server *server);
const struct services *server_services(const struct http_server *server);
const struct route *server_routes(const struct http_server *server, size_t *count);

#endif
