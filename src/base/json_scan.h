/*
 * json_scan: the checks of strict JSON that json-c leaves out (json.h), byte by byte, before json-c parses the text. It checks
 * tokens and the depth of brackets; json-c checks the order of tokens. A pure function; any thread.
 */
#ifndef JWTD_BASE_JSON_SCAN_H
#define JWTD_BASE_JSON_SCAN_H

#include "jwtd/json.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether the text is one pair of brackets with blanks around it, within the limits, and every token is one of RFC 8259, with
 * integers in range, without NUL where it is not allowed, lone surrogates or invalid UTF-8. *members is the number of colons
 * outside strings: if the order of tokens is right as well, that of the members of all objects. */
bool json_scan(struct text text, struct json_limits limits, size_t *members);

#endif
