/*
 * direct_reply: a whole reply written to the socket past the library, for a client to which the library would send none. It
 * has no X-Request-Id, and says nothing of the request, so that scripts of every origin may read it. Allocates nothing and takes
 * no lock. Any thread that keeps the descriptor from being closed.
 */
#ifndef JWTD_HTTP_DIRECT_REPLY_H
#define JWTD_HTTP_DIRECT_REPLY_H

#include "jwtd/status.h"

#include <stdbool.h>
#include <stddef.h>

#define DIRECT_REPLY_SIZE 768

/* The reply to a request that ended in `status`: its header, and unless `is_head` its body (RFC 9110 section 9.3.2). Returns its
 * length. */
size_t direct_reply_write(char text[DIRECT_REPLY_SIZE], enum status status, bool is_head);

/* Sends it. The connection must be closed after it. Never blocks: what the socket's buffer cannot hold is lost. */
void direct_reply_send(int fd, enum status status, bool is_head);

#endif
