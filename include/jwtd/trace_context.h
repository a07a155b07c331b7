/*
 * trace_context: the header fields traceparent and tracestate (W3C Trace Context, level 2): which trace a request belongs to, and
 * which span of its caller it is a part of. What does not have their form is as if it were not there. Safe from every thread.
 */
#ifndef JWTD_TRACE_CONTEXT_H
#define JWTD_TRACE_CONTEXT_H

#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stdint.h>

#define TRACE_ID_BYTES 16
#define SPAN_ID_BYTES 8
#define TRACE_ID_TEXT_SIZE (2 * TRACE_ID_BYTES + 1)
#define SPAN_ID_TEXT_SIZE (2 * SPAN_ID_BYTES + 1)
#define TRACEPARENT_SIZE sizeof "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"

enum trace_flag {
    TRACE_SAMPLED = 1, /* its spans are recorded; of a caller: it asks for that */
    TRACE_RANDOM = 2   /* the trace's id is random in its last 7 bytes */
};

struct trace_context {
    uint8_t trace_id[TRACE_ID_BYTES]; /* never all zeros */
    uint8_t span_id[SPAN_ID_BYTES];   /* never all zeros; of the caller, in what was parsed */
    uint8_t flags;                    /* of enum trace_flag */
};

/* The value of a traceparent field, with or without blanks around it. False, with *context as it was: it has not the form of
 * version 00, nor begins with it and a hyphen behind it in a higher version; or an id is all zeros. */
bool trace_context_parse(struct text traceparent, struct trace_context *context) MUST_CHECK;

/* The value of a traceparent field of version 00; returns `text`. */
const char *trace_context_text(const struct trace_context *context, char text[TRACEPARENT_SIZE]);

/* Whether it is the value of a tracestate field, or of several, joined by commas: at most 32 members that are not empty. */
bool trace_state_is_valid(struct text trace_state);

/* A trace of our own, with both ids; and the id of a further span. */
struct trace_context trace_context_create(void);
void span_id_create(uint8_t span_id[SPAN_ID_BYTES]);

/* Lower-case hexadecimal and a NUL; returns `text`, which has 2 * len + 1 bytes. */
const char *trace_hex(const uint8_t *bytes, size_t len, char *text);

#endif
