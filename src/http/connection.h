/*
 * connection: one open connection and since when something is due from its client. The library's own timeout counts from the last
 * byte, so that a client that sends one byte a second stays for ever; here a total deadline holds, whatever trickles in.
 *
 * A connection is idle (the library has not reported a request line), sends a header, sends a body, waits for the
 * service (no deadline: the service has its own), or takes its answer. Its own lock guards its state; connections.c makes it,
 * and holds the list's lock for those functions that say so.
 */
#ifndef JWTD_HTTP_CONNECTION_H
#define JWTD_HTTP_CONNECTION_H

#include "jwtd/status.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct address_count;
struct exchange;

enum connection_state {
    CONNECTION_IDLE,
    CONNECTION_HEADER,
    CONNECTION_BODY,
    CONNECTION_BUSY,
    CONNECTION_ANSWER,
    CONNECTION_STATES
};

struct connection {
    TAILQ_ENTRY(connection) link;        /* the list's, as the next three are those of connections.c */
    struct address_count *address_count; /* NULL: not counted by address */
    bool is_too_many;
    int fd;
    struct exchange *exchange;  /* this and the next are the HTTP thread's */
    int64_t retry_at_us;        /* when the client may retry */
    pthread_mutex_t state_lock; /* guards what follows; of each connection, so that busy threads do not meet in one lock */
    enum connection_state state;
    int64_t since_us;        /* of the state; of CONNECTION_HEADER the moment when its first byte was seen */
    bool had_request;        /* a kept connection may be idle for long; a new one is expected to speak */
    int64_t header_since_us; /* CONNECTION_IDLE: when the beginning of a request was seen; 0: none has come */
};

/* How long each state may take. */
struct connection_deadlines {
    int64_t header_us; /* from the first byte of a header, or from the beginning of a new connection, to the header's end */
    int64_t body_us;   /* from the end of the header to that of the body */
    int64_t answer_us; /* until all of the reply is taken */
};

void connection_init(struct connection *connection, int fd, int64_t now_us);
void connection_fini(struct connection *connection);

/* On its HTTP thread. A transition that no request makes aborts. */
void connection_set_state(struct connection *connection, enum connection_state state);

/*
 * Shuts the connection down when its client is overdue by these deadlines, or has closed its side of an idle connection for more
 * than a second; the library then sees the end of the stream and cleans up. A client that has begun a request receives 408
 * before. A connection that was opened in advance, and never used, is shut down without a reply: its owner would take one for the
 * answer to its next request (RFC 9110 section 15.5.9). One empty line is no beginning of a request (scanner.h).
 *
 * The list's lock is held, so that the descriptor stays open.
 */
void connection_check(struct connection *connection, const struct connection_deadlines *deadlines, int64_t now_us);

/* Whether it is one too many: to be answered 503 and closed. */
bool connection_is_too_many(const struct connection *connection);

/* The exchange that is under way, NULL between two. It is kept here since the library does not report the end of every request,
 * but the end of every connection. On the HTTP thread of the connection only. */
void connection_set_exchange(struct connection *connection, struct exchange *exchange);
struct exchange *connection_exchange(const struct connection *connection);

/* Sends the problem of `status` past the library (direct_reply.h), without a body for the method HEAD; NULL: the library has not
 * reported the method. The connection must be closed after it. On its HTTP thread. */
void connection_send_problem(const struct connection *connection, const char *method, enum status status);

/* When the client may retry, by the last Retry-After; 0: none was sent. On the HTTP thread of the connection only. */
void connection_set_retry_at(struct connection *connection, int64_t at_us);
int64_t connection_retry_at_us(const struct connection *connection);

/* For how long the last bytes of the client had lain here before now: under overload a request waits in the kernel, and its
 * client counts that, too. 0 for a Unix socket. */
int64_t connection_lag_us(const struct connection *connection);

/* Whether the client has closed its side, which the library does not notice while a request is suspended. Any thread that holds
 * the connection's request. */
bool connection_is_gone(const struct connection *connection);

#endif
