/* password_prompt: reads a new password, typed twice at a terminal, or one line of standard input. */
#ifndef JWTD_PASSWORD_PROMPT_H
#define JWTD_PASSWORD_PROMPT_H

#include "jwtd/hasher.h"
#include "jwtd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct typed_password {
    char bytes[PASSWORD_MAX_LEN];
    size_t len;
};

/* On a terminal asks twice, without echo; elsewhere reads one line, which may be empty. False: the reason is on standard error.
 * The caller wipes *password in both cases. */
bool password_prompt(struct typed_password *password) MUST_CHECK;

#endif
