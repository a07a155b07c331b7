/*
 * uuid: ids of users, sessions, tokens and requests: UUID version 7 (RFC 9562 section 5.7), 48 bits of milliseconds and 74
 * random bits. Safe from every thread; cannot fail (libsodium's generator aborts when the kernel has no randomness).
 */
#ifndef JWTD_UUID_H
#define JWTD_UUID_H

#include "jwtd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_LEN 36
#define UUID_TEXT_SIZE 37

struct uuid {
    uint8_t bytes[16];
};

struct uuid uuid_create(void); /* version 7, of now; its random bits come from the kernel, by a system call */

/* The same for ids of requests and access tokens (jti), which are only logged and listed, without a system call: 74 bits of a
 * generator (ChaCha20) that each thread seeds from the kernel once, and again after a fork. No two processes or threads return
 * the same id, and none can be predicted from others. The state lies in the process's memory: not for what a secret or an
 * authorization depends on. */
struct uuid uuid_create_for_log(void);

/* Lower-case hyphenated text and a NUL; returns `text`. */
const char *uuid_text(const struct uuid *id, char text[UUID_TEXT_SIZE]);

/* Exactly 36 characters, hyphens in place, either case; any version. False, with *id untouched, for anything else. */
bool uuid_parse(const char *text, size_t len, struct uuid *id) MUST_CHECK;

bool uuid_equal(const struct uuid *a, const struct uuid *b);

#endif
