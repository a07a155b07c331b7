/*
 * form_text: the encoding of application/x-www-form-urlencoded (RFC 6749 appendix B), in which queries, form bodies and the names
 * and secrets of HTTP Basic come. Pure functions over hostile bytes; any thread.
 */
#ifndef JWTD_HTTP_FORM_TEXT_H
#define JWTD_HTTP_FORM_TEXT_H

#include "jwtd/arena.h"
#include "jwtd/status.h"
#include "jwtd/text.h"

/* Returns what precedes the separator; *rest becomes what follows it. Without one it is all. */
struct text form_take_until(struct text *rest, char separator);

/* "%XX" is a byte and "+" a blank; every other byte is itself. *decoded is in the arena, and UTF-8 without NUL.
 * STATUS_BAD_REQUEST: it would not be, or a "%" has no two hexadecimal digits behind it; STATUS_OUT_OF_MEMORY. */
enum status form_decode(struct arena *arena, struct text encoded, struct text *decoded) MUST_CHECK;

#endif
