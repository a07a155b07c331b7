#include "acceptor.h"

#include "connections.h"
#include "http_metrics.h"

#include "jwtd/activity.h"
#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/metrics.h"
#include "jwtd/overload_episode.h"
#include "jwtd/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_MS 100
#define QUIET_POLL_MS 500
/* How long one round of the loop takes with nothing to do, so that a thread that is stuck can be recognised. */
#define IDLE_POLL_MS 1000

/* In this episode. */
struct refusals {
    uint64_t answered, closed, without_descriptor;
};

struct acceptor {
    enum route_listener listener;
    int listen_fd;
    int wake_fd;  /* readable when the thread is to end */
    int spare_fd; /* -1: it was closed, and could not be opened again */
    struct MHD_Daemon *daemon;
    struct connections *connections;
    struct overload_episode episode; /* this and the next belong to the thread */
    struct refusals refusals;
    _Atomic int64_t round_us; /* when the last round ended */
    struct thread thread;
};

static void note_refusal(struct acceptor *acceptor, uint64_t *count, const char *reason) {
    (*count)++;
    if (overload_episode_note(&acceptor->episode, clock_monotonic_us()))
        log_event(LOG_WARN, "refusing_connections_started", "listener=%s reason=%s",
                  metric_value(METRIC_SET_LISTENER, acceptor->listener), reason);
}

static void log_end_of_episode(struct acceptor *acceptor, int64_t now_us) {
    const struct refusals *refusals = &acceptor->refusals;
    int64_t lasted_us;
    if (!overload_episode_has_ended(&acceptor->episode, now_us, &lasted_us))
        return;
    log_event(LOG_WARN, "refusing_connections_stopped", "listener=%s answered=%llu closed=%llu without_descriptor=%llu ms=%lld",
              metric_value(METRIC_SET_LISTENER, acceptor->listener), (unsigned long long)refusals->answered,
              (unsigned long long)refusals->closed, (unsigned long long)refusals->without_descriptor,
              (long long)(lasted_us / 1000));
    acceptor->refusals = (struct refusals){ .answered = 0 };
}

static void hand_over(struct acceptor *acceptor, int fd, const struct sockaddr_storage *peer, socklen_t len) {
    const struct sockaddr *generic = (const struct sockaddr *)peer;
    struct address address = address_of_socket(generic);
    enum connection_admission admission = connections_admit(acceptor->connections, fd, &address);
    bool is_of_address = admission == ADMIT_TO_REFUSE_ADDRESS || admission == REJECT_ADDRESS;
    const char *reason = is_of_address ? "address_limit" : "limit";
    if (admission == REJECT || admission == REJECT_ADDRESS) {
        note_refusal(acceptor, &acceptor->refusals.closed, reason);
        http_metrics_note_closed(acceptor->listener, is_of_address);
        close(fd);
        return;
    }
    if (admission != ADMIT)
        note_refusal(acceptor, &acceptor->refusals.answered, reason);
    /* the library closes the descriptor, also when it fails */
    if (MHD_add_connection(acceptor->daemon, fd, generic, len) != MHD_YES) {
        connections_cancel(acceptor->connections, fd);
        note_refusal(acceptor, &acceptor->refusals.closed, "memory");
        http_metrics_note_closed(acceptor->listener, false);
    }
}

static bool is_exhaustion(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Lets a client see the end of its connection rather than nothing at all. */
static bool close_one_by_spare(struct acceptor *acceptor) {
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
    int fd = accept4(acceptor->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        close(fd);
    acceptor->spare_fd = fcntl(acceptor->wake_fd, F_DUPFD_CLOEXEC, 0);
    return fd >= 0;
}

static void pause_accepting(const struct acceptor *acceptor) {
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
        return; /* the client has disconnected */
    note_refusal(acceptor, &acceptor->refusals.without_descriptor, "descriptors");
    http_metrics_note_closed(acceptor->listener, false);
    if (!close_one_by_spare(acceptor))
        pause_accepting(acceptor);
}

static void accept_main(void *context) {
    struct acceptor *acceptor = context;
    struct pollfd fds[] = { { .fd = acceptor->wake_fd, .events = POLLIN }, { .fd = acceptor->listen_fd, .events = POLLIN } };
    while (fds[0].revents == 0) {
        bool has_episode = overload_episode_ends_us(&acceptor->episode) != INT64_MAX;
        activity_set(ACTIVITY_WAITS);
        int ready = poll(fds, 2, has_episode ? QUIET_POLL_MS : IDLE_POLL_MS);
        activity_set("accepts");
        if (ready > 0 && fds[1].revents != 0)
            accept_one(acceptor);
        log_end_of_episode(acceptor, clock_monotonic_us());
        atomic_store_explicit(&acceptor->round_us, clock_monotonic_us(), memory_order_relaxed);
    }
}

static void free_acceptor(struct acceptor *acceptor) {
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
    if (acceptor->wake_fd >= 0)
        close(acceptor->wake_fd);
    free(acceptor);
}

struct acceptor *acceptor_start(enum route_listener listener, int listen_fd, struct MHD_Daemon *daemon,
                                struct connections *connections) {
    struct acceptor *acceptor = calloc(1, sizeof *acceptor);
    if (acceptor == NULL)
        return NULL;
    *acceptor = (struct acceptor){ .listener = listener, .listen_fd = listen_fd, .daemon = daemon, .connections = connections };
    atomic_init(&acceptor->round_us, clock_monotonic_us());
    acceptor->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    acceptor->spare_fd = acceptor->wake_fd >= 0 ? fcntl(acceptor->wake_fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (acceptor->spare_fd >= 0 && thread_start(&acceptor->thread, listener == LISTENER_PUBLIC ? "accept" : "ops-accept",
                                                accept_main, acceptor) == STATUS_OK)
        return acceptor;
    free_acceptor(acceptor);
    return NULL;
}

bool acceptor_is_alive(const struct acceptor *acceptor, int64_t limit_us) {
    int64_t silent_us = clock_monotonic_us() - atomic_load_explicit(&acceptor->round_us, memory_order_relaxed);
    return silent_us < IDLE_POLL_MS * INT64_C(1000) + limit_us;
}

void acceptor_stop(struct acceptor *acceptor) {
    eventfd_write(acceptor->wake_fd, 1);
    thread_join(&acceptor->thread);
    log_end_of_episode(acceptor, INT64_MAX);
    free_acceptor(acceptor);
}
