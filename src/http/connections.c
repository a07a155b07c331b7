#include "connections.h"

#include "peers.h"

#include "jwtd/clock.h"
#include "jwtd/status.h"

#include <assert.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_INTERVAL_S 1
/* A look at a kept connection is a system call: thousands in a row would keep those waiting who come and go. The pause is long
 * enough for them to get the lock. */
#define LOOKS_AT_ONCE 128
#define PAUSE_US 50u
#define SPARE_SHARE 10
#define HURRY_US (2 * CLOCK_US_PER_S)
/* The library asks the kernel for edges and takes a short read for the end of what there is: it never notices the end of a stream
 * that came together with the last request, and would keep the connection for the whole of its timeout. */
#define HUNG_UP_US CLOCK_US_PER_S
#define STATE_CLOSE_WAIT 8 /* of the kernel's net/tcp_states.h; netinet/tcp.h has it too, but an older struct tcp_info */
#define PROBLEM_SIZE 512
/* An HTTP thread takes its new connections within a millisecond, and many at a time. */
#define RESERVATIONS_MAX 64
#define RESERVATION_LIMIT_US (CLOCK_US_PER_S / 2)

/* Counts a connection that has been accepted and not been added yet. */
struct reservation {
    int fd;
    enum room room;
    struct peer *peer; /* NULL: not counted by address */
    int64_t since_us;
};

struct connection {
    struct connection *next, *previous; /* the list's */
    struct connections *connections;
    struct peer *peer; /* NULL: not counted by address */
    int fd;
    bool is_too_many;
    struct exchange *exchange; /* this and the next are the HTTP thread's */
    int64_t retry_at_us;
    pthread_mutex_t state_lock; /* guards what follows; of each connection, so that busy threads do not meet in one lock */
    enum connection_state state;
    int64_t since_us;        /* of the state; of CONNECTION_HEADER the moment of its first byte */
    bool had_request;        /* a kept connection may be idle for long; a new one is expected to speak */
    bool has_hung_up;        /* idle, and the client has closed its side */
    bool counted;            /* idle_bytes holds a reading */
    uint64_t idle_bytes;     /* received when the connection was first seen idle */
    int64_t header_since_us; /* 0: nothing has come since then */
};

struct connections {
    struct connection_limits limits;
    struct problem {
        char bytes[PROBLEM_SIZE];
        size_t len;
    } problems[DIRECT_PROBLEMS]; /* whole replies */
    pthread_mutex_t list_lock;   /* guards the list, the counts, the reservations and the peers */
    pthread_cond_t stop;
    pthread_cond_t reservations_free; /* half of them, for the acceptor */
    struct connection *first;
    struct connection *next_look; /* of the thread, in its pauses */
    int64_t request_limit_us;     /* for a header or a body, if that is shorter than the limits say */
    unsigned count;
    struct reservation reservations[RESERVATIONS_MAX]; /* the first `reserved` */
    unsigned reserved;
    struct peers *peers;
    bool stopping;
    pthread_t thread;
};

/* ---- who is overdue ---- */

static bool read_tcp_info(int fd, struct tcp_info *info) {
    socklen_t len = sizeof *info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0;
}

/* The library does not tell when the first byte of a header comes on a kept connection; the kernel does. */
static bool received_bytes(int fd, uint64_t *bytes) {
    struct tcp_info info;
    if (!read_tcp_info(fd, &info))
        return false;
    *bytes = info.tcpi_bytes_received;
    return true;
}

static bool idle_is_overdue(struct connection *connection, int64_t now_us, int64_t limit_us) {
    if (!connection->had_request)
        return now_us - connection->since_us > limit_us;
    struct tcp_info info;
    if (!read_tcp_info(connection->fd, &info))
        return false; /* a Unix socket: only local processes, and the library's timeout remains */
    connection->has_hung_up = info.tcpi_state == STATE_CLOSE_WAIT && now_us - connection->since_us > HUNG_UP_US;
    if (connection->has_hung_up)
        return true;
    if (!connection->counted) {
        connection->counted = true;
        connection->idle_bytes = info.tcpi_bytes_received;
        return false;
    }
    if (info.tcpi_bytes_received == connection->idle_bytes)
        return false;
    if (connection->header_since_us == 0)
        connection->header_since_us = now_us;
    return now_us - connection->header_since_us > limit_us;
}

static int64_t shorter(int64_t a_us, int64_t b_us) {
    return a_us < b_us ? a_us : b_us;
}

