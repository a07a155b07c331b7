/*
 * sse: parses a stream of server-sent events (WHATWG HTML, section 9.2.6) as its bytes come, in pieces of any size.
 *
 * The server may be hostile: lines, and the data of an event, are bounded, and what exceeds a bound, a NUL, and an id that is
 * not of visible ASCII characters, end the stream. Lines end by LF, CR or both; unknown fields are ignored; a BOM in front is
 * skipped. An event that the stream ends in the middle of is dropped with its id, so that the server sends it again. One thread
 * at a time.
 */
#ifndef JWTD_VERIFY_SSE_H
#define JWTD_VERIFY_SSE_H

#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SSE_LINE_MAX 2048
#define SSE_DATA_MAX 4096
#define SSE_NAME_MAX 63
#define SSE_ID_MAX 255
#define SSE_RETRY_MAX_MS 3600000

/* Texts are borrowed for the call. False ends the stream. */
struct sse_handlers {
    bool (*on_event)(void *context, struct text name, struct text data); /* name: {NULL, 0} if it has none */
    bool (*on_comment)(void *context, struct text comment);              /* behind the colon, without a space */
    void *context;
};

struct sse_parser {
    char line[SSE_LINE_MAX];
    size_t line_len;
    bool is_begun, ends_with_cr; /* whether the first line has ended; whether the last byte was a CR */
    char name[SSE_NAME_MAX + 1];
    size_t name_len;
    char data[SSE_DATA_MAX];
    size_t data_len;
    char next_id[SSE_ID_MAX + 1]; /* of the event that is being read */
    char id[SSE_ID_MAX + 1];      /* what Last-Event-ID is to say: of the last event that was handled; "": none */
    int64_t retry_ms;             /* -1: the server has not said */
};

void sse_init(struct sse_parser *parser);

/* For a new connection: forgets what was begun, keeps id and retry_ms. */
void sse_restart(struct sse_parser *parser);

/* False: a bound was exceeded, or a handler said so; the stream is to be closed. */
bool sse_parse(struct sse_parser *parser, struct text bytes, const struct sse_handlers *handlers) MUST_CHECK;

#endif
