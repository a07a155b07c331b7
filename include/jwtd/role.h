/*
 * role: what a role is: 1 to ROLE_MAX_LEN of A-Z a-z 0-9 . _ : -, of which the first is a letter, a digit or _. So it stands in a
 * header and in JSON as it is, several are separated by commas, and "-" is none.
 *
 * The table of users refuses others (migrations/0006_roles.sql says the same in SQL), and so does the command line. Where one is
 * met all the same, in a row or a token that is older than this rule, it is left out. Pure; any thread.
 */
#ifndef JWTD_ROLE_H
#define JWTD_ROLE_H

#include "jwtd/text.h"

#include <stdbool.h>

#define ROLE_MAX_LEN 64
#define ROLE_RULE "1 to 64 of A-Z a-z 0-9 . _ : -, and begins with a letter, a digit or _"

bool role_is_valid(struct text role);

#endif
