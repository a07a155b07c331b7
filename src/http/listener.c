#include "listener.h"

#include "connection.h"

#include "jwtd/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel cuts this to net.core.somaxconn; a burst of clients waits here rather than being refused. */
#define BACKLOG 4096
#define UNIX_PREFIX "unix:"
#define SD_LISTEN_FDS_START 3 /* sd_listen_fds(3) */

static bool fail(const char *setting, const char *listen_on, const char *what, const char *reason) {
    log_event(LOG_ERROR, "listen_failed", "setting=%s listen=%s action=%s reason=%s", setting, listen_on, what, reason);
    return false;
}

/* A socket file that refuses connections is left over from a crash; one that accepts belongs to another process. */
static void remove_stale_socket(const struct sockaddr *address, socklen_t len, const char *path) {
    struct stat file;
    if (lstat(path, &file) != 0 || !S_ISSOCK(file.st_mode))
        return;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    if (connect(probe, address, len) != 0 && errno == ECONNREFUSED)
        unlink(path);
    close(probe);
}

/* For listener_unlink, which removes no other file than this one. */
static bool record_file(struct listener *listener, const char *path) {
    struct stat file;
    if (lstat(path, &file) != 0)
        return false;
    listener->device = file.st_dev;
    listener->inode = file.st_ino;
    memcpy(listener->unix_path, path, strlen(path) + 1);
    return true;
}

/* With the port that the kernel has chosen. */
static bool write_internet_url(struct listener *listener) {
    struct sockaddr_storage bound = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof bound;
    char host[64], port[8];
    if (getsockname(listener->fd, (struct sockaddr *)&bound, &len) != 0 ||
        getnameinfo((struct sockaddr *)&bound, len, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return false;
    snprintf(listener->url, sizeof listener->url, bound.ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s", host, port);
    return true;
}

static bool name_socket(struct listener *listener, const struct endpoint *endpoint) {
    if (!endpoint->is_unix)
        return write_internet_url(listener);
    snprintf(listener->url, sizeof listener->url, "%s%s", UNIX_PREFIX, endpoint->path);
    return record_file(listener, endpoint->path);
}

static bool open_own(struct listener *listener, const char *setting, const struct endpoint *endpoint) {
    char listen_on[ENDPOINT_TEXT_SIZE];
    struct sockaddr_storage storage;
    socklen_t len = endpoint_socket_address(endpoint, &storage);
    const struct sockaddr *address = (const struct sockaddr *)&storage;
    int on = 1;
    endpoint_text(endpoint, listen_on);
    if (endpoint->is_unix)
        remove_stale_socket(address, len, endpoint->path);
    listener->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return fail(setting, listen_on, "socket", strerror(errno));
    if (!endpoint->is_unix)
        setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener->fd, address, len) != 0)
        return fail(setting, listen_on, "bind", strerror(errno));
    if (listen(listener->fd, BACKLOG) != 0)
        return fail(setting, listen_on, "listen", strerror(errno));
    return name_socket(listener, endpoint) || fail(setting, listen_on, "read the socket's name", strerror(errno));
}

/* ---- a socket that the service manager has opened ---- */

static bool is_number(const char *text, long number) {
    char *end;
    return text != NULL && *text != '\0' && strtol(text, &end, 10) == number && *end == '\0';
}

/* Read once: a child of this process must not take them for its own. */
static bool take_activation(char count[8]) {
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    bool is_ours = is_number(pid, getpid()) && fds != NULL;
    snprintf(count, 8, "%s", is_ours ? fds : "");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return is_ours;
}

static bool is_listening(int fd) {
    int type = 0, listens = 0;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0;
}

static bool adopt(struct listener *listener, const char *count) {
    if (!is_number(count, 1))
        return fail("server.listen", "LISTEN_FDS", "read count", "must be one socket");
    if (!is_listening(SD_LISTEN_FDS_START))
        return fail("server.listen", "LISTEN_FDS", "check socket", "is no stream socket that listens");
    if (fcntl(SD_LISTEN_FDS_START, F_SETFD, FD_CLOEXEC) != 0 || fcntl(SD_LISTEN_FDS_START, F_SETFL, O_NONBLOCK) != 0)
        return fail("server.listen", "LISTEN_FDS", "set flags", strerror(errno));
    listener->fd = SD_LISTEN_FDS_START;
    listener->is_borrowed = true;
    if (!write_internet_url(listener))
        snprintf(listener->url, sizeof listener->url, UNIX_PREFIX "(activated)");
    return true;
}

/* Connections inherit it, those of a Unix socket do not: by themselves these have about as much. By itself the kernel would take
 * megabytes of a reply for a client that does not read. */
static void bound_send_buffers(const struct listener *listener) {
    int size = CONNECTION_SEND_BUFFER / 2; /* which the kernel doubles */
    setsockopt(listener->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

bool listener_open(struct listener *listener, const char *setting, const struct endpoint *endpoint, bool may_borrow) {
    *listener = (struct listener){ .fd = -1 };
    char count[8];
    bool is_open = may_borrow && take_activation(count) ? adopt(listener, count) : open_own(listener, setting, endpoint);
    if (is_open)
        bound_send_buffers(listener);
    else if (listener->fd >= 0 && !listener->is_borrowed)
        close(listener->fd);
    return is_open;
}

void listener_stop_accepting(struct listener *listener) {
    /* A filter that drops everything: the kernel discards what would begin a connection, and the client tries again a second
     * later, when this socket is closed or a successor listens. Closing the socket now would reset every client in its queue. */
    struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = { .len = 1, .filter = &drop_all };
    if (listener->is_borrowed)
        return;
    if (listener->unix_path[0] != '\0')
        listener_unlink(listener);
    else
        setsockopt(listener->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

bool listener_has_pending(const struct listener *listener) {
    struct pollfd pending = { .fd = listener->fd, .events = POLLIN };
    return poll(&pending, 1, 0) == 1 && (pending.revents & POLLIN) != 0;
}

void listener_unlink(struct listener *listener) {
    struct stat file;
    if (listener->unix_path[0] != '\0' && lstat(listener->unix_path, &file) == 0 && file.st_dev == listener->device &&
        file.st_ino == listener->inode)
        unlink(listener->unix_path);
    listener->unix_path[0] = '\0';
}
