/*
 * scanner: reads a connection's bytes as RFC 9112 has them, strictly, and counts the requests whose header is well formed.
 *
 * The library is lenient, and it has overwritten a header by the time that the service sees it: a line that was folded, that
 * began with a colon or a NUL, or that ended with a bare line feed cannot be told from a good one any more. A proxy that reads
 * the same bytes by the standard would see other requests in them, and one of the two could be made to run a request that the
 * other takes for part of a body. So the bytes are read here first, and only a request that was found well formed is obeyed.
 *
 * The scanner knows where each body ends, and so where the next request begins. It stops for good at the first byte that is
 * wrong, and behind a header with Transfer-Encoding: no request behind that counts. It is pure but for what scanner_read says: no
 * allocation, no clock, no library. A line feed alone is nowhere the end of a line; empty lines before a request are skipped
 * (section 2.2).
 */
#ifndef JWTD_HTTP_SCANNER_H
#define JWTD_HTTP_SCANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scanner {
    uint64_t content_length; /* of the header that is being read */
    uint64_t body_left;
    uint32_t pending;     /* well-formed headers that have not been taken */
    uint8_t state;        /* of scanner.c */
    uint8_t run;          /* bytes of the current element, 255 for more */
    uint8_t names;        /* the names, of those that matter, that the current one may still become */
    uint8_t field;        /* the one that it is */
    uint8_t lengths;      /* Content-Length fields in this header */
    uint8_t head_matched; /* letters of the current method that are those of HEAD */
    uint8_t empty_lines;  /* since the last request */
    bool has_coding;      /* Transfer-Encoding is in this header */
    bool is_over;         /* the value of Content-Length; only blanks may follow */
};

void scanner_init(struct scanner *scanner);

/*
 * What came in, in pieces of any size. Two things are changed in it, since the library makes trouble of them and they are not
 * read after:
 *   - the name of a Cookie field becomes Cookix, or the library would keep each cookie twice with a record of 64 bytes, answer
 * those that do not fit in odd ways, and refuse a value that ends with a single quote;
 *   - in a request line, from the first byte on that is wrong, each NUL becomes 1: the request is refused, but the library works
 * on with C strings, and would find the query in another place than before.
 */
void scanner_read(struct scanner *scanner, char *bytes, size_t len);

/* Whether the next request in order has a well-formed header. Asked once for each request when its header is complete;
 * after one false the connection must be closed. */
bool scanner_take_request(struct scanner *scanner);

/* Whether more than one empty line of a request has come that is not complete. One is no beginning, since a client may send it
 * behind a body (section 2.2). */
bool scanner_has_begun(const struct scanner *scanner);

/* Whether the method that was read last is HEAD, or what has come of it. */
bool scanner_is_head(const struct scanner *scanner);

#endif
