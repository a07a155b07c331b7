/*
 * connections: the list of all open connections, how many there may be, and the thread that ends those whose client is overdue
 * (connection.h).
 *
 * One mutex guards the list and the counts. Inside it connection_check takes the state lock of each connection in turn; never the
 * other way round. The thread, "reaper", checks all connections once a second, a batch at a time.
 */
#ifndef JWTD_HTTP_CONNECTIONS_H
#define JWTD_HTTP_CONNECTIONS_H

#include "connection.h"

#include "jwtd/network.h"

#include <stdint.h>

struct connections;

struct connection_limits {
    unsigned total;
    unsigned per_address;      /* 0: none; an IPv6 site (/48) may have SITE_MULTIPLE times as many */
    struct cidr_list trusted;  /* these are not counted by address */
    int64_t header_timeout_us; /* from the first byte of a header to its end */
    int64_t body_timeout_us;   /* the same for a body, and for a reply to be taken */
};

/* A tenth more than `limit`, and one: those beyond it are accepted to be refused with a reply. */
unsigned connections_with_spare(unsigned limit);

/* NULL: no memory or no thread, as errno says. */
struct connections *connections_create(const struct connection_limits *limits);
void connections_destroy(struct connections *connections); /* when all have been removed */

enum admission {
    ADMIT,
    ADMIT_TO_REFUSE, /* it is one too many, and receives 503 */
    REJECT           /* it is closed without a reply */
};

/*
 * Counts a connection of this address as soon as it has been accepted: an HTTP thread adds it later, and many may be on the way
 * to one. Unless it is rejected it is reserved for its descriptor until that is added or cancelled; of one that is rejected
 * nothing is kept, and the caller closes the descriptor. So the limits hold, and a tenth more, however many come at once.
 *
 * There are at most RESERVATIONS_MAX reservations; the call waits then until there are half as many. One expires after half a
 * second (the wait ends with that, too): the library has closed the connection without adding it, for lack of memory, or an HTTP
 * thread is stuck. What is added later than that comes on top of the limits. On the acceptor's thread alone.
 */
enum admission connections_admit(struct connections *connections, int fd, const struct address *peer);

/* For a reserved descriptor that will not be added; does nothing for another. Any thread. */
void connections_cancel(struct connections *connections, int fd);

/* The service stops: from now on a header and a body have two seconds at most, so that no client holds it up. */
void connections_hurry(struct connections *connections);

/* How many have been added and not been removed. Any thread. */
unsigned connections_count(struct connections *connections);

/* Borrows the descriptor until connections_remove, which must come before it is closed. One that was not reserved, such as a
 * check of the service by itself, is counted from here on. NULL if out of memory. */
struct connection *connections_add(struct connections *connections, int fd, const struct address *peer);
void connections_remove(struct connections *connections, struct connection *connection);

#endif
