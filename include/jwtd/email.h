/* email: which e-mail addresses are taken, and the form of one by which accounts are unique. Pure; any thread. */
#ifndef JWTD_EMAIL_H
#define JWTD_EMAIL_H

#include "jwtd/arena.h"
#include "jwtd/text.h"

#include <stdbool.h>

#define EMAIL_MAX_LEN 254 /* RFC 5321 section 4.5.3.1.3, less the angle brackets */

/*
 * Whether an e-mail address has a form that can be delivered to: 3 to 254 bytes of valid UTF-8, one "@" that separates
 * a local part of 1 to 64 bytes (dot-atom of RFC 5321 plus non-ASCII letters of RFC 6531; no quoted strings) from a domain of
 * dot-separated labels of 1 to 63 bytes (letters, digits, inner hyphens, non-ASCII). Visible
 * characters only (text_is_visible), no comments.
 */
bool email_is_valid(struct text email);

/* The form by which an address is unique: folded and in form C, in the arena; {NULL, 0} when memory is exhausted. */
struct text email_canonical(struct arena *arena, struct text email);

#endif
