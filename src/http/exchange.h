/*
 * exchange: one HTTP request and its reply: the request that steps see, and what only src/http/ knows of it.
 *
 * It is created when the request line has been read and ends when the library reports the end of the request, or else of its
 * connection (receiver.h). In between it has one owner at any moment, which its state names. Only the owner reads and writes it,
 * so that it needs no lock; it hands the exchange on by exchange_suspend and exchange_resume, after which it does not touch it.
 *
 *     NEW ----> RECEIVING ----> RUNNING <----- (NEW, when the route ignores the body that is announced)
 *      |                         | ^  |
 *      |                         | |  +--> SUSPENDED ----> RETURNED     a step of another executor is under way
 *      |                         v |                          |
 *      +--> DISCARDING ------> ANSWERED                       |
 *      |                       ^  |  | +----------------------+ (to RUNNING)
 *      +-----------------------+  |  +--> DELAYED        the reply is to be sent later
 *                              |  v          v
 *                              |  QUEUED <-- DUE
 *                              v
 *                              STREAMING --> STREAMED    the reply does not end by itself (streams.h)
 *
 * The exchange may end in each state but SUSPENDED, DELAYED and STREAMING, since a connection may be lost in each.
 */
#ifndef JWTD_HTTP_EXCHANGE_H
#define JWTD_HTTP_EXCHANGE_H

#include "header_list.h"
#include "header_view.h"
#include "reply_build.h"
#include "wheel.h"

#include "jwtd/arena.h"
#include "jwtd/pool.h"
#include "jwtd/request.h"
#include "jwtd/status.h"
#include "jwtd/trace_context.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_ID_MAX_LEN 64

struct connection;
struct http_context;
struct http_thread;
struct span_record;
struct MHD_Connection;

/* The owner is the HTTP thread of the connection unless said otherwise. */
enum exchange_state {
    EXCHANGE_NEW,        /* the header is being received */
    EXCHANGE_RECEIVING,  /* the header has passed its checks; the body, if there is one, is being received */
    EXCHANGE_DISCARDING, /* a refusal is written; the body is read all the same, which keeps the connection usable */
    EXCHANGE_RUNNING,    /* no more of the request is awaited; its steps run */
    EXCHANGE_SUSPENDED,  /* the connection is suspended; the executor of the current step owns the exchange */
    EXCHANGE_RETURNED,   /* that executor has done its part; the steps go on */
    EXCHANGE_ANSWERED,   /* the reply is written */
    EXCHANGE_DELAYED,    /* the connection is suspended; the timer wheel of the delayed replies owns the exchange */
    EXCHANGE_DUE,        /* the reply was delayed, and is sent next */
    EXCHANGE_QUEUED,     /* the library has the reply */
    EXCHANGE_STREAMING,  /* the connection is suspended; the streams' thread owns the exchange and writes the reply */
    EXCHANGE_STREAMED,   /* it has written all of it; the connection is closed next */
    EXCHANGE_STATES
};

struct reply {
    unsigned http_status;     /* 0: no reply is written */
    enum status problem;      /* STATUS_OK: the reply is none */
    const char *content_type; /* NULL: no body */
    struct text body;
    void *stream; /* the follower's state of a reply that is a stream (stream.h); NULL: it is none */
    struct header_list headers;
    int64_t retry_after_us; /* that of Retry-After; 0: the reply has none */
    char retry_after[24];   /* the value of Retry-After, which `headers` borrows */
    const char *limit;      /* for the log: the limiter's bucket, or the executor, that has refused the request; NULL: none has */
};

static inline bool reply_is_written(const struct reply *reply) {
    return reply->http_status != 0;
}

/* In whole seconds rounded up, at least one. Retry-After must be among the reply's headers, or be added next. */
void reply_set_retry_after(struct reply *reply, int64_t us);

struct body_buffer {
    char *bytes;
    size_t len, size;
    size_t dropped; /* bytes that did not fit into `size` */
};

