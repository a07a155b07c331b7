#include "connections.h"

#include "jwtd/clock.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LOOK_INTERVAL_S 1

struct connection {
    struct connection *next, *previous; /* the list's */
    int fd;
    int64_t told_until_us;      /* the HTTP thread's */
    pthread_mutex_t state_lock; /* guards what follows; of each connection, so that busy threads do not meet in one lock */
    enum connection_state state;
    int64_t since_us;        /* of the state */
    int64_t deadline_us;     /* CONNECTION_RECEIVING */
    bool had_request;        /* a kept connection may be idle for long; a new one is expected to speak */
    bool counted;            /* idle_bytes holds a reading */
    uint64_t idle_bytes;     /* received when the connection was first seen idle */
    int64_t header_since_us; /* 0: nothing has come since then */
};

struct connections {
    pthread_mutex_t list_lock;
    pthread_cond_t stop;
    struct connection *first;
    int64_t header_timeout_us;
    bool stopping;
    pthread_t thread;
};

/* The library does not tell when the first byte of a header comes on a kept connection; the kernel does. */
static bool received_bytes(int fd, uint64_t *bytes) {
    struct tcp_info info;
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return false;
    *bytes = info.tcpi_bytes_received;
    return true;
}

static bool idle_is_overdue(struct connection *connection, int64_t now_us, int64_t limit_us) {
    if (!connection->had_request)
        return now_us - connection->since_us > limit_us;
    uint64_t bytes;
    if (!received_bytes(connection->fd, &bytes))
        return false; /* a Unix socket: only local processes, and the library's timeout remains */
    if (!connection->counted) {
        connection->counted = true;
        connection->idle_bytes = bytes;
        return false;
    }
    if (bytes == connection->idle_bytes)
        return false;
    if (connection->header_since_us == 0)
        connection->header_since_us = now_us;
    return now_us - connection->header_since_us > limit_us;
}

static bool is_overdue(struct connection *connection, int64_t now_us, int64_t limit_us) {
    switch (connection->state) {
    case CONNECTION_IDLE:
        return idle_is_overdue(connection, now_us, limit_us);
    case CONNECTION_RECEIVING:
        return now_us > connection->deadline_us;
    case CONNECTION_BUSY:
        return false;
    }
    return false;
}

/* The list's lock is held: it keeps each connection from being closed in the meantime. */
static void shut_overdue(struct connections *connections) {
    int64_t now_us = clock_monotonic_us();
    for (struct connection *each = connections->first; each != NULL; each = each->next) {
        pthread_mutex_lock(&each->state_lock);
        if (is_overdue(each, now_us, connections->header_timeout_us))
            shutdown(each->fd, SHUT_RDWR);
        pthread_mutex_unlock(&each->state_lock);
    }
}

static void *look_after(void *context) {
    struct connections *connections = context;
    pthread_mutex_lock(&connections->list_lock);
    while (!connections->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOOK_INTERVAL_S;
        pthread_cond_timedwait(&connections->stop, &connections->list_lock, &until);
        shut_overdue(connections);
    }
    pthread_mutex_unlock(&connections->list_lock);
    return NULL;
}

struct connections *connections_create(int64_t header_timeout_us) {
    struct connections *connections = calloc(1, sizeof *connections);
    if (connections == NULL)
        return NULL;
    connections->header_timeout_us = header_timeout_us;
    pthread_mutex_init(&connections->list_lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&connections->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&connections->thread, NULL, look_after, connections);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        free(connections);
        return NULL;
    }
    pthread_setname_np(connections->thread, "reaper");
    return connections;
}

void connections_destroy(struct connections *connections) {
    pthread_mutex_lock(&connections->list_lock);
    connections->stopping = true;
    pthread_cond_signal(&connections->stop);
    pthread_mutex_unlock(&connections->list_lock);
    pthread_join(connections->thread, NULL);
    pthread_cond_destroy(&connections->stop);
    pthread_mutex_destroy(&connections->list_lock);
    free(connections);
}

struct connection *connections_add(struct connections *connections, int fd) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->fd = fd;
    pthread_mutex_init(&connection->state_lock, NULL);
    connection->since_us = clock_monotonic_us();
    pthread_mutex_lock(&connections->list_lock);
    connection->next = connections->first;
    if (connections->first != NULL)
        connections->first->previous = connection;
    connections->first = connection;
    pthread_mutex_unlock(&connections->list_lock);
    return connection;
}

void connections_remove(struct connections *connections, struct connection *connection) {
    pthread_mutex_lock(&connections->list_lock);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        connections->first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    pthread_mutex_unlock(&connections->list_lock);
    pthread_mutex_destroy(&connection->state_lock);
    free(connection);
}

void connection_set_state(struct connection *connection, enum connection_state state, int64_t deadline_us) {
    pthread_mutex_lock(&connection->state_lock);
    connection->state = state;
    connection->since_us = clock_monotonic_us();
    connection->deadline_us = deadline_us;
    connection->counted = false;
    connection->header_since_us = 0;
    connection->had_request = connection->had_request || state != CONNECTION_IDLE;
    pthread_mutex_unlock(&connection->state_lock);
}

void connection_tell(struct connection *connection, int64_t until_us) {
    connection->told_until_us = until_us;
}

int64_t connection_told_until_us(const struct connection *connection) {
    return connection->told_until_us;
}

bool connection_is_gone(const struct connection *connection) {
    struct pollfd look = { .fd = connection->fd, .events = POLLRDHUP };
    return poll(&look, 1, 0) == 1 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}
