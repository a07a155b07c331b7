/*
 * basic: the credentials of HTTP Basic (RFC 7617) as OAuth clients send them: user-id and password are each encoded as a form
 * value (RFC 6749 section 2.3.1). The base64 must be that of RFC 4648 section 4, padded and canonical. Over hostile bytes; any
 * thread.
 */
#ifndef JWTD_HTTP_BASIC_H
#define JWTD_HTTP_BASIC_H

#include "jwtd/arena.h"
#include "jwtd/status.h"
#include "jwtd/text.h"

#define BASIC_DECODED_MAX 512 /* bytes of the decoded base64 */

struct basic_credentials {
    struct text name, secret; /* decoded, in the arena: UTF-8 without NUL, either may be empty */
};

/* Reads a value of Authorization. STATUS_BAD_REQUEST: it has another scheme, or is longer, or malformed; STATUS_OUT_OF_MEMORY. */
enum status basic_read(struct arena *arena, struct text value, struct basic_credentials *credentials) MUST_CHECK;

#endif
