/*
 * framing: whether the header fields of a request leave no doubt where it ends and whom it is for (RFC 9112
 * sections 2.3, 3.2, 6.1, 6.3; RFC 9110 sections 5.3, 10.1.1). How the fields are written is checked by the scanner (scanner.h).
 * Pure.
 */
#ifndef JWTD_HTTP_FRAMING_H
#define JWTD_HTTP_FRAMING_H

#include "header_view.h"

#include "jwtd/status.h"

#include <stdbool.h>
#include <stdint.h>

/* What the header fields of a request say, collected in one pass over them. */
struct header_summary {
    unsigned hosts, content_lengths, transfer_encodings, authorizations, content_types, expectations;
    uint64_t content_length;
    bool malformed; /* a value that not every reader would accept, or read alike */
    bool has_body;
};

/* `version` as in the request line. *summary is filled in both cases. STATUS_OK, or STATUS_BAD_REQUEST, after which the
 * connection must be closed, since it is not certain where its next request begins. */
enum status framing_check(const struct header_view *headers, const char *version, struct header_summary *summary) MUST_CHECK;

/* The same for the fields that say nothing of where the request ends: two Authorization or Content-Type fields, or an expectation
 * without a body. Not for a route that is_for_proxies (route.h). */
enum status framing_check_fields(const struct header_summary *summary) MUST_CHECK;

/* Whether the value of Host, or the authority of a target, has only bytes of a host and port (RFC 9112 section 3.2: no user), at
 * most 255. Empty is good: RFC 9110 section 7.2. */
bool framing_is_host(struct text value);

#endif
