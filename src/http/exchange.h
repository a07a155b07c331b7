/*
 * exchange: one HTTP request on its way through the service: the request that steps see, and what only src/http/ knows of it.
 *
 * It is made when the request line has been read and freed when the library says that the request is over. In between it has
 * one owner at any moment: the HTTP thread of its connection, or, while `state` is EXCHANGE_AWAY, the pool that holds its job, or
 * the wheel of replies that are held back.
 */
#ifndef JWTD_HTTP_EXCHANGE_H
#define JWTD_HTTP_EXCHANGE_H

#include "header_list.h"
#include "header_view.h"
#include "wheel.h"

#include "jwtd/arena.h"
#include "jwtd/pool.h"
#include "jwtd/request.h"
#include "jwtd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;
struct http_context;
struct MHD_Connection;

enum exchange_state {
    EXCHANGE_NEW,       /* the headers have not been looked at */
    EXCHANGE_RECEIVING, /* the body is coming in */
    EXCHANGE_AWAY,      /* suspended; a pool has it, or its answer is held back */
    EXCHANGE_ANSWERED,  /* exchange->reply is ready to be queued */
    EXCHANGE_QUEUED     /* the library has the reply */
};

struct reply {
    unsigned http_status;     /* 0: no reply is written */
    const char *content_type; /* NULL: no body */
    struct text body;
    struct header_list headers;
    int64_t retry_after_us; /* as in Retry-After; 0: the reply has none */
    char retry_after[24];   /* its value */
};

static inline bool reply_is_written(const struct reply *reply) {
    return reply->http_status != 0;
}

struct body_buffer {
    char *bytes;
    size_t len, size;
    size_t dropped; /* bytes that came after the limit */
};

struct exchange {
    struct request request;
    struct arena arena;
    struct http_context *context;
    struct connection *connection; /* never NULL */
    struct MHD_Connection *library_connection;
    struct header_view headers;
    const char *method;
    char made_request_id[UUID_TEXT_SIZE]; /* request.request_id, when the client has sent none */
    char *path;                           /* of the raw target, without the query; NULL unless target_status is STATUS_OK */
    enum status target_status;
    const struct route *allowed_path; /* a row with this path but another method, for Allow */
    enum exchange_state state;
    size_t next_step;
    struct pool_job job;
    struct body_buffer body;
    struct header_list common_headers; /* of whichever reply it becomes */
    bool must_close;                   /* the connection is in no state for another request, or the service stops */
    struct reply reply;
    int64_t started_us;         /* the request line was there */
    int64_t received_us;        /* all of it was there: from now on the service is to blame */
    bool was_held;              /* its answer */
    struct wheel_entry waiting; /* while it is held back */
};

struct exchange *exchange_of(struct request *request);

#endif