struct exchange {
    struct request request;
    struct arena arena;
    struct kept_reply kept_reply; /* of an earlier exchange in this memory, or of this one */
    struct http_thread *thread;   /* its HTTP thread */
    struct http_context *context;
    struct connection *connection; /* never NULL */
    struct MHD_Connection *library_connection;
    struct header_view headers;
    struct text query; /* what follows the "?" of the target, as it was sent */
    const char *method;
    bool accepts_chunks;                     /* HTTP/1.1 */
    char request_id[REQUEST_ID_MAX_LEN + 1]; /* request.request_id: in the library's memory it would not outlive the connection */
    char trace_id[TRACE_ID_TEXT_SIZE];       /* request.trace_id, unless there is none */
    struct span_record *spans;               /* in the arena; NULL: the trace is not sampled (spans.h) */
    const char *logged_method;               /* of request_log.h, which writes it, as the next; NULL: the header was not read */
    bool logs_all;                           /* log.requests, when the request began */
    char *path;                              /* of the raw target, without the query; NULL unless target_status is STATUS_OK */
    enum status target_status;
    const char *refused_origin; /* the Origin that must not read the reply; NULL: there is none. Of the headers, as `method` */
    const struct route *allowed_path; /* a row with this path but another method, for Allow */
    enum exchange_state state;        /* written by exchange_set_state */
    const struct step *const *steps;  /* that it runs, NULL after the last: of the route, or of idempotency.h; NULL: none yet */
    size_t next_step;                 /* of these */
    struct reply *refusal;            /* that is sent unless the request was carried out before (idempotency.h); NULL: none */
    bool is_admitted;          /* it has been handed to an executor, after the executors of all its steps had admitted it */
    struct db_query *db_query; /* of its steps ON_DATABASE, in the arena; NULL: there was none yet */
    const char *change;        /* of change.h; NULL: not made yet */
    struct pool_job job;       /* of its steps ON_CRYPTO */
    struct body_buffer body;
    struct header_list common_headers; /* sent with any reply of this request */
    int64_t refill_us; /* until the client's bucket of the route's class has a token again; 0: it has one, or no limit */
    bool is_busy;      /* CONNECTION_BUSY has been set */
    bool must_close;   /* after the reply: the next request could not be read safely, or the service stops */
    struct reply reply;
    unsigned sent_status; /* of the reply that the library has, or the socket; 0: none */
    bool is_sent;         /* whole, past the library or as its own page, of which it reports an error of the connection */
    int64_t started_us;   /* when the request line was read */
    int64_t received_us;  /* when the request was complete: its deadline counts from here */
    int64_t delayed_us;   /* since when the reply has been DELAYED */
    struct wheel_entry wheel_entry; /* of the delayed replies */
};

/* One of the thread's spares, or a new one, in NEW and counted. Its arena is empty and may hold `limit` bytes. NULL: out of
 * memory. */
struct exchange *exchange_begin(struct http_thread *thread, size_t limit);

/* Wipes it, and keeps it as a spare of its thread or frees it. On the thread that began it. */
void exchange_end(struct exchange *exchange);

void exchange_free(struct exchange *spare); /* for http_thread.c */

struct exchange *exchange_of(struct request *request);

/* What the client was sent instead of a reply of the library, for the log and the metrics; STATUS_OK: nothing. Does nothing when
 * there is a reply. On its HTTP thread. */
void exchange_note_refusal(struct exchange *exchange, enum status refusal);

/* The same for a page that the library has sent by itself, which is about a malformed request; 0: it has sent none. */
void exchange_note_page(struct exchange *exchange, unsigned http_status);

/* Called by its owner. A transition that is not in the drawing aborts, and so does ANSWERED without a written reply. */
void exchange_set_state(struct exchange *exchange, enum exchange_state next);

/* Releases the configuration and keys that the request began with, which must not outlive a reload by hours. On its HTTP thread,
 * once or never: the request's snapshot is NULL from then on. */
void exchange_release_snapshot(struct exchange *exchange);

/* Suspends the connection and sets `next`, SUSPENDED, DELAYED or STREAMING. False: the service stops, and nothing has changed. On
 * its HTTP thread, which must hand the exchange to its next owner at once. */
bool exchange_suspend(struct exchange *exchange, enum exchange_state next) MUST_CHECK;

/* Returns a suspended exchange to its HTTP thread, with RETURNED, DUE or STREAMED. Any thread; the exchange may be freed before
 * the call returns. */
void exchange_resume(struct exchange *exchange, enum exchange_state next);

/* The request's deadline less one part in `divisor` of all its time, which is reserved for the work after that moment. */
int64_t exchange_deadline_us(const struct exchange *exchange, int64_t divisor);

#endif
