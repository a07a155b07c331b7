/*
 * address_counts: how many connections each address has open: an IPv4 address by itself, an IPv6 address by its network (/64) and
 * its site (/48). An entry exists while it counts a connection, so that memory is bounded by the connections. No lock of its own:
 * for connections.c, under its lock.
 */
#ifndef JWTD_HTTP_ADDRESS_COUNTS_H
#define JWTD_HTTP_ADDRESS_COUNTS_H

#include "jwtd/network.h"

struct address_count; /* of one network */
struct address_counts;

struct address_counts *address_counts_create(void); /* NULL if out of memory */
void address_counts_destroy(struct address_counts *counts);

/* 0 for an unknown address; IPv4 has no site, so 0 too. */
unsigned address_counts_of_network(const struct address_counts *counts, const struct address *address);
unsigned address_counts_of_site(const struct address_counts *counts, const struct address *address);

/* Counts one connection more, until address_counts_remove. NULL: it is not counted, since the address is unknown or there is no
 * memory. */
struct address_count *address_counts_add(struct address_counts *counts, const struct address *address);
void address_counts_remove(struct address_counts *counts, struct address_count *count); /* NULL is allowed */

/* How many it counts; 0 of NULL. */
unsigned address_count_connections(const struct address_count *count);

#endif
