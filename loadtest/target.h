/*
 * target: what a URL such as http://127.0.0.1:8080 or https://auth.example.org/base means: one address to connect to, the Host
 * header, a prefix for every path, TLS or not. The name is resolved once, at the start. Not written to later.
 */
#ifndef FAILPOINT_TARGET_H
#define FAILPOINT_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define TARGET_TEXT_SIZE 256

struct target {
    char url[TARGET_TEXT_SIZE];  /* without a slash at the end */
    char name[TARGET_TEXT_SIZE]; /* of the host, for TLS */
    char host[TARGET_TEXT_SIZE]; /* the Host header */
    char prefix[TARGET_TEXT_SIZE];
    unsigned port;
    bool tls;
    struct sockaddr_storage address;
    socklen_t address_len;
    bool loopback4; /* 127.0.0.0/8: the generator may take any source address there */
};

/* False, with a sentence in `error`, when it is not a URL or the name has no address. */
bool target_init(struct target *target, const char *url, char *error, size_t error_size);

#endif
