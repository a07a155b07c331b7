/*
 * connections: every open connection and since when it owes us something. The library's own timeout counts from the last byte, so
 * that a client that sends one byte a second stays for ever; here a total deadline holds, whatever trickles in.
 *
 * A connection is idle (no request begun, as far as the library tells), receiving (its request must be complete by
 * the deadline), or busy (the service owes the answer). One thread looks at all of them once a second and shuts down what is
 * overdue; the library then sees the end of the stream and cleans up. One mutex guards the list, one of each
 * connection its state.
 */
#ifndef JWTD_HTTP_CONNECTIONS_H
#define JWTD_HTTP_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct connection;
struct connections;

enum connection_state { CONNECTION_IDLE, CONNECTION_RECEIVING, CONNECTION_BUSY };

/* header_timeout_us: from the first byte of a header to its end. NULL: memory or thread. */
struct connections *connections_create(int64_t header_timeout_us);
void connections_destroy(struct connections *connections); /* when all have been removed */

/* Borrows the descriptor until connections_remove, which must come before it is closed. NULL: memory. */
struct connection *connections_add(struct connections *connections, int fd);
void connections_remove(struct connections *connections, struct connection *connection);

/* deadline_us matters for CONNECTION_RECEIVING only. */
void connection_set_state(struct connection *connection, enum connection_state state, int64_t deadline_us);

/* Until when the client was told to stay away; 0: it was not. On the HTTP thread of the connection only. */
void connection_tell(struct connection *connection, int64_t until_us);
int64_t connection_told_until_us(const struct connection *connection);

/* Whether the client has closed its side, which the library does not notice while a request is suspended. Any thread that holds
 * the connection's request. */
bool connection_is_gone(const struct connection *connection);

#endif
