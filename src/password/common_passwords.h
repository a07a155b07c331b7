/*
 * common_passwords: the list that tools/common_passwords.sh makes at build time: folded words in the order of their bytes, each
 * with a newline behind it.
 */
#ifndef JWTD_COMMON_PASSWORDS_H
#define JWTD_COMMON_PASSWORDS_H

#include <stddef.h>

extern const char common_passwords[];
extern const size_t common_passwords_len;

#endif
