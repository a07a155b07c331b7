/*
 * peers: how many connections each address has open; IPv4 whole, IPv6 by its network (/64) and its site (/48). Holds an entry for
 * each of them that has one, so that memory is bounded by the connections. No lock of its own: for connections.c, under its lock.
 */
#ifndef JWTD_HTTP_PEERS_H
#define JWTD_HTTP_PEERS_H

#include "jwtd/network.h"

struct peer;
struct peers;

struct peers *peers_create(void); /* NULL: memory */
void peers_destroy(struct peers *peers);

unsigned peers_count(const struct peers *peers, const struct address *address);
unsigned peers_count_site(const struct peers *peers, const struct address *address); /* 0 for IPv4 */

/* Counts one more, which peers_leave takes back. NULL for an unknown address, and without memory: it is not counted. */
struct peer *peers_enter(struct peers *peers, const struct address *address);
void peers_leave(struct peers *peers, struct peer *peer); /* NULL is allowed */

#endif
