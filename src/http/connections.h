/*
 * connections: the list of all open connections, the admission of new ones, and the thread that shuts down those whose client is
 * overdue (connection.h).
 *
 * One mutex guards the list and the counts. Inside it connection_check takes the state lock of each connection in turn; never the
 * other way round. The thread, "reaper" or "ops-reaper", checks all connections once a second, a batch at a time.
 */
#ifndef JWTD_HTTP_CONNECTIONS_H
#define JWTD_HTTP_CONNECTIONS_H

#include "connection.h"

#include "jwtd/network.h"

#include <stdint.h>

struct connections;

/* Connections that were closed to make room, and still have their descriptor. */
#define EVICTED_MAX 8

struct connection_limits {
    const char *thread_name;
    enum route_listener listener;
    unsigned total;
    bool makes_room;           /* at this total another one is closed for a new one, rather than the new one refused */
    unsigned per_address;      /* 0: no limit; an IPv6 site (/48) may have SITE_MULTIPLE times as many */
    struct cidr_list trusted;  /* these are not counted by address */
    int64_t header_timeout_us; /* from the first byte of a header to its end */
    int64_t body_timeout_us;   /* for a body, and again for the client to take the reply */
};

/* A tenth more than `limit`, and one: those beyond it are accepted to be refused with a reply. */
unsigned connections_with_spare(unsigned limit);

/* NULL: no memory or no thread, as errno says. */
struct connections *connections_create(const struct connection_limits *limits);
void connections_destroy(struct connections *connections); /* when all have been removed */

enum connection_admission {
    ADMIT,
    ADMIT_TO_REFUSE_ADDRESS, /* its address is over its limit, but not the service; its first request is refused with 503 */
    ADMIT_TO_REFUSE,         /* the service is over its limit; likewise */
    REJECT_ADDRESS,          /* it is to be closed without a reply, because of its address; the service has room */
    REJECT                   /* likewise, because of the service */
};

/*
 * Counts a connection of this address as soon as it has been accepted: an HTTP thread adds it later, and many may be between the
 * two. Unless it is rejected it is reserved for its descriptor until that is added or cancelled; a rejected one is not counted,
 * and the caller closes the descriptor. So the limits hold, and a tenth more, however many arrive at once.
 *
 * With `makes_room` a connection that waits for its client is closed for a new one: of the address that has most of them the one
 * that has waited for longest (`per_address` only says that addresses are counted). Only when none waits, one whose client takes
 * a reply has to go, by the same rule. So nobody keeps others out by staying, whatever he sends first, or by not reading. There
 * are at most EVICTED_MAX that the library has not closed yet; with as many, or while some are on the way to an HTTP thread, the
 * call waits for up to half a second.
 *
 * There are at most RESERVATIONS_MAX reservations; with as many, the call waits until there are half as many. A reservation
 * expires after half a second (which ends the wait, too): the library has closed the connection without adding it, for lack of
 * memory, or an HTTP thread is stuck. A connection that is added later than that is counted beyond the limits. On the acceptor's
 * thread only.
 */
enum connection_admission connections_admit(struct connections *connections, int fd, const struct address *peer);

/* For a reserved descriptor that will not be added; does nothing for another. Any thread. */
void connections_cancel(struct connections *connections, int fd);

/* For the stop of the service: from now on a header and a body have two seconds at most, so that no client delays it. Any thread.
 */
void connections_shorten_deadlines(struct connections *connections);

/* How many have been admitted and are still on the way to an HTTP thread, which adds them; 0 half a second after the last of
 * them. Any thread. */
unsigned connections_reserved(struct connections *connections);

/* How many have been added and not been removed. Any thread. */
unsigned connections_count(struct connections *connections);

/* Borrows the descriptor until connections_remove, which must be called before it is closed. One that was not reserved, such as
 * that of a self-check (self_check.h), is counted from here on. NULL if out of memory; a reservation is cancelled then. Any
 * thread. */
struct connection *connections_add(struct connections *connections, int fd, const struct address *peer);
void connections_remove(struct connections *connections, struct connection *connection);

#endif
