/*
 * patterns: passwords that are guessed without a list: runs of neighbouring characters, and repetitions. For password_policy.c;
 * the text is a folded password (valid UTF-8). Pure functions: safe from every thread.
 */
#ifndef JWTD_PASSWORD_PATTERNS_H
#define JWTD_PASSWORD_PATTERNS_H

#include "jwtd/text.h"

#include <stdbool.h>

/*
 * Whether the text is made of at most four runs, of at least three characters each on average. A run is a sequence in which every
 * character follows the one before in the same way: the same character again, the next or the previous code point, or the next
 * key in the same row or column of a keyboard, in either direction. "asdf1234" is two runs, "abc12345!" three.
 */
bool pattern_is_of_runs(struct text text);

/* The unit that the text repeats at least twice, where the last time may be cut short: "abc" for "abcabca". {NULL, 0}: it is no
 * repetition of a unit of up to 64 bytes. */
struct text pattern_unit(struct text text);

#endif
