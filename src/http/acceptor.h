/*
 * acceptor: the one thread of a listener, "accept" or "ops-accept", that accepts connections and hands them to the HTTP threads.
 *
 * The library could do that itself, but at its limit it stops accepting, so that clients wait in the kernel's queue for nothing,
 * and when the process has no descriptor left it may try again without a pause. Here a connection that is not admitted is
 * accepted and closed; without a descriptor a spare one is closed to accept and close one connection; and if even that fails, the
 * thread pauses.
 * The log says of which listener refusals begin, and when they have stopped, with counts (overload_episode.h).
 */
#ifndef JWTD_HTTP_ACCEPTOR_H
#define JWTD_HTTP_ACCEPTOR_H

#include "jwtd/route.h"

#include <stdbool.h>
#include <stdint.h>

struct MHD_Daemon;
struct acceptor;
struct connections;

/* It names its listener in the log and the metrics. Borrows the other three until acceptor_stop; the socket listens and does not
 * block. NULL: no memory, thread or descriptor, as errno says. */
struct acceptor *acceptor_start(enum route_listener listener, int listen_fd, struct MHD_Daemon *daemon,
                                struct connections *connections);

/* Whether its thread has completed a round of its loop within `limit_us` and the second for which it may wait for a connection.
 * Any thread. */
bool acceptor_is_alive(const struct acceptor *acceptor, int64_t limit_us);

/* Ends the thread and frees: no connection is accepted any more when it returns. Once; not on the acceptor's thread. */
void acceptor_stop(struct acceptor *acceptor);

#endif
