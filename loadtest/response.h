/*
 * response: an incremental parser of HTTP/1.1 responses (RFC 9112), made for replies that come in any number of pieces from a
 * server that may be wrong or hostile.
 *
 * It knows the status line, Content-Length, Transfer-Encoding: chunked, Connection, Retry-After, and bodies that last until the
 * connection closes. 1xx replies are skipped. The head may have 64 KiB; the first 64 KiB of a body are kept and the rest is
 * counted. A reply that is not HTTP, has two lengths that differ, or a chunk size that no number holds, ends in RESPONSE_BROKEN.
 *
 * One response at a time for each connection; response_init prepares for the next and keeps the buffer.
 */
#ifndef FAILPOINT_RESPONSE_H
#define FAILPOINT_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESPONSE_LINE_SIZE 256 /* of a header; what is longer is none that matters here */
#define RESPONSE_HEAD_MAX ((size_t)64 * 1024)
#define RESPONSE_BODY_KEPT ((size_t)64 * 1024)

enum response_state {
    RESPONSE_STATUS_LINE,
    RESPONSE_HEADER,
    RESPONSE_BODY, /* as long as Content-Length says */
    RESPONSE_UNTIL_CLOSE,
    RESPONSE_CHUNK_SIZE,
    RESPONSE_CHUNK,
    RESPONSE_CHUNK_END,
    RESPONSE_TRAILER,
    RESPONSE_DONE,
    RESPONSE_BROKEN
};

struct response {
    enum response_state state;
    unsigned status;
    bool keep_alive; /* the connection may be used again */
    bool chunked, has_length;
    int64_t retry_after_s; /* -1: none, or a date */
    uint64_t left;         /* bytes of the body or of the chunk that are to come */
    size_t head_len;
    size_t line_len; /* may exceed what `line` keeps */
    char line[RESPONSE_LINE_SIZE];
    char *body;      /* malloc'd, NUL behind it; NULL until a body came */
    size_t body_len; /* kept */
    size_t body_size;
    uint64_t body_total;
};

/* For zeroed memory, or for one that was used before. */
void response_init(struct response *response);
void response_fini(struct response *response);

/* Takes bytes until the reply is done or broken; returns how many it took. Those behind belong to no request. */
size_t response_feed(struct response *response, const char *bytes, size_t len);

/* The peer closed. Afterwards the state is RESPONSE_DONE if the reply was whole by that, and RESPONSE_BROKEN if it was cut. */
void response_close(struct response *response);

/* Whether a single byte of it has come. */
bool response_has_begun(const struct response *response);

/* Whether the bytes that have come begin as no reply of HTTP/1 does; with *tls, as a record of TLS does. */
bool response_is_other_protocol(const struct response *response, bool *tls);

#endif
