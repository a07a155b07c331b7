/*
 * fault: what a reply lacked that was no good one, or what came instead of a reply: for the sentence that a person reads.
 */
#ifndef FAILPOINT_FAULT_H
#define FAILPOINT_FAULT_H

#include "api.h"

#include <stdbool.h>
#include <stddef.h>

enum reply_fault {
    FAULT_NONE,
    FAULT_NO_WAY,      /* no connection can be made, and it is not refused */
    FAULT_NOT_REACHED, /* the time was over before there was a connection */
    FAULT_NO_ANSWER,   /* the time was over before a byte of the reply came */
    FAULT_UNFINISHED,  /* the time was over within the reply */
    FAULT_CUT,         /* the connection is closed within the reply */
    FAULT_CLOSED,      /* the connection is closed without a byte */
    FAULT_CLOSED_HTTP, /* http: the same, as a port of https does that is asked in http */
    FAULT_NO_TLS,      /* https: what listens there does not speak TLS */
    FAULT_SILENT,      /* https: the handshake is not answered */
    FAULT_UNTRUSTED,   /* https: no authority of this machine has signed the certificate for that name */
    FAULT_HANDSHAKE,   /* https: the handshake failed for another reason */
    FAULT_IS_TLS,      /* http: the answer is TLS */
    FAULT_NOT_HTTP,
    FAULT_MALFORMED, /* it begins as HTTP/1 and is none */
    FAULT_STATUS,    /* under 400, and not the one that is expected */
    FAULT_NO_BODY,
    FAULT_TOO_LONG,
    FAULT_NOT_JSON,
    FAULT_NO_EMAIL, /* the member is missing, or is no text; as for the next two */
    FAULT_NO_ACCESS_TOKEN,
    FAULT_NO_REFRESH_TOKEN,
    FAULT_OTHER_EMAIL,
    FAULT_TOKEN /* a token with characters that no header can carry */
};

/* The sentence goes on with the time that was waited. */
bool fault_is_timeout(enum reply_fault fault);

/* "without the member access_token"; empty for FAULT_NONE. `call` has the names of members. Returns `text`. */
const char *fault_describe(enum reply_fault fault, const struct api_call *call, char *text, size_t size);

#endif
