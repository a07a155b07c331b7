/* target: the path of a raw request target (RFC 9112 section 3.2). Pure. */
#ifndef JWTD_HTTP_TARGET_H
#define JWTD_HTTP_TARGET_H

#include "jwtd/arena.h"
#include "jwtd/status.h"

/* The path of an origin form or an absolute form, without the query, copied into the arena. Percent-encoding stays as it is.
 * STATUS_BAD_REQUEST: no such form, no host or a malformed one, or a byte outside visible ASCII; STATUS_OUT_OF_MEMORY. *path is
 * NULL then. */
enum status target_path(struct arena *arena, const char *target, char **path) MUST_CHECK;

#endif
