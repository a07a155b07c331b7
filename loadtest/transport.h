/*
 * transport: bytes to and from a non-blocking socket, plain or through TLS, as a table with one row for each, so that the
 * connection never asks which it has. A handshake is repeated for as long as it returns TRANSPORT_WANTS_READ or
 * TRANSPORT_WANTS_WRITE.
 *
 * OpenSSL is known in transport.c only.
 */
#ifndef FAILPOINT_TRANSPORT_H
#define FAILPOINT_TRANSPORT_H

#include "target.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum transport_result {
    TRANSPORT_OK,
    TRANSPORT_WANTS_READ,
    TRANSPORT_WANTS_WRITE,
    TRANSPORT_CLOSED, /* the peer ended it in good order */
    TRANSPORT_FAILED,
    TRANSPORT_UNTRUSTED, /* of a handshake: the peer's certificate is not accepted */
    TRANSPORT_NO_TLS     /* of a handshake: what came is not TLS, or nothing came before the end */
};

struct transport_io {
    enum transport_result result;
    size_t len; /* with TRANSPORT_OK: bytes moved, at least 1 */
};

struct transport {
    /* State of one connection, NULL where there is none to keep. NULL with *failed when memory is exhausted. */
    void *(*open)(int fd, const struct target *target, bool *failed);
    enum transport_result (*handshake)(void *state, int fd);
    struct transport_io (*read)(void *state, int fd, char *bytes, size_t size);
    struct transport_io (*write)(void *state, int fd, const char *bytes, size_t len);
    void (*close)(void *state); /* not the descriptor */
};

extern const struct transport transport_plain, transport_tls;

/* Once, before workers are started. False when OpenSSL cannot be set up. */
bool transport_tls_init(bool verify_peer);
void transport_tls_fini(void);

#endif
