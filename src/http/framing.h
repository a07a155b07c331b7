/*
 * framing: whether a request may be read at all (RFC 9112 sections 2.2, 3, 5, 6.1, 6.3; RFC 9110 section 5.3), by what its header
 * fields say. How they are written is checked by the scanner (scanner.h). Pure.
 */
#ifndef JWTD_HTTP_FRAMING_H
#define JWTD_HTTP_FRAMING_H

#include "header_view.h"

#include "jwtd/status.h"

#include <stdbool.h>
#include <stdint.h>

/* What the header fields of a request say, gathered in one walk over them. */
struct header_summary {
    unsigned hosts, content_lengths, transfer_encodings, authorizations, content_types, expectations;
    uint64_t content_length;
    bool malformed; /* a value that no reader, or not every reader, would take */
    bool has_body;
};

/* `version` as in the request line. STATUS_OK, or STATUS_BAD_REQUEST, after which the connection must be closed, since its next
 * request may begin where we do not think. */
enum status framing_check(const struct header_view *headers, const char *version, struct header_summary *summary) MUST_CHECK;

#endif