/* The list's lock is held, too. */
static bool is_overdue(struct connection *connection, int64_t now_us) {
    const struct connections *connections = connection->connections;
    int64_t header_us = shorter(connections->limits.header_timeout_us, connections->request_limit_us);
    switch (connection->state) {
    case CONNECTION_IDLE:
        return idle_is_overdue(connection, now_us, header_us);
    case CONNECTION_HEADER:
        return now_us - connection->since_us > header_us;
    case CONNECTION_BODY:
        return now_us - connection->since_us > shorter(connections->limits.body_timeout_us, connections->request_limit_us);
    case CONNECTION_ANSWER:
        return now_us - connection->since_us > connections->limits.body_timeout_us;
    case CONNECTION_BUSY:
        return false;
    }
    return false;
}

/* Who has begun a request and gets no answer to it. A connection that was opened in advance, and never used, is closed without a
 * word: its owner would take one for the answer to the next request (RFC 9110 section 15.5.9). */
static bool is_owed_an_answer(const struct connection *connection) {
    uint64_t bytes;
    if (connection->has_hung_up)
        return false;
    if (connection->state == CONNECTION_IDLE)
        return connection->had_request || (received_bytes(connection->fd, &bytes) && bytes > 0);
    return connection->state == CONNECTION_HEADER || connection->state == CONNECTION_BODY;
}

/* Written past the library: it takes no reply while a request is coming in, and has none of its own on the way in these states.
 */
static void shut(const struct connection *connection) {
    if (is_owed_an_answer(connection))
        connection_send_problem(connection, DIRECT_REQUEST_TIMEOUT);
    if (connection->state == CONNECTION_ANSWER) {
        /* or the kernel would offer the rest for minutes to somebody who does not read */
        struct linger none = { .l_onoff = 1, .l_linger = 0 };
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    }
    shutdown(connection->fd, SHUT_RDWR);
}

/* The list's lock is held: it keeps the connection from being closed in the meantime. */
static void look_at(struct connection *connection, int64_t now_us) {
    pthread_mutex_lock(&connection->state_lock);
    if (is_overdue(connection, now_us))
        shut(connection);
    pthread_mutex_unlock(&connection->state_lock);
}

/* The list's lock is held, but in the pauses. */
static void shut_overdue(struct connections *connections) {
    int64_t now_us = clock_monotonic_us();
    connections->next_look = connections->first;
    for (unsigned looks = 1; connections->next_look != NULL; looks++) {
        struct connection *connection = connections->next_look;
        connections->next_look = connection->next;
        look_at(connection, now_us);
        if (looks % LOOKS_AT_ONCE == 0) {
            pthread_mutex_unlock(&connections->list_lock);
            usleep(PAUSE_US);
            pthread_mutex_lock(&connections->list_lock);
        }
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

/* ---- making and ending ---- */

static const enum status direct_statuses[DIRECT_PROBLEMS] = {
    [DIRECT_REQUEST_TIMEOUT] = STATUS_REQUEST_TIMEOUT,
    [DIRECT_HEADER_TOO_LARGE] = STATUS_HEADER_TOO_LARGE,
    [DIRECT_OUT_OF_MEMORY] = STATUS_OUT_OF_MEMORY,
};

static void write_problem(struct problem *problem, enum status status) {
    const struct status_info *info = status_info(status);
    char body[PROBLEM_SIZE / 2];
    int len =
        snprintf(body, sizeof body, "{\"type\":\"/docs#%s\",\"title\":\"%s\",\"status\":%u,\"detail\":\"%s\",\"code\":\"%s\"}",
                 info->name, info->title, info->http, info->detail, info->name);
    problem->len = (size_t)snprintf(problem->bytes, sizeof problem->bytes,
                                    "HTTP/1.1 %u %s\r\nConnection: close\r\nCache-Control: no-store\r\n"
                                    "X-Content-Type-Options: nosniff\r\n%sContent-Type: application/problem+json\r\n"
                                    "Content-Length: %d\r\n\r\n%s",
                                    info->http, info->title, info->retry_later ? "Retry-After: 1\r\n" : "", len, body);
    assert(len > 0 && (size_t)len < sizeof body && problem->len < sizeof problem->bytes);
}

static int start_thread(struct connections *connections) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&connections->thread, NULL, look_after, connections);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(connections->thread, "reaper");
    errno = error;
    return error;
}

