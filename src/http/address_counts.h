/*
 * address_counts: how many connections each address has open; IPv4 whole, IPv6 by its network (/64) and its site (/48). It has an
 * entry for each of them that has one, so that memory is bounded by the connections. No lock of its own: for connections.c, under
 * its lock.
 */
#ifndef JWTD_HTTP_ADDRESS_COUNTS_H
#define JWTD_HTTP_ADDRESS_COUNTS_H

#include "jwtd/network.h"

struct address_count; /* of one network */
struct address_counts;

struct address_counts *address_counts_create(void); /* NULL if out of memory */
void address_counts_destroy(struct address_counts *counts);

/* 0 for an unknown address; that of the site also for IPv4. */
unsigned address_counts_of_network(const struct address_counts *counts, const struct address *address);
unsigned address_counts_of_site(const struct address_counts *counts, const struct address *address);

/* Counts one connection more, until address_counts_remove. NULL for an unknown address, and if out of memory: it is not counted.
 */
struct address_count *address_counts_add(struct address_counts *counts, const struct address *address);
void address_counts_remove(struct address_counts *counts, struct address_count *count); /* NULL is allowed */

#endif
