/* listener: the socket that server.listen describes, bound and listening, and its name as a URL. Main thread. */
#ifndef JWTD_HTTP_LISTENER_H
#define JWTD_HTTP_LISTENER_H

#include "jwtd/endpoint.h"
#include "jwtd/status.h"

#include <stdbool.h>
#include <sys/types.h>

#define LISTENER_URL_SIZE 160

struct listener {
    int fd;
    char url[LISTENER_URL_SIZE];        /* "http://127.0.0.1:8080", "unix:/path" */
    char unix_path[ENDPOINT_PATH_SIZE]; /* empty: no Unix socket of ours, or its file has been removed */
    dev_t device;                       /* of that file */
    ino_t inode;
    bool is_borrowed; /* another process listens on it, too, and will after us */
};

/* The socket that the service manager has opened (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS), or else one of our own. False: the
 * reason is logged. */
bool listener_open(struct listener *listener, const struct endpoint *endpoint) MUST_CHECK;

/* No new client is queued any more; those that are in the queue already stay. A Unix socket loses its path: new clients are
 * refused, and a successor may take it. Does nothing for a borrowed socket, which would close for its owner, too. */
void listener_stop_accepting(struct listener *listener);

/* Whether a client has connected and has not been accepted yet. */
bool listener_has_pending(const struct listener *listener);

/* Removes the file of a Unix socket, once, unless another is in its place. To be called before the descriptor is closed: while it
 * listens, no successor takes the file for a leftover and replaces it. */
void listener_unlink(struct listener *listener);

#endif
