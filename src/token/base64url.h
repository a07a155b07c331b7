/*
 * base64url: RFC 4648 section 5 without padding, decoded so strictly that a value has one text only. A pure function; any thread.
 */
#ifndef JWTD_TOKEN_BASE64URL_H
#define JWTD_TOKEN_BASE64URL_H

#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False for any byte outside A-Z a-z 0-9 - _, for a last character with stray bits, and for more than `size` bytes. */
bool base64url_decode(struct text text, uint8_t *bytes, size_t size, size_t *len) MUST_CHECK;

#endif
