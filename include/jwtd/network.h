/*
 * network: IP addresses as 16 bytes (an IPv4 address is stored IPv4-mapped, so that one address has one form), CIDR lists, and
 * the address of the client behind trusted proxies. Pure functions: safe from every thread.
 */
#ifndef JWTD_NETWORK_H
#define JWTD_NETWORK_H

#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE 46
#define CIDR_TEXT_SIZE (ADDRESS_TEXT_SIZE + 4) /* "/128" */
#define CIDR_LIST_MAX 64

struct address {
    bool known; /* false for a Unix socket, and for a header that holds no address */
    uint8_t bytes[16];
};

struct cidr {
    uint8_t bytes[16];
    unsigned prefix; /* 0 to 128, of the mapped form */
};

struct cidr_list {
    struct cidr items[CIDR_LIST_MAX];
    size_t count;
};

struct address address_of_socket(const struct sockaddr *address); /* an unknown one for NULL and AF_UNIX */

/* 127.0.0.0/8 or ::1. */
bool address_is_loopback(const struct address *address);

/* For bind and connect: AF_INET for an IPv4 address, else AF_INET6; returns the length of what it wrote. The address is known. */
socklen_t address_to_socket(const struct address *address, uint16_t port, struct sockaddr_storage *socket_address);

/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]", each optionally with ":port"; false for anything else. */
bool address_parse(struct text text, struct address *address) MUST_CHECK;

/* "192.0.2.1" or "2001:db8::1"; an empty string for an unknown one; returns `text`. */
const char *address_text(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

/* The network of a household or host, to which a whole IPv6 /64 is assigned: an IPv4 address as it is, of an IPv6 address only
 * the first 64 bits. The address is known. */
void address_network(const struct address *address, uint8_t network[16]);

/*
 * The site that an IPv6 network belongs to: its first 48 bits, the most that one customer is usually assigned (RFC 6177). False
 * for IPv4. A /48 is 65,536 networks; what is limited for each of them is therefore limited for the site as well, at
 * SITE_MULTIPLE times as much: more than an organisation behind one IPv4 address has, and at the defaults less than half of the
 * service's connections. The address is known.
 */
#define SITE_MULTIPLE 4
bool address_site(const struct address *address, uint8_t site[16]);

/* "10.0.0.0/8", "::1/128", "192.0.2.1" (a single host); false for anything else, or when host bits are set. */
bool cidr_parse(struct text text, struct cidr *cidr) MUST_CHECK;

/* "10.0.0.0/8" or "::1/128"; returns `text`. */
const char *cidr_text(const struct cidr *cidr, char text[CIDR_TEXT_SIZE]);

/* False for an unknown address. */
bool cidr_list_contains(const struct cidr_list *list, const struct address *address);

/*
 * The client: the peer, or, when the peer is trusted (an unknown peer, a Unix socket, is trusted when the list is not empty), the
 * right-most address of X-Forwarded-For that is not itself trusted; the left-most if all of them are. At an element that is no
 * address the search ends with an unknown one, since nothing in front of it can be trusted. `forwarded` is all the
 * X-Forwarded-For values joined by commas, or {NULL, 0}.
 */
struct address client_address(const struct address *peer, struct text forwarded, const struct cidr_list *trusted);

#endif
