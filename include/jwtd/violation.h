/*
 * violation: what can be wrong with one member of a body, in one closed list.
 *
 * A problem (RFC 9457) that is about members of the body names each in `errors`, by a JSON Pointer (RFC 6901) and one of these
 * codes. The table in violation.c has the stable code for client programs, which choose their own words by it, and the paragraph
 * of the docs page; the codes are written nowhere else.
 *
 * Constant data: safe from every thread.
 */
#ifndef JWTD_VIOLATION_H
#define JWTD_VIOLATION_H

enum violation {
    VIOLATION_NONE,
    VIOLATION_REQUIRED,
    VIOLATION_WRONG_TYPE,
    VIOLATION_TOO_SHORT, /* has `min` */
    VIOLATION_TOO_LONG,  /* has `max` */
    VIOLATION_CONTAINS_NUL,
    VIOLATION_CONTROL_CHARACTER,
    VIOLATION_INVALID_EMAIL,
    VIOLATION_EMAIL_TAKEN,
    VIOLATION_WRONG_PASSWORD,
    VIOLATION_INVALID_ROLE,
    /* a new password */
    VIOLATION_UNCHANGED,
    VIOLATION_TOO_COMMON,
    VIOLATION_CONTAINS_EMAIL,
    VIOLATION_CONTAINS_SERVICE,
    VIOLATION_COUNT
};

struct violation_info {
    const char *code;        /* "too_short" */
    const char *description; /* one or two sentences for the docs page, without what HTML would need escaped */
};

/* The row of a violation other than VIOLATION_NONE. Never NULL. */
const struct violation_info *violation_info(enum violation violation);

#endif
