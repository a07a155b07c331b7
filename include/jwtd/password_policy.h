/*
 * password_policy: which new passwords are rejected, and why.
 *
 * Length in code points, no composition rules (NIST SP 800-63B-4 section 3.1.1.2), nothing common, nothing that contains the
 * local part of the account's e-mail address or the service's name. Common is what is on a list, a few runs in a row (123456789,
 * qwertyuiop12), and the repetition of something that is common or shorter than 8 code points (abcabcabc, trustno1trustno1). The
 * list is compiled in, sorted, and searched by bisection; tools/common_passwords.sh has its source. Pure functions: safe from
 * every thread.
 */
#ifndef JWTD_PASSWORD_POLICY_H
#define JWTD_PASSWORD_POLICY_H

#include "jwtd/arena.h"
#include "jwtd/text.h"
#include "jwtd/violation.h"

enum password_verdict {
    PASSWORD_ACCEPTED,
    PASSWORD_TOO_SHORT, /* less than min_length, or empty */
    PASSWORD_TOO_LONG,  /* more than PASSWORD_MAX_LEN bytes */
    PASSWORD_TOO_COMMON,
    PASSWORD_CONTAINS_EMAIL,   /* the local part, when it has 4 code points or more */
    PASSWORD_CONTAINS_SERVICE, /* "jwtd", or the configured issuer when it has 4 code points or more */
    PASSWORD_OUT_OF_MEMORY,
    PASSWORD_VERDICT_COUNT
};

struct password_policy {
    unsigned min_length;      /* code points */
    struct text service_name; /* the issuer */
};

/* `password` is valid UTF-8 in form C. Compared by its text_fold, which is in the arena; a passphrase that contains a common word
 * is accepted. */
enum password_verdict password_check_policy(const struct password_policy *policy, struct arena *arena, struct text password,
                                            struct text email);

/* VIOLATION_NONE for PASSWORD_ACCEPTED and PASSWORD_OUT_OF_MEMORY, which are none. */
enum violation password_verdict_violation(enum password_verdict verdict);

/* A sentence for a person whose subject, the password, is left out ("contains ..."); it says how long a password must be or may
 * be. In the arena, or constant; NULL if out of memory. */
const char *password_verdict_detail(const struct password_policy *policy, enum password_verdict verdict, struct arena *arena);

#endif
