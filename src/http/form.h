/*
 * form: application/x-www-form-urlencoded (RFC 6749 appendix B), in which queries, form bodies and the names and secrets of HTTP
 * Basic come. Over hostile bytes; any thread.
 */
#ifndef JWTD_HTTP_FORM_H
#define JWTD_HTTP_FORM_H

#include "jwtd/arena.h"
#include "jwtd/status.h"
#include "jwtd/text.h"

/* Returns what precedes the separator; *rest becomes what follows it. Without one it is all. */
struct text form_take_until(struct text *rest, char separator);

/* "%XX" is a byte and "+" a blank; every other byte is itself. *decoded is in the arena, with a NUL behind it, and UTF-8 without
 * NUL. STATUS_BAD_REQUEST: it would not be, or a "%" has no two hexadecimal digits behind it; STATUS_OUT_OF_MEMORY. */
enum status form_decode(struct arena *arena, struct text encoded, struct text *decoded) MUST_CHECK;

#define FORM_PARAMETERS_MAX 32

struct form {
    size_t count;
    struct {
        struct text name, value; /* decoded, in the arena */
    } parameters[FORM_PARAMETERS_MAX];
};

/* Reads a body. STATUS_INVALID_REQUEST: it has more parameters than FORM_PARAMETERS_MAX, one of them twice (RFC 6749 section 3.1:
 * known or not), a byte outside visible ASCII, or one that form_decode refuses; STATUS_OUT_OF_MEMORY. */
enum status form_parse(struct arena *arena, struct text body, struct form *form) MUST_CHECK;

/* {NULL, 0}: there is none of this name, or it is empty, which is the same (RFC 6749 section 3.1). */
struct text form_value(const struct form *form, const char *name);

#endif
