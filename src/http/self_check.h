/*
 * self_check: whether every HTTP thread answers. Each is sent GET /health/live over a connection of its own, one half of a pair
 * of sockets whose other half is handed to the library past the acceptor: so no crowd in front of the listener, no limit of
 * connections and no filter on it can be taken for a thread that is stuck. The library deals connections out by the number of
 * their descriptor.
 */
#ifndef JWTD_HTTP_SELF_CHECK_H
#define JWTD_HTTP_SELF_CHECK_H

#include "jwtd/status.h"

#include <stdbool.h>
#include <stdint.h>

struct MHD_Daemon;

/* False when one of its `threads` has not begun an answer, whatever it says, before the deadline (clock_monotonic_us). A thread
 * that cannot be asked, for lack of descriptors or memory, counts as one that answers: that is no reason to restart. */
bool self_check(struct MHD_Daemon *daemon, unsigned threads, int64_t deadline_us) MUST_CHECK;

#endif
