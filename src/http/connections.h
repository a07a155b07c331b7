/*
 * connections: every open connection and since when it owes us something. The library's own timeout counts from the last byte, so
 * that a client that sends one byte a second stays for ever; here a total deadline holds, whatever trickles in.
 *
 * A connection is idle (no request line has come, as far as the library tells), sends a header, sends a body, waits for the
 * service (no deadline: the service has its own), or takes its answer. One thread looks at all of them once a second; who is
 * overdue with a request is told 408, and is shut down; the library then sees the end of the stream and cleans up. One mutex
 * guards the list and the counts, one of each connection its state.
 */
#ifndef JWTD_HTTP_CONNECTIONS_H
#define JWTD_HTTP_CONNECTIONS_H

#include "jwtd/network.h"

#include <stdbool.h>
#include <stdint.h>

struct connection;
struct connections;
struct exchange;

enum connection_state { CONNECTION_IDLE, CONNECTION_HEADER, CONNECTION_BODY, CONNECTION_BUSY, CONNECTION_ANSWER };

struct connection_limits {
    unsigned total;
    unsigned per_address;      /* 0: none; an IPv6 site (/48) may have SITE_MULTIPLE times as many */
    struct cidr_list trusted;  /* who is not counted by address */
    int64_t header_timeout_us; /* from the first byte of a header to its end */
    int64_t body_timeout_us;   /* the same for a body, and for an answer to be taken */
};

/* A tenth more than `limit`: those that are accepted to be told that they are too many. */
unsigned connections_with_spare(unsigned limit);

/* NULL: memory or thread, as errno says. */
struct connections *connections_create(const struct connection_limits *limits);
void connections_destroy(struct connections *connections); /* when all have been removed */

enum room { ROOM_FREE, ROOM_SPARE /* to be refused in words */, ROOM_NONE };

/*
 * Counts a connection of this address as soon as it has been accepted: an HTTP thread adds it later, and many may be on the way
 * to one. With ROOM_FREE and ROOM_SPARE it is reserved for its descriptor until that is added or cancelled; with ROOM_NONE
 * nothing is, and the caller closes the descriptor. So the limits hold, and a tenth more, however many come at once.
 *
 * There are at most 64 reservations; the call waits then until there are half as many. One is forgotten after half a second (the
 * wait ends with that, too): the library has closed the connection without adding it, for lack of memory, or an HTTP thread is
 * stuck. What is added later than that comes on top of the limits. On the acceptor's thread alone.
 */
enum room connections_reserve(struct connections *connections, int fd, const struct address *peer);

/* For a reserved descriptor that will not be added; does nothing for another. Any thread. */
void connections_cancel(struct connections *connections, int fd);

/* The service stops: from now on a header and a body have two seconds, so that nobody keeps it who takes their time. */
void connections_hurry(struct connections *connections);

/* How many have been added and not been removed. Any thread. */
unsigned connections_count(struct connections *connections);

/* Borrows the descriptor until connections_remove, which must come before it is closed. One that was not reserved, such as a
 * check of the service by itself, is counted from here on. NULL: memory. */
struct connection *connections_add(struct connections *connections, int fd, const struct address *peer);
void connections_remove(struct connections *connections, struct connection *connection);

/* Whether it is one too many: to be answered 503 and closed. */
bool connection_is_too_many(const struct connection *connection);

void connection_set_state(struct connection *connection, enum connection_state state);

/* The exchange that is under way, NULL between two. It is kept here since the library does not tell of the end of every request,
 * but of the end of every connection. On the HTTP thread of the connection only. */
void connection_set_exchange(struct connection *connection, struct exchange *exchange);
struct exchange *connection_exchange(const struct connection *connection);

/* Sends a whole reply past the library, for a client that it leaves without one; the connection must be closed after it. Needs no
 * memory. Never blocks: a full socket gets no reply. */
enum direct_problem { DIRECT_REQUEST_TIMEOUT, DIRECT_HEADER_TOO_LARGE, DIRECT_OUT_OF_MEMORY, DIRECT_PROBLEMS };
void connection_send_problem(const struct connection *connection, enum direct_problem problem);

/* When the client may retry, as it was told last by Retry-After; 0: never. On the HTTP thread of the connection only. */
void connection_set_retry_at(struct connection *connection, int64_t at_us);
int64_t connection_retry_at_us(const struct connection *connection);

/* For how long the last bytes of the client had lain here before now: under overload a request waits in the kernel, and its
 * client counts that, too. 0 for a Unix socket. */
int64_t connection_lag_us(const struct connection *connection);

/* Whether the client has closed its side, which the library does not notice while a request is suspended. Any thread that holds
 * the connection's request. */
bool connection_is_gone(const struct connection *connection);

#endif
