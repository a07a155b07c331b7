/*
 * role: what a role is: 1 to ROLE_MAX_LEN of A-Z a-z 0-9 . _ : -, of which the first is a letter, a digit or _. So it stands in a
 * header and in JSON as it is, several are separated by commas, and "-" is none.
 *
 * The table of users rejects others (migrations/0006_roles.sql has the same rule in SQL), and so does the command line. One that
 * is older than this rule, in a row or a token, is left out of tokens and claims. Pure functions; any thread.
 */
#ifndef JWTD_ROLE_H
#define JWTD_ROLE_H

#include "jwtd/text.h"

#include <stdbool.h>

#define ROLE_MAX_LEN 64
#define ROLE_RULE "1 to 64 of A-Z a-z 0-9 . _ : -, and begins with a letter, a digit or _"

bool role_is_valid(struct text role);

/*
 * Iterates over a compact JSON array of strings: the roles of an access token's claims, or of a user's row. *rest begins as the
 * array; each call returns the next role, borrowed from it, and moves *rest behind that; {NULL, 0} at the end. A string that is
 * cut off is not returned. A role of a row that is older than the rule may have escapes, which are returned as they stand.
 */
struct text roles_next(struct text *rest);

/* Whether such an array has this role. */
bool roles_contain(struct text roles_json, struct text wanted);

#endif
