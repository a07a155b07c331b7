/* reply_build: the library's form of a reply. */
#ifndef JWTD_HTTP_REPLY_BUILD_H
#define JWTD_HTTP_REPLY_BUILD_H

struct exchange;
struct MHD_Response;

/* Borrows the body, which lies in the arena of the exchange or is constant. NULL if out of memory. */
struct MHD_Response *reply_build(const struct exchange *exchange);

#endif