struct connections *connections_create(const struct connection_limits *limits) {
    struct connections *connections = calloc(1, sizeof *connections);
    struct peers *peers = peers_create();
    if (connections == NULL || peers == NULL) {
        free(connections);
        free(peers);
        return NULL;
    }
    connections->limits = *limits;
    connections->request_limit_us = INT64_MAX;
    connections->peers = peers;
    for (size_t i = 0; i < DIRECT_PROBLEMS; i++)
        write_problem(&connections->problems[i], direct_statuses[i]);
    pthread_mutex_init(&connections->list_lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&connections->stop, &attributes);
    pthread_cond_init(&connections->reservations_free, &attributes);
    pthread_condattr_destroy(&attributes);
    if (start_thread(connections) == 0)
        return connections;
    peers_destroy(peers);
    free(connections);
    return NULL;
}

void connections_destroy(struct connections *connections) {
    assert(connections->count == 0); /* a reservation may be left, of a connection that the library closed unseen */
    pthread_mutex_lock(&connections->list_lock);
    connections->stopping = true;
    pthread_cond_signal(&connections->stop);
    pthread_mutex_unlock(&connections->list_lock);
    pthread_join(connections->thread, NULL);
    pthread_cond_destroy(&connections->stop);
    pthread_cond_destroy(&connections->reservations_free);
    pthread_mutex_destroy(&connections->list_lock);
    peers_destroy(connections->peers);
    free(connections);
}

/* ---- how many ---- */

unsigned connections_with_spare(unsigned limit) {
    return limit + limit / SPARE_SHARE + 1;
}

static bool is_limited(const struct connections *connections, const struct address *peer) {
    return connections->limits.per_address > 0 && peer->known && !cidr_list_contains(&connections->limits.trusted, peer);
}

static enum room room_in(unsigned count, unsigned limit) {
    if (count < limit)
        return ROOM_FREE;
    return count < connections_with_spare(limit) ? ROOM_SPARE : ROOM_NONE;
}

/* The list's lock is held. */
static enum room find_room(const struct connections *connections, const struct address *peer) {
    const struct connection_limits *limits = &connections->limits;
    enum room room = room_in(connections->count + connections->reserved, limits->total);
    if (room == ROOM_NONE || !is_limited(connections, peer))
        return room;
    enum room at_address = room_in(peers_count(connections->peers, peer), limits->per_address);
    enum room at_site = room_in(peers_count_site(connections->peers, peer), limits->per_address * SITE_MULTIPLE);
    enum room there = at_address > at_site ? at_address : at_site;
    return there > room ? there : room;
}

/* The list's lock is held. */
static struct reservation take_reservation(struct connections *connections, unsigned index) {
    struct reservation reservation = connections->reservations[index];
    connections->reservations[index] = connections->reservations[--connections->reserved];
    if (connections->reserved == RESERVATIONS_MAX / 2)
        pthread_cond_signal(&connections->reservations_free);
    return reservation;
}

/* The list's lock is held. False: this descriptor has none. */
static bool find_reservation(const struct connections *connections, int fd, unsigned *index) {
    for (*index = 0; *index < connections->reserved; ++*index)
        if (connections->reservations[*index].fd == fd)
            return true;
    return false;
}

/* The list's lock is held. */
static void cancel_reservation(struct connections *connections, int fd) {
    unsigned index;
    if (find_reservation(connections, fd, &index))
        peers_leave(connections->peers, take_reservation(connections, index).peer);
}

/* The list's lock is held. */
static void cancel_old_reservations(struct connections *connections) {
    int64_t limit_us = clock_monotonic_us() - RESERVATION_LIMIT_US;
    for (unsigned i = connections->reserved; i-- > 0;)
        if (connections->reservations[i].since_us <= limit_us)
            peers_leave(connections->peers, take_reservation(connections, i).peer);
}

/* The list's lock is held, but not while this waits. No reservation is newer than the wait, so that there is room after it. */
static void await_reservation(struct connections *connections) {
    int64_t until_us = clock_monotonic_us() + RESERVATION_LIMIT_US;
    struct timespec until = { .tv_sec = until_us / CLOCK_US_PER_S, .tv_nsec = until_us % CLOCK_US_PER_S * 1000 };
    int error = 0;
    while (connections->reserved > RESERVATIONS_MAX / 2 && error == 0)
        error = pthread_cond_timedwait(&connections->reservations_free, &connections->list_lock, &until);
    cancel_old_reservations(connections);
    assert(connections->reserved < RESERVATIONS_MAX);
}

enum room connections_reserve(struct connections *connections, int fd, const struct address *peer) {
    pthread_mutex_lock(&connections->list_lock);
    /* of an earlier connection that was closed without being added, or the number would not be free again */
    cancel_reservation(connections, fd);
    cancel_old_reservations(connections);
    if (connections->reserved == RESERVATIONS_MAX)
        await_reservation(connections);
    enum room room = find_room(connections, peer);
    if (room != ROOM_NONE) {
        struct peer *entered = is_limited(connections, peer) ? peers_enter(connections->peers, peer) : NULL;
        connections->reservations[connections->reserved++] =
            (struct reservation){ .fd = fd, .room = room, .peer = entered, .since_us = clock_monotonic_us() };
    }
    pthread_mutex_unlock(&connections->list_lock);
    return room;
}

