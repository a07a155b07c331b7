#include "acceptor.h"

#include "connections.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_MS 100
/* Connections are turned away in bursts, as others end: a shorter peace is part of the same storm. */
#define PEACE_US (2 * CLOCK_US_PER_S)
#define PEACE_LOOK_MS 500
/* It goes round as often with nothing to do, so that it can be told from one that is stuck. */
#define IDLE_LOOK_MS 1000

/* What has been turned away since `since_us`; 0: nothing is. */
struct storm {
    int64_t since_us, last_us;
    uint64_t answered, closed, without_descriptor;
};

struct acceptor {
    int listen_fd;
    int wake_fd;  /* readable: stop */
    int spare_fd; /* -1: it is in use, and no other was to be had */
    struct MHD_Daemon *daemon;
    struct connections *connections;
    struct storm storm;       /* the thread's */
    _Atomic int64_t round_us; /* when the last round began */
    pthread_t thread;
};

static void note(struct storm *storm, uint64_t *count, const char *reason) {
    storm->last_us = clock_monotonic_us();
    (*count)++;
    if (storm->since_us != 0)
        return;
    storm->since_us = storm->last_us;
    log_event(LOG_WARN, "refusing_connections_started", "reason=%s", reason);
}

static void end_storm(struct storm *storm, int64_t peace_us) {
    if (storm->since_us == 0 || clock_monotonic_us() < storm->last_us + peace_us)
        return;
    log_event(LOG_WARN, "refusing_connections_stopped", "answered=%llu closed=%llu without_descriptor=%llu ms=%lld",
              (unsigned long long)storm->answered, (unsigned long long)storm->closed,
              (unsigned long long)storm->without_descriptor, (long long)((storm->last_us - storm->since_us) / 1000));
    *storm = (struct storm){ .since_us = 0 };
}

static void hand_over(struct acceptor *acceptor, int fd, const struct sockaddr_storage *peer, socklen_t len) {
    const struct sockaddr *generic = (const struct sockaddr *)peer;
    struct address address = address_of_socket(generic);
    enum room room = connections_reserve(acceptor->connections, fd, &address);
    if (room == ROOM_NONE) {
        note(&acceptor->storm, &acceptor->storm.closed, "limit");
        close(fd);
        return;
    }
    if (room == ROOM_SPARE)
        note(&acceptor->storm, &acceptor->storm.answered, "limit");
    /* the library closes the descriptor, also when it fails */
    if (MHD_add_connection(acceptor->daemon, fd, generic, len) != MHD_YES) {
        connections_cancel(acceptor->connections, fd);
        note(&acceptor->storm, &acceptor->storm.closed, "memory");
    }
}

static bool is_exhaustion(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Lets a client see the end of its connection rather than nothing at all. */
static bool turn_away_by_spare(struct acceptor *acceptor) {
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
    int fd = accept4(acceptor->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        close(fd);
    acceptor->spare_fd = fcntl(acceptor->wake_fd, F_DUPFD_CLOEXEC, 0);
    return fd >= 0;
}

static void pause_for_a_while(const struct acceptor *acceptor) {
    struct pollfd wake = { .fd = acceptor->wake_fd, .events = POLLIN };
    poll(&wake, 1, PAUSE_MS);
}

static void accept_one(struct acceptor *acceptor) {
    struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof peer;
    int fd = accept4(acceptor->listen_fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        hand_over(acceptor, fd, &peer, len);
        return;
    }
    if (!is_exhaustion(errno))
        return; /* the client has gone again */
    note(&acceptor->storm, &acceptor->storm.without_descriptor, "descriptors");
    if (!turn_away_by_spare(acceptor))
        pause_for_a_while(acceptor);
}

static void *accept_connections(void *context) {
    struct acceptor *acceptor = context;
    struct pollfd look[] = { { .fd = acceptor->wake_fd, .events = POLLIN }, { .fd = acceptor->listen_fd, .events = POLLIN } };
    while (look[0].revents == 0) {
        int ready = poll(look, 2, acceptor->storm.since_us != 0 ? PEACE_LOOK_MS : IDLE_LOOK_MS);
        if (ready > 0 && look[1].revents != 0)
            accept_one(acceptor);
        end_storm(&acceptor->storm, PEACE_US);
        atomic_store_explicit(&acceptor->round_us, clock_monotonic_us(), memory_order_relaxed);
    }
    return NULL;
}

static int start_thread(struct acceptor *acceptor) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&acceptor->thread, NULL, accept_connections, acceptor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(acceptor->thread, "accept");
    errno = error;
    return error;
}

static void free_acceptor(struct acceptor *acceptor) {
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
    if (acceptor->wake_fd >= 0)
        close(acceptor->wake_fd);
    free(acceptor);
}

struct acceptor *acceptor_start(int listen_fd, struct MHD_Daemon *daemon, struct connections *connections) {
    struct acceptor *acceptor = calloc(1, sizeof *acceptor);
    if (acceptor == NULL)
        return NULL;
    *acceptor = (struct acceptor){ .listen_fd = listen_fd, .daemon = daemon, .connections = connections };
    atomic_init(&acceptor->round_us, clock_monotonic_us());
    acceptor->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    acceptor->spare_fd = acceptor->wake_fd >= 0 ? fcntl(acceptor->wake_fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (acceptor->spare_fd >= 0 && start_thread(acceptor) == 0)
        return acceptor;
    free_acceptor(acceptor);
    return NULL;
}

bool acceptor_is_alive(const struct acceptor *acceptor, int64_t limit_us) {
    int64_t silent_us = clock_monotonic_us() - atomic_load_explicit(&acceptor->round_us, memory_order_relaxed);
    return silent_us < IDLE_LOOK_MS * INT64_C(1000) + limit_us;
}

void acceptor_stop(struct acceptor *acceptor) {
    eventfd_write(acceptor->wake_fd, 1);
    pthread_join(acceptor->thread, NULL);
    end_storm(&acceptor->storm, 0);
    free_acceptor(acceptor);
}
