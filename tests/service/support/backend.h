/*
 * backend: the service behind a reverse proxy: a small HTTP/1.1 server on 127.0.0.1 that keeps what it received last, and answers
 * 200 with what it counted of the body. A thread of its own does the work, one connection after the other; each is closed behind
 * its reply. All functions may be called from any other thread, and fail the test on any error.
 */
#ifndef JWTD_TEST_BACKEND_H
#define JWTD_TEST_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#define BACKEND_HEAD_SIZE 16384

struct backend;

struct backend_request {
    char head[BACKEND_HEAD_SIZE]; /* request line and header fields as received, each with its CR LF; NUL behind them */
    size_t body_len;              /* without the framing of chunks */
    uint64_t body_sum;            /* backend_sum of the body */
};

struct backend *backend_start(void);
void backend_stop(struct backend *backend);
int backend_port(const struct backend *backend);

/* Forgets what was received; how many requests were received since then, and the last one of them. */
void backend_clear(struct backend *backend);
unsigned backend_count(struct backend *backend, struct backend_request *last);

/* Depends on each byte and its place; begin with 0 and continue with the next piece. */
uint64_t backend_sum(uint64_t sum, const char *bytes, size_t len);

/* The only field of this name, which is compared without regard to case and with any other character for "-", as a backend
 * that reads CGI variables may have it: its value, "" when there is none, "(several)" when there are more. */
const char *backend_field(const struct backend_request *request, const char *name, char *value, size_t size);

#endif
