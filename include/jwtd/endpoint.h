/*
 * endpoint: where a server listens: an IP address with a port, or the path of a Unix socket. Parsed once, as the settings
 * server.listen and ops.listen. Pure functions: safe from every thread.
 */
#ifndef JWTD_ENDPOINT_H
#define JWTD_ENDPOINT_H

#include "jwtd/network.h"
#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ENDPOINT_PATH_SIZE 108 /* sockaddr_un.sun_path, with its NUL */
#define ENDPOINT_TEXT_SIZE 128

/* Zeroed: none. */
struct endpoint {
    bool is_unix;
    char path[ENDPOINT_PATH_SIZE]; /* of a Unix socket: absolute */
    struct address host;           /* else */
    uint16_t port;                 /* 0: a free one */
};

/* "192.0.2.1:8080", "[2001:db8::1]:8080" or "unix:/run/jwtd.sock"; false, with *endpoint as it was, for anything else. The port
 * of an IP address cannot be left out; a path is absolute, of less than ENDPOINT_PATH_SIZE bytes of UTF-8 without control
 * characters or a space at its end. */
bool endpoint_parse(struct text text, struct endpoint *endpoint) MUST_CHECK;

bool endpoint_is_set(const struct endpoint *endpoint);

/* What endpoint_parse reads, in its shortest form, "" for none; returns `text`. */
const char *endpoint_text(const struct endpoint *endpoint, char text[ENDPOINT_TEXT_SIZE]);

/* For bind and connect; returns the length of what it wrote. */
socklen_t endpoint_socket_address(const struct endpoint *endpoint, struct sockaddr_storage *address);

#endif
