/* listener: the socket that server.listen describes, bound and listening, and its name as a URL. */
#ifndef JWTD_HTTP_LISTENER_H
#define JWTD_HTTP_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#define LISTENER_URL_SIZE 160

struct listener {
    int fd;
    char url[LISTENER_URL_SIZE]; /* "http://127.0.0.1:8080", "unix:/path" */
    char unix_path[108];         /* empty: no Unix socket of ours, or its file has been removed */
    dev_t device;                /* of that file */
    ino_t inode;
    bool is_borrowed; /* somebody else listens on it, too, and will after us */
};

/* The socket that whoever started this process has opened for it (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS), or else one of our
 * own. `listen_on`: "address:port", "[::1]:port" or "unix:/path". False: the reason is logged. Main thread. */
bool listener_open(struct listener *listener, const char *listen_on) __attribute__((warn_unused_result));

/* No new client gets through any more; those that are in the queue already stay. A Unix socket loses its path: new clients are
 * refused, and a successor may take it. Not for a borrowed socket, which would close for its owner, too. */
void listener_close_door(struct listener *listener);

/* Whether somebody has connected and has not been accepted yet. */
bool listener_has_guests(const struct listener *listener);

/* Removes the file of a Unix socket, once, unless somebody has put another in its place. To be called before the descriptor is
 * closed: while it listens, no successor takes the file for a leftover and replaces it. */
void listener_forget_path(struct listener *listener);

#endif
