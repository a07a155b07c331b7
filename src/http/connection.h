/*
 * connection: one open connection, its state, and since when its client has been in that state. The library's own timeout counts
 * from the last byte, so that a client that sends one byte a second would stay for ever; the deadlines here are for the whole
 * header, body or reply, however many bytes arrive.
 *
 * A connection is idle (the library has not reported a request line), receives a header, receives a body, is busy (no deadline:
 * the request has its own; a request that is answered at once skips this), or sends a reply. Its own lock guards its state;
 * connections.c creates it, and holds the list's lock for those functions that say so.
 */
#ifndef JWTD_HTTP_CONNECTION_H
#define JWTD_HTTP_CONNECTION_H

#include "refusal_history.h"

#include "jwtd/route.h"
#include "jwtd/status.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct address_count;
struct exchange;

/* Bytes a second that a client takes of a reply at least. */
#define CONNECTION_TAKEN_PER_S 8192
/* About so much of a reply does the kernel take from the library before the client takes it (listener.h). */
#define CONNECTION_SEND_BUFFER 131072

enum connection_state {
    CONNECTION_IDLE,
    CONNECTION_HEADER,
    CONNECTION_BODY,
    CONNECTION_BUSY,
    CONNECTION_ANSWER,
    CONNECTION_STATES
};

struct connection {
    TAILQ_ENTRY(connection) link;        /* this and the next five are written by connections.c */
    struct address_count *address_count; /* NULL: not counted by address */
    bool is_too_many, is_evicted;        /* the first is set by connection_take_refusal too, for one that was evicted */
    bool is_of_address;                  /* with is_too_many: for its address, while the service has room for others */
    enum route_listener listener;
    int fd;
    struct exchange *exchange; /* this and the next belong to the HTTP thread */
    struct refusal_history refusals;
    pthread_mutex_t
        state_lock; /* guards what follows; one for each connection, so that busy threads do not contend for one lock */
    enum connection_state state;
    int64_t since_us;        /* of the state; of CONNECTION_HEADER the moment when its first byte was seen */
    enum status refusal;     /* that was sent past the library, until connection_take_refusal */
    bool had_request;        /* a kept connection may be idle for long; a new one must send a request */
    int64_t header_since_us; /* CONNECTION_IDLE: when the beginning of a request was seen; 0: none has come */
    int64_t taken_before;    /* CONNECTION_ANSWER: bytes that the client had confirmed at the first check; -1: there was none */
};

/* How long each state may take. */
struct connection_deadlines {
    int64_t header_us; /* from the first byte of a header, or from the beginning of a new connection, to the header's end */
    int64_t body_us;   /* from the end of the header to that of the body */
    int64_t answer_us; /* from when the library has the reply to when the kernel has taken all of it; and longer by a second for
                          each CONNECTION_TAKEN_PER_S bytes that the client has confirmed since the first check */
};

void connection_init(struct connection *connection, enum route_listener listener, int fd, int64_t now_us);
void connection_fini(struct connection *connection);

/* On its HTTP thread. A transition that no request makes aborts. */
void connection_set_state(struct connection *connection, enum connection_state state);

/*
 * Shuts the connection down when its client is overdue by these deadlines, or has closed its side of a connection that has been
 * idle for more than a second since its last request; the library then sees the end of the stream and cleans up. A client
 * that has begun a request receives 408 before. A connection that was opened in advance, and never used, is shut down without a
 * reply: its client would take one for the reply to its next request (RFC 9110 section 15.5.9). One empty line is not the
 * beginning of a request (scanner.h). Of a reply that the kernel has taken whole, the client must have confirmed all when
 * answer_us and the time for CONNECTION_SEND_BUFFER bytes are over; else the connection is reset.
 *
 * The list's lock is held, so that the descriptor stays open.
 */
void connection_check(struct connection *connection, const struct connection_deadlines *deadlines, int64_t now_us);

/* Since when the connection has waited for its client: for a request, or the rest of one; -1 when it does not. The list's lock is
 * held, as for the next two. */
int64_t connection_waits_since_us(struct connection *connection);

/* Since when the client has been taking its reply; -1 when it is not. */
int64_t connection_answered_since_us(struct connection *connection);

/* Makes room for another connection: answers 503 if a request has begun, resets one whose client takes its reply, and shuts down.
 */
void connection_evict(struct connection *connection);

/* The status of the reply that was sent when the connection was shut down, or by input.h, once; STATUS_OK: none was, or it was
 * taken before. Whoever takes it counts it, and writes the request's line. On its HTTP thread. */
enum status connection_take_refusal(struct connection *connection);

/* Whether it is one too many: to be answered 503 and closed, or, when that was taken as a refusal, made to leave. */
bool connection_is_too_many(const struct connection *connection);

/* The exchange that is under way, NULL between two. It is kept here since the library does not report the end of every request,
 * but the end of every connection. On the HTTP thread of the connection only. */
void connection_set_exchange(struct connection *connection, struct exchange *exchange);
struct exchange *connection_exchange(const struct connection *connection);

/* Sends the problem of `status` past the library (direct_reply.h), without a body for the method HEAD; NULL: the library has not
 * reported the method. The connection must be closed after it. On its HTTP thread. */
void connection_send_problem(const struct connection *connection, const char *method, enum status status);

/* On the HTTP thread of the connection only. */
struct refusal_history *connection_refusal_history(struct connection *connection);

/* How long ago the last bytes of the client arrived: under overload a request waits in the kernel's buffer before it is read, and
 * that is part of its time. 0 for a Unix socket. */
int64_t connection_lag_us(const struct connection *connection);

/* Whether the client has closed its side, which the library does not notice while a request is suspended. Any thread that holds
 * the connection's request. */
bool connection_is_gone(const struct connection *connection);

#endif