void connections_cancel(struct connections *connections, int fd) {
    pthread_mutex_lock(&connections->list_lock);
    cancel_reservation(connections, fd);
    pthread_mutex_unlock(&connections->list_lock);
}

void connections_hurry(struct connections *connections) {
    pthread_mutex_lock(&connections->list_lock);
    connections->request_limit_us = HURRY_US;
    pthread_mutex_unlock(&connections->list_lock);
}

unsigned connections_count(struct connections *connections) {
    pthread_mutex_lock(&connections->list_lock);
    unsigned count = connections->count;
    pthread_mutex_unlock(&connections->list_lock);
    return count;
}

/* The list's lock is held. */
static void count_in(struct connections *connections, struct connection *connection, const struct address *peer) {
    unsigned index;
    if (find_reservation(connections, connection->fd, &index)) {
        struct reservation reservation = take_reservation(connections, index);
        connection->is_too_many = reservation.room != ROOM_FREE;
        connection->peer = reservation.peer;
    } else {
        connection->is_too_many = find_room(connections, peer) != ROOM_FREE;
        connection->peer = is_limited(connections, peer) ? peers_enter(connections->peers, peer) : NULL;
    }
    connections->count++;
}

struct connection *connections_add(struct connections *connections, int fd, const struct address *peer) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        connections_cancel(connections, fd);
        return NULL;
    }
    connection->connections = connections;
    connection->fd = fd;
    pthread_mutex_init(&connection->state_lock, NULL);
    connection->since_us = clock_monotonic_us();
    pthread_mutex_lock(&connections->list_lock);
    count_in(connections, connection, peer);
    connection->next = connections->first;
    if (connections->first != NULL)
        connections->first->previous = connection;
    connections->first = connection;
    pthread_mutex_unlock(&connections->list_lock);
    return connection;
}

void connections_remove(struct connections *connections, struct connection *connection) {
    assert(connection->exchange == NULL);
    pthread_mutex_lock(&connections->list_lock);
    if (connections->next_look == connection)
        connections->next_look = connection->next;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        connections->first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    connections->count--;
    peers_leave(connections->peers, connection->peer);
    pthread_mutex_unlock(&connections->list_lock);
    pthread_mutex_destroy(&connection->state_lock);
    free(connection);
}

/* ---- each ---- */

bool connection_is_too_many(const struct connection *connection) {
    return connection->is_too_many;
}

/* When the header began whose first line has just come. */
static int64_t header_begin_us(const struct connection *connection, int64_t now_us) {
    if (!connection->had_request)
        return connection->since_us;
    return connection->header_since_us != 0 ? connection->header_since_us : now_us;
}

void connection_set_state(struct connection *connection, enum connection_state state) {
    int64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&connection->state_lock);
    connection->since_us = state == CONNECTION_HEADER ? header_begin_us(connection, now_us) : now_us;
    connection->state = state;
    connection->counted = false;
    connection->header_since_us = 0;
    connection->had_request = connection->had_request || state != CONNECTION_IDLE;
    pthread_mutex_unlock(&connection->state_lock);
}

void connection_set_exchange(struct connection *connection, struct exchange *exchange) {
    assert((connection->exchange == NULL) != (exchange == NULL)); /* begun once, ended once */
    connection->exchange = exchange;
}

struct exchange *connection_exchange(const struct connection *connection) {
    return connection->exchange;
}

void connection_send_problem(const struct connection *connection, enum direct_problem problem) {
    const struct problem *reply = &connection->connections->problems[problem];
    (void)send(connection->fd, reply->bytes, reply->len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void connection_set_retry_at(struct connection *connection, int64_t at_us) {
    connection->retry_at_us = at_us;
}

int64_t connection_retry_at_us(const struct connection *connection) {
    return connection->retry_at_us;
}

int64_t connection_lag_us(const struct connection *connection) {
    struct tcp_info info;
    return read_tcp_info(connection->fd, &info) ? (int64_t)info.tcpi_last_data_recv * 1000 : 0;
}

bool connection_is_gone(const struct connection *connection) {
    struct pollfd look = { .fd = connection->fd, .events = POLLRDHUP };
    return poll(&look, 1, 0) == 1 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}
