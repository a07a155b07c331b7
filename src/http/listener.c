#include "listener.h"

#include "jwtd/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The kernel cuts this to net.core.somaxconn; a burst of clients waits here rather than being refused. */
#define BACKLOG 4096
#define UNIX_PREFIX "unix:"
#define FIRST_ACTIVATED 3 /* SD_LISTEN_FDS_START */

static bool fail(const char *listen_on, const char *what, const char *reason) {
    log_event(LOG_ERROR, "listen_failed", "listen=%s action=%s reason=%s", listen_on, what, reason);
    return false;
}

static bool start_listening(struct listener *listener, const struct sockaddr *address, socklen_t len, const char *listen_on) {
    if (bind(listener->fd, address, len) != 0)
        return fail(listen_on, "bind", strerror(errno));
    if (listen(listener->fd, BACKLOG) != 0)
        return fail(listen_on, "listen", strerror(errno));
    return true;
}

/* A socket file that nobody answers on is a leftover of a crash; one that answers is somebody's. */
static void remove_stale_socket(const struct sockaddr_un *address) {
    struct stat file;
    if (lstat(address->sun_path, &file) != 0 || !S_ISSOCK(file.st_mode))
        return;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    if (connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(probe);
}

/* From here on the path is ours to remove. */
static bool remember_path(struct listener *listener, const char *path) {
    struct stat file;
    if (lstat(path, &file) != 0)
        return false;
    listener->device = file.st_dev;
    listener->inode = file.st_ino;
    memcpy(listener->unix_path, path, strlen(path) + 1);
    return true;
}

static bool open_unix(struct listener *listener, const char *listen_on) {
    const char *path = listen_on + strlen(UNIX_PREFIX);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) == 0 || strlen(path) >= sizeof address.sun_path)
        return fail(listen_on, "read address", "the path is empty or longer than a socket's path can be");
    memcpy(address.sun_path, path, strlen(path));
    remove_stale_socket(&address);
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return fail(listen_on, "socket", strerror(errno));
    if (!start_listening(listener, (const struct sockaddr *)&address, sizeof address, listen_on))
        return false;
    if (!remember_path(listener, path))
        return fail(listen_on, "look at socket", strerror(errno));
    snprintf(listener->url, sizeof listener->url, UNIX_PREFIX "%s", path);
    return true;
}

static bool write_url(struct listener *listener) {
    struct sockaddr_storage bound = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof bound;
    char host[64], port[8];
    if (getsockname(listener->fd, (struct sockaddr *)&bound, &len) != 0 ||
        getnameinfo((struct sockaddr *)&bound, len, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return false;
    snprintf(listener->url, sizeof listener->url, bound.ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s", host, port);
    return true;
}

static bool open_inet(struct listener *listener, const struct addrinfo *address, const char *listen_on) {
    listener->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return fail(listen_on, "socket", strerror(errno));
    int on = 1;
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!start_listening(listener, address->ai_addr, address->ai_addrlen, listen_on))
        return false;
    return write_url(listener) || fail(listen_on, "getsockname", strerror(errno));
}

static bool open_host_and_port(struct listener *listener, const char *listen_on) {
    char host[64];
    const char *colon = strrchr(listen_on, ':');
    const char *first = listen_on[0] == '[' ? listen_on + 1 : listen_on;
    const char *last = colon != NULL && colon > first && colon[-1] == ']' ? colon - 1 : colon;
    if (colon == NULL || last < first || (size_t)(last - first) >= sizeof host)
        return fail(listen_on, "read address", "must be address:port, [address]:port or unix:/path");
    memcpy(host, first, (size_t)(last - first));
    host[last - first] = '\0';

    struct addrinfo wish = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    struct addrinfo *address = NULL;
    int error = getaddrinfo(host[0] != '\0' ? host : NULL, colon + 1, &wish, &address);
    if (error != 0)
        return fail(listen_on, "read address", gai_strerror(error));
    bool is_open = open_inet(listener, address, listen_on);
    freeaddrinfo(address);
    return is_open;
}

/* ---- a socket that was opened for us ---- */

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
        return fail("LISTEN_FDS", "read count", "must be one socket");
    if (!is_listening(FIRST_ACTIVATED))
        return fail("LISTEN_FDS", "look at socket", "is no stream socket that listens");
    if (fcntl(FIRST_ACTIVATED, F_SETFD, FD_CLOEXEC) != 0 || fcntl(FIRST_ACTIVATED, F_SETFL, O_NONBLOCK) != 0)
        return fail("LISTEN_FDS", "set flags", strerror(errno));
    listener->fd = FIRST_ACTIVATED;
    listener->is_borrowed = true;
    if (!write_url(listener))
        snprintf(listener->url, sizeof listener->url, UNIX_PREFIX "(activated)");
    return true;
}

bool listener_open(struct listener *listener, const char *listen_on) {
    *listener = (struct listener){ .fd = -1 };
    char count[8];
    if (take_activation(count))
        return adopt(listener, count);
    bool is_unix = strncmp(listen_on, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
    bool is_open = is_unix ? open_unix(listener, listen_on) : open_host_and_port(listener, listen_on);
    if (!is_open && listener->fd >= 0)
        close(listener->fd);
    return is_open;
}

void listener_close_door(struct listener *listener) {
    /* A filter that lets nothing pass: the kernel drops what would begin a connection, and the client tries again a second later,
     * when this socket has gone, or a successor has it. Closing the socket now would reset everybody in its queue. */
    struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = { .len = 1, .filter = &drop_all };
    if (listener->is_borrowed)
        return;
    if (listener->unix_path[0] != '\0')
        listener_forget_path(listener);
    else
        setsockopt(listener->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

bool listener_has_guests(const struct listener *listener) {
    struct pollfd look = { .fd = listener->fd, .events = POLLIN };
    return poll(&look, 1, 0) == 1 && (look.revents & POLLIN) != 0;
}

void listener_forget_path(struct listener *listener) {
    struct stat file;
    if (listener->unix_path[0] != '\0' && lstat(listener->unix_path, &file) == 0 && file.st_dev == listener->device &&
        file.st_ino == listener->inode)
        unlink(listener->unix_path);
    listener->unix_path[0] = '\0';
}
