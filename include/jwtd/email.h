/* email: which e-mail addresses are accepted, and the form of one by which accounts are unique. Pure functions; any thread. */
#ifndef JWTD_EMAIL_H
#define JWTD_EMAIL_H

#include "jwtd/arena.h"
#include "jwtd/text.h"

#include <stdbool.h>

#define EMAIL_MAX_LEN 254 /* RFC 5321 section 4.5.3.1.3, less the angle brackets */

/*
 * Whether mail can be delivered to an address of this form: 3 to 254 bytes of valid UTF-8, one "@" that separates a local part of
 * 1 to 64 bytes (dot-string of RFC 5321 with the non-ASCII characters of RFC 6531; no quoted string) from a domain of labels of 1
 * to 63 bytes (letters, digits, inner hyphens, non-ASCII) separated by dots. Visible characters only (text_is_visible), no
 * comments.
 */
bool email_is_valid(struct text email);

/* The form by which an address is unique: text_fold, in the arena, NUL-terminated. The address is valid. {NULL, 0} if out of
 * memory. */
struct text email_canonical(struct arena *arena, struct text email);

#endif
