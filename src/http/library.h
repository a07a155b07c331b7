/*
 * library: what libmicrohttpd knows of a request and its connection. On the HTTP thread of the connection; library_headers also
 * on any thread that holds its request.
 */
#ifndef JWTD_HTTP_LIBRARY_H
#define JWTD_HTTP_LIBRARY_H

#include "header_view.h"

#include "jwtd/network.h"

#include <stdbool.h>
#include <stddef.h>

struct MHD_Connection;

/* The library's memory for one connection, which even an idle one uses: a header of 6 KiB, a record of 64 bytes for each field,
 * and 2 KiB for the header of the reply. */
#define CONNECTION_MEMORY ((size_t)10 * 1024)

/* The view borrows the connection, and its values live as long as the request. */
struct header_view library_headers(struct MHD_Connection *connection);

/* Whether CONNECTION_MEMORY has as much left as the header of a reply takes. The library closes the connection without one when
 * it has not. */
bool library_has_memory_for_reply(struct MHD_Connection *connection);

int library_fd(struct MHD_Connection *connection);              /* -1: the library reports none */
struct address library_peer(struct MHD_Connection *connection); /* of the connection; unknown for a Unix socket */

/* What notify_connection (server.c) left with the connection; NULL: nothing. */
void *library_socket_context(struct MHD_Connection *connection);

#endif
