/*
 * floor: answers every request with 503, at once; what the refusals of the service are compared with.
 *   floor library PORT THREADS   libmicrohttpd, used as the service uses it: connections come from a thread that accepts them
 *   floor kernel PORT THREADS    accept, recv, send: no HTTP at all
 * Beside its threads one of low priority, "crypto", keeps a core busy, as the service has one that hashes.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTION_MEMORY 10240 /* as in src/http */
#define BODY_LEN 300
#define BACKLOG 4096

static char body[BODY_LEN];
static int listener = -1;

static bool listen_on(const char *port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(listener, (const struct sockaddr *)&address, sizeof address) == 0 && listen(listener, BACKLOG) == 0;
}

/* ---- the library ---- */

static struct MHD_Response *make_response(void) {
    struct MHD_Response *response = MHD_create_response_from_buffer(BODY_LEN, body, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "X-Request-Id", "01a1ffc4-22be-7867-8b47-c09618655eb3");
    MHD_add_response_header(response, "Retry-After", "3");
    MHD_add_response_header(response, "Content-Type", "application/problem+json");
    return response;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_len, void **request) {
    (void)context, (void)url, (void)method, (void)version, (void)upload;
    if (*request == NULL || *upload_len > 0) {
        *request = connection;
        *upload_len = 0;
        return MHD_YES;
    }
    struct MHD_Response *response = make_response();
    enum MHD_Result queued = MHD_queue_response(connection, 503, response);
    MHD_destroy_response(response);
    return queued;
}

static void serve_by_library(unsigned threads) {
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET;
    struct MHD_OptionItem options[] = {
        { MHD_OPTION_CONNECTION_LIMIT, INT32_MAX, NULL },
        { MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL },
        { MHD_OPTION_CONNECTION_TIMEOUT, 60, NULL },
        { threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL },
        { MHD_OPTION_END, 0, NULL },
    };
    struct MHD_Daemon *daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, NULL, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    struct pollfd waiting = { .fd = listener, .events = POLLIN };
    while (daemon != NULL && poll(&waiting, 1, -1) == 1) {
        struct sockaddr_in peer;
        socklen_t len = sizeof peer;
        int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            MHD_add_connection(daemon, fd, (const struct sockaddr *)&peer, len);
    }
}

/* ---- the kernel ---- */

static char reply[1024];
static size_t reply_len;

static void add(int epoll, int fd, uint32_t events) {
    struct epoll_event event = { .events = events, .data.fd = fd };
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        close(fd);
}

static void accept_all(int epoll) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        add(epoll, fd, EPOLLIN | EPOLLRDHUP);
}

static void answer(int fd) {
    char request[4096];
    if (recv(fd, request, sizeof request, 0) <= 0)
        close(fd);
    else
        (void)send(fd, reply, reply_len, MSG_NOSIGNAL);
}

static void *serve_by_kernel(void *unused) {
    struct epoll_event events[128];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    add(epoll, listener, EPOLLIN | EPOLLEXCLUSIVE);
    for (;;) {
        int count = epoll_wait(epoll, events, 128, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listener)
                accept_all(epoll);
            else
                answer(events[i].data.fd);
    }
    return unused;
}

static void serve_without_library(unsigned threads) {
    pthread_t thread;
    reply_len = (size_t)snprintf(reply, sizeof reply,
                                 "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Length: %d\r\n\r\n%.*s", BODY_LEN,
                                 BODY_LEN, body);
    for (unsigned i = 1; i < threads; i++)
        pthread_create(&thread, NULL, serve_by_kernel, NULL);
    serve_by_kernel(NULL);
}

/* ---- beside it ---- */

static void *keep_busy(void *unused) {
    pthread_setname_np(pthread_self(), "crypto");
    setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
    for (volatile unsigned long count = 0;; count++)
        continue;
    return unused;
}

int main(int argc, char **argv) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    memset(body, 'x', sizeof body);
    unsigned threads = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    if (threads == 0 || !listen_on(argv[2])) {
        fprintf(stderr, "usage: floor library|kernel PORT THREADS\n");
        return 2;
    }
    pthread_t busy;
    pthread_create(&busy, NULL, keep_busy, NULL);
    if (strcmp(argv[1], "library") == 0)
        serve_by_library(threads);
    else
        serve_without_library(threads);
    return 1;
}
