/*
 * self_check: whether every HTTP thread answers. Each is sent GET /health/live over a connection of its own, one half of a pair
 * of sockets whose other half is passed to the library without the acceptor: so neither a full listen queue nor a limit of
 * connections nor a filter on the listener is taken for a thread that is stuck. The library assigns connections to threads by the
 * number of their descriptor.
 */
#ifndef JWTD_HTTP_SELF_CHECK_H
#define JWTD_HTTP_SELF_CHECK_H

#include "jwtd/status.h"

#include <stdbool.h>
#include <stdint.h>

struct MHD_Daemon;

/* False: one of the daemon's `threads` has not begun to reply, with whatever status, before the deadline (clock_monotonic_us). A
 * thread to which no request can be sent, for lack of descriptors or memory, counts as one that answers: that is no reason to
 * restart. */
bool self_check(struct MHD_Daemon *daemon, unsigned threads, int64_t deadline_us) MUST_CHECK;

#endif
