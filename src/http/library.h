/*
 * library: what libmicrohttpd knows of a request and its connection. On the HTTP thread of the connection.
 */
#ifndef JWTD_HTTP_LIBRARY_H
#define JWTD_HTTP_LIBRARY_H

#include "header_memory.h"
#include "header_view.h"

#include "jwtd/arena.h"
#include "jwtd/network.h"
#include "jwtd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct MHD_Connection;

/* The library's memory for one connection, which even an idle one uses: that of the header of a request, and 2 KiB for the
 * header of the reply. */
#define CONNECTION_MEMORY ((size_t)HEADER_MEMORY_MAX + (size_t)2 * 1024)

/* All header fields of a request whose header is complete: the array in the arena, names and values in the library's memory. They
 * live as long as the request. STATUS_OUT_OF_MEMORY: there are none. */
enum status library_headers(struct MHD_Connection *connection, struct arena *arena, struct header_view *headers) MUST_CHECK;

/* Whether CONNECTION_MEMORY has as much left behind these headers as that of a reply takes. The library closes the connection
 * without a reply when it has not. */
bool library_has_memory_for_reply(struct MHD_Connection *connection, const struct header_view *headers);

int library_fd(struct MHD_Connection *connection);              /* -1: the library reports none */
struct address library_peer(struct MHD_Connection *connection); /* of the connection; unknown for a Unix socket */

/* Of the reply that the library has begun to send, its own page or ours; 0: none. Until the request has been completed. */
unsigned library_status(struct MHD_Connection *connection);

/* What notify_connection (server.c) left with the connection; NULL: nothing. */
void *library_socket_context(struct MHD_Connection *connection);

#endif
