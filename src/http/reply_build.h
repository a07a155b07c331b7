/*
 * reply_build: the library's form of a reply.
 *
 * Each header of one costs three allocations. So the form of a reply without a body is kept with the memory of its exchange, and
 * written again for the next one that has the same headers with values as long as these: replies of /auth/verify differ in ids
 * only. On the HTTP thread of the connection.
 */
#ifndef JWTD_HTTP_REPLY_BUILD_H
#define JWTD_HTTP_REPLY_BUILD_H

#include "jwtd/text.h"

#include <stddef.h>

struct exchange;
struct MHD_Response;

#define KEPT_FIELDS_MAX 12

struct kept_reply {
    struct MHD_Response *response; /* NULL: none is kept */
    size_t count;
    struct {
        const char *name;
        char *value; /* in the library's copy */
        size_t len;
    } fields[KEPT_FIELDS_MAX];
};

/* Borrows the body, which lies in the arena of the exchange or is constant. Until reply_release. NULL if out of memory. */
struct MHD_Response *reply_build(struct exchange *exchange);

/* The header of a reply that is a stream, as bytes, in the arena of the exchange; {NULL, 0} if out of memory. */
struct text reply_write_stream_header(struct exchange *exchange);

/* When the library has taken the reply, or refused it. */
void reply_release(const struct exchange *exchange, struct MHD_Response *response);

void kept_reply_fini(struct kept_reply *kept);

#endif
