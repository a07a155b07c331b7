/* listener: the socket that server.listen describes, bound and listening, and its name as a URL. */
#ifndef JWTD_HTTP_LISTENER_H
#define JWTD_HTTP_LISTENER_H

#include <stdbool.h>

#define LISTENER_URL_SIZE 160

struct listener {
    int fd;
    char url[LISTENER_URL_SIZE]; /* "http://127.0.0.1:8080", "unix:/path" */
    char unix_path[108];         /* empty: no Unix socket */
};

/* `listen_on`: "address:port", "[::1]:port" or "unix:/path". False: the reason is logged. */
bool listener_open(struct listener *listener, const char *listen_on) __attribute__((warn_unused_result));

/* Removes the path of a Unix socket; the descriptor is closed by whoever has it. */
void listener_forget_path(const struct listener *listener);

#endif
