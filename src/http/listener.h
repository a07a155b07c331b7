/* listener: the socket that server.listen or ops.listen describes, bound and listening, and its name as a URL. Main thread. */
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
    char unix_path[ENDPOINT_PATH_SIZE]; /* empty: it is no Unix socket of our own, or its file has been removed */
    dev_t device;                       /* of that file */
    ino_t inode;
    bool is_borrowed; /* inherited: the service manager keeps it open, for the next instance, too */
};

/* One of our own, bound to `endpoint`, the value of `setting`; or, with `may_borrow`, the socket that the service manager has
 * opened (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS), if there is one, which is forgotten then. Of a reply on its connections the
 * kernel takes not much more than 128 KiB before the client does. False: the reason is logged. */
bool listener_open(struct listener *listener, const char *setting, const struct endpoint *endpoint, bool may_borrow) MUST_CHECK;

/* No new client is queued any more; those in the queue already stay. On TCP their attempts are dropped, and the kernel of the
 * client tries again a second later. A Unix socket loses its path: new clients are refused, and a successor may bind it. Does
 * nothing for a borrowed socket, on which the next instance accepts them. */
void listener_stop_accepting(struct listener *listener);

/* Whether a client has connected and has not been accepted yet. */
bool listener_has_pending(const struct listener *listener);

/* Removes the file of a Unix socket, once, unless another is in its place. To be called before the descriptor is closed: while it
 * listens, no successor takes the file for one left over and replaces it. */
void listener_unlink(struct listener *listener);

#endif
