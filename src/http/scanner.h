/*
 * scanner: reads a connection's bytes as RFC 9112 has them, strictly, and counts the requests whose header is well formed.
 *
 * The library is lenient, and it has overwritten a header by the time that the service sees it: a line that was folded, that
 * began with a colon or a NUL, or that ended with a bare line feed cannot be distinguished from a good one any more. A proxy that
 * reads the same bytes by the standard would see other requests in them, and one of the two could be made to run a request that
 * the other takes for part of a body (request smuggling). So the bytes are read here first, and only a request that was found
 * well formed is run.
 *
 * The scanner knows where each body ends, and so where the next request begins. It stops for good at the first byte that is
 * wrong, and after a header with Transfer-Encoding: no later request counts. It allocates nothing and takes no lock. A line feed
 * alone never ends a line; empty lines before a request are skipped (section 2.2).
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
    uint32_t header_len;  /* bytes of the header that is being read, its request line included */
    uint32_t fields;      /* of that header, so far */
    uint8_t state;        /* enum state of scanner.c */
    uint8_t run;          /* bytes of the current element, 255 for more */
    uint8_t names;        /* bits of the watched names that begin like the current one */
    uint8_t field;        /* enum field of scanner.c: the current one */
    uint8_t lengths;      /* Content-Length fields in this header */
    uint8_t head_matched; /* letters of the current method that are those of HEAD */
    uint8_t empty_lines;  /* since the last request */
    uint8_t line_part;    /* enum line_part of scanner.c: where the current request line is, as the library divides it */
    uint8_t version_len;  /* of its last word, as far as it is HTTP/d.d; 255: it is not */
    uint8_t major;        /* its first digit */
    uint8_t refusal;      /* enum line_refusal: of the first request line that the library refuses by itself */
    uint32_t lines;       /* request lines that were read whole */
    uint32_t refused_at;  /* how many there were before that one */
    bool is_split;        /* a space is in the target of the current request line */
    bool has_cr;          /* the byte before in that line was a CR */
    bool has_coding;      /* Transfer-Encoding is in this header */
    bool is_too_large;    /* the header that is to be taken next */
    bool began_in_body;   /* the bytes that were read last: so a request whose header was taken may not have been answered */
    bool is_over;         /* the value of Content-Length; only blanks may follow */
};

/* Why the library refuses a request line and closes the connection, before anything else is known of the request: with a page of
 * its own because the version is not HTTP/1.x (505), or the last word is no version (400); without any reply (LINE_IS_DROPPED)
 * because there is no method or no space, or a space is in the target of HTTP/1.x. The library is lenient: several spaces divide
 * words as one does, and a line feed alone ends the line. */
enum line_refusal { LINE_IS_READ, LINE_HAS_OTHER_VERSION, LINE_IS_MALFORMED, LINE_IS_DROPPED };

void scanner_init(struct scanner *scanner);

/*
 * Reads what was received, in pieces of any size. It changes two things in the bytes, which the library handles badly and the
 * service never reads:
 *   - A field name that begins with Cookie begins with Cookix. The library would store each cookie twice with a record of 64
 * bytes, reply to those that do not fit with errors or not at all, and refuse a value that ends with a single quote.
 *   - In a request line each NUL becomes 1, from the first byte on that is wrong. The request is refused, but the library goes on
 * with C strings, and would find the query in another place than before. A line that begins with a NUL stays: the library skips
 * it.
 */
void scanner_read(struct scanner *scanner, char *bytes, size_t len);

/* Whether the next request in order has a well-formed header. To be called once for each request, when its header is complete;
 * after false the connection must be closed. */
bool scanner_take_request(struct scanner *scanner);

/* Whether part of a request has been read that is not complete: more than one empty line. One empty line is not the beginning of
 * a request, since a client may send it after a body (section 2.2). */
bool scanner_has_begun(const struct scanner *scanner);

/* Whether the next request in order has a header, complete or not, that takes more than HEADER_MEMORY_MAX; and whether it is the
 * target that does. The connection must be closed. False for what was read together with the end of a body, whose request the
 * library answers first: asked again when more has been read, or else left to the library. */
bool scanner_is_too_large(const struct scanner *scanner);
bool scanner_is_in_target(const struct scanner *scanner);

/* Why the request line is refused that follows the first `begun` of this connection, if it has been read whole. */
enum line_refusal scanner_line_refusal(const struct scanner *scanner, uint32_t begun);

/* Whether the method that was read last, or as much as has been read of it, is HEAD. */
bool scanner_is_head(const struct scanner *scanner);

#endif
