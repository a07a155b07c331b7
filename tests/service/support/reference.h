/*
 * reference: which requests RFC 9112 sees in a stream of bytes. Written for the tests alone, from the standard alone, over
 * whole lines and whole bodies, so that it shares neither a line nor a way of thinking with the service.
 *
 * It reads strictly: a line ends with CR LF, names are tokens, no blanks before a colon, no folded lines, one length. At the
 * first byte that breaks a rule it ends; so it does when the last request is not complete.
 */
#ifndef JWTD_TEST_REFERENCE_H
#define JWTD_TEST_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#define REFERENCE_MAX 48
#define REFERENCE_ID_SIZE 128

struct reference_request {
    char id[REFERENCE_ID_SIZE]; /* see reference_id */
    char request_id[72];        /* the first X-Request-Id */
    bool is_chunked;
    bool has_body; /* in chunks, or of a length above 0 */
    bool is_last;  /* of its connection, by its own word */
};

struct reference {
    struct reference_request requests[REFERENCE_MAX]; /* those whose header is complete and well formed */
    size_t count;
    bool is_in_order; /* nothing is wrong, and nothing is missing */
};

void reference_read(const char *bytes, size_t len, struct reference *reference);

/* By what a request is known: its path up to the first character that logs may write differently; /auth/login, where all
 * have the same path, with the request id. */
void reference_id(const char *path, size_t path_len, const char *request_id, size_t request_id_len, char id[REFERENCE_ID_SIZE]);

#endif
