#include "self_check.h"

#include "jwtd/clock.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DUP_TRIES 64

/* A duplicate of `fd` whose number belongs to thread `thread`; -1: there is none. Closes `fd`. */
static int dup_for_thread(int fd, unsigned thread, unsigned threads) {
    int lowest = (int)thread, copy = -1;
    for (int tries = 0; tries < DUP_TRIES; tries++) {
        copy = fcntl(fd, F_DUPFD_CLOEXEC, lowest);
        if (copy < 0 || (unsigned)copy % threads == thread)
            break;
        close(copy);
        lowest = copy + (int)((thread + threads - (unsigned)copy % threads) % threads);
        copy = -1;
    }
    close(fd);
    return copy;
}

static bool hand_over(struct MHD_Daemon *daemon, int fd) {
    /* as accept(2) names the client of a Unix socket */
    static const struct sockaddr unnamed = { .sa_family = AF_UNIX };
    return MHD_add_connection(daemon, fd, &unnamed, sizeof unnamed.sa_family) == MHD_YES;
}

/* Our half of a connection with this thread, on which a request has been sent; -1: it could not be made. */
static int send_request(struct MHD_Daemon *daemon, unsigned thread, unsigned threads) {
    static const char request[] = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return -1;
    int theirs = dup_for_thread(ends[1], thread, threads);
    bool is_sent = theirs >= 0 && hand_over(daemon, theirs) &&
                   send(ends[0], request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)(sizeof request - 1);
    if (is_sent)
        return ends[0];
    close(ends[0]);
    return -1;
}

static bool is_answered(int fd, int64_t deadline_us) {
    struct pollfd reply = { .fd = fd, .events = POLLIN };
    char first[16];
    int64_t left_us = deadline_us - clock_monotonic_us();
    int left_ms = left_us > 0 ? (int)((left_us + 999) / 1000) : 0;
    return poll(&reply, 1, left_ms) == 1 && recv(fd, first, sizeof first, 0) > 0;
}

bool self_check(struct MHD_Daemon *daemon, unsigned threads, int64_t deadline_us) {
    int *ours = calloc(threads, sizeof *ours);
    bool all_answer = true;
    if (ours == NULL)
        return true;
    for (unsigned i = 0; i < threads; i++)
        ours[i] = send_request(daemon, i, threads);
    for (unsigned i = 0; i < threads; i++) {
        if (ours[i] < 0)
            continue;
        all_answer = all_answer && is_answered(ours[i], deadline_us);
        close(ours[i]);
    }
    free(ours);
    return all_answer;
}
