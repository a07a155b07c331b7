/*
 * text: bytes with a length, and the Unicode that the service needs: validity, counting, normalisation. libunistring is known
 * here only. Safe from every thread.
 */
#ifndef JWTD_TEXT_H
#define JWTD_TEXT_H

#include "jwtd/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes, `len` of them. There is a NUL behind them only where the function or member that has the text says so. */
struct text {
    const char *bytes;
    size_t len;
};

struct text text_of(const char *string); /* of a C string, without its NUL; {NULL, 0} for NULL */
bool text_equal(struct text a, struct text b);
bool text_equal_ignoring_case(struct text a, struct text b); /* ASCII only: header names and schemes */

/* Parses the whole text as a decimal number: ASCII digits only, no sign, no space; leading zeros are allowed. False, with *number
 * as it was, for anything else and for more than `max`. */
bool text_parse_unsigned(struct text text, uint64_t max, uint64_t *number);

#define TEXT_ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define TEXT_ID_ALPHABET TEXT_ALPHANUMERIC "._-" /* of key ids and request ids */

/* Whether the text has min_len to max_len bytes, and each is one of `alphabet`. */
bool text_is_made_of(struct text text, const char *alphabet, size_t min_len, size_t max_len);

bool text_is_alphanumeric(char byte); /* A-Z a-z 0-9, whatever the locale */
bool text_is_blank(char byte);        /* a space or a tab: what HTTP allows around values (RFC 9110 section 5.6.3) */
int text_hex_digit(char byte);        /* 0 to 15; -1: it is none of 0-9 a-f A-F */

/* Takes the part before the separator, or all, off the front of a list, and the separator: without the blanks around it, maybe
 * empty. */
struct text text_take_until(struct text *list, char separator);

/* The bytes of the UTF-8 sequence at the front, and its code point; 0, with *code_point as it was, if there is none: the text is
 * empty, or its front is not what RFC 3629 allows. */
size_t text_code_point(struct text text, uint32_t *code_point);

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool text_is_utf8(struct text text);

/* Code points of valid UTF-8. */
size_t text_code_points(struct text text);

/* Whether every character is visible: no white space, controls, formatting (bidirectional controls, joiners, tags), private or
 * unassigned code points. False for invalid UTF-8. */
bool text_is_visible(struct text text);

/* Whether it is one line: no controls (tabs and ends of lines among them) and no separators of lines or paragraphs. False for
 * invalid UTF-8. */
bool text_is_line(struct text text);

/* Normalisation form C of valid UTF-8, in the arena, NUL-terminated; {NULL, 0} if out of memory. */
struct text text_nfc(struct arena *arena, struct text text);

/* Unicode case folding of valid UTF-8, then form C, in the arena, NUL-terminated; {NULL, 0} if out of memory. */
struct text text_fold(struct arena *arena, struct text text);

#endif
