/*
 * recorder: what the service replied to the requests of the service tests, in a file, for a check against the table of routes and
 * the API document.
 *
 * JWTD_TEST_EXCHANGES names the file; without it nothing is recorded. Each exchange is one line of seven fields, separated by
 * tabs: method, path with its query, status, media type, code, names of the reply's headers in lower case, and body. A field that
 * is empty or unknown is "-"; a control character is a space, which in a body of JSON is no more than white space. `code` is that
 * of a problem (RFC 9457). The path is as sent, with other bytes than printable ASCII as "?".
 *
 * Each line is one write to a file opened with O_APPEND, so tests of several processes and threads may share the file. Requests
 * of libcurl (http.h) are all recorded, unless the server is a proxy. Of raw bytes (raw.h), each read records the first final
 * reply that it got, as the reply to the first request line sent on that socket since the read before; requests pipelined behind
 * it are not recorded, nor is anything on that socket after them or after a read without a reply.
 */
#ifndef JWTD_TEST_RECORDER_H
#define JWTD_TEST_RECORDER_H

#include <stddef.h>

struct recorded_exchange {
    const char *method, *path;
    long status;
    const char *headers; /* of the reply, lines that end with CR LF; NULL for none */
    const char *body;
    size_t body_len;
};

void recorder_add(const struct recorded_exchange *exchange);

/* Bytes sent on a socket, and bytes read from it. The first drops what is left of an earlier socket of that number. */
void recorder_opened(int fd);
void recorder_sent(int fd, const char *bytes, size_t len);
void recorder_received(int fd, const char *bytes, size_t len);

#endif
