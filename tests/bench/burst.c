/*
 * burst: clients that connect to 127.0.0.1 in one moment; each sends one login, reads the beginning of the reply, and closes.
 *   burst ask PORT COUNT            prints: replies with 503, other ends, p50 and p99 from connect to reply in ms, and what one
 *                                   client has cost in us of processor time
 *   burst wait PORT COUNT SECONDS   reads no reply; prints the clients that were not closed in that time
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BODY "{\"email\":\"burst@example.org\",\"password\":\"a long walk by the sea\"}"
#define BODY_LEN 65
#define LIMIT_MS 20000.0
#define BATCH 32u /* connections between two looks at the replies */

static const char request[] =
    "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 65\r\n\r\n" BODY;
_Static_assert(sizeof BODY - 1 == BODY_LEN, "the header says how long the body is");

struct client {
    int fd;
    bool has_sent;
    double began_ms;
};

static struct burst {
    struct client *clients;
    double *latencies; /* the first `done` */
    unsigned count, done, refused, others;
    bool reads;
    int epoll;
} burst;

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void finish(struct client *client, bool is_refusal) {
    burst.latencies[burst.done++] = now_ms() - client->began_ms;
    burst.refused += is_refusal;
    burst.others += !is_refusal;
    close(client->fd);
}

static void handle(struct client *client, uint32_t events) {
    char reply[4096];
    if (!client->has_sent && (events & EPOLLOUT) != 0)
        client->has_sent = send(client->fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1;
    if (!burst.reads || (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) == 0)
        return;
    ssize_t got = recv(client->fd, reply, sizeof reply, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    finish(client, got > 12 && memcmp(reply, "HTTP/1.1 503", 12) == 0);
}

static void handle_events(int timeout_ms) {
    struct epoll_event events[256];
    int count = epoll_wait(burst.epoll, events, 256, timeout_ms);
    for (int i = 0; i < count; i++)
        handle(events[i].data.ptr, events[i].events);
}

static bool begin(struct client *client, const struct sockaddr_in *server) {
    int on = 1;
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = client };
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->began_ms = now_ms();
    int connected = connect(client->fd, (const struct sockaddr *)server, sizeof *server);
    return client->fd >= 0 && (connected == 0 || errno == EINPROGRESS) &&
           epoll_ctl(burst.epoll, EPOLL_CTL_ADD, client->fd, &event) == 0;
}

static bool begin_all(const char *port) {
    struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (unsigned i = 0; i < burst.count; i++) {
        if (!begin(&burst.clients[i], &server))
            return false;
        if (i % BATCH == BATCH - 1)
            handle_events(0);
    }
    return true;
}

static bool prepare(unsigned count, bool reads) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    burst = (struct burst){ .count = count, .reads = reads, .epoll = epoll_create1(EPOLL_CLOEXEC) };
    burst.clients = calloc(count, sizeof *burst.clients);
    burst.latencies = calloc(count, sizeof *burst.latencies);
    return count > 0 && burst.clients != NULL && burst.latencies != NULL && burst.epoll >= 0;
}

static int compare(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static double processor_us(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int ask(const char *port, unsigned count) {
    if (!prepare(count, true) || !begin_all(port))
        return 1;
    double end_ms = now_ms() + LIMIT_MS;
    while (burst.done < count && now_ms() < end_ms)
        handle_events(1000);
    if (burst.done == 0)
        return 1;
    qsort(burst.latencies, burst.done, sizeof *burst.latencies, compare);
    printf("%u %u %.1f %.1f %.1f\n", burst.refused, burst.count - burst.refused, burst.latencies[burst.done / 2],
           burst.latencies[burst.done * 99 / 100], processor_us() / count);
    return 0;
}

static bool is_open(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

static int wait_for(const char *port, unsigned count, double seconds) {
    if (!prepare(count, false) || !begin_all(port))
        return 1;
    double end_ms = now_ms() + seconds * 1e3;
    while (now_ms() < end_ms)
        handle_events(100);
    unsigned open = 0;
    for (unsigned i = 0; i < count; i++)
        open += is_open(burst.clients[i].fd);
    printf("%u\n", open);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "ask") == 0)
        return ask(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "wait") == 0)
        return wait_for(argv[2], (unsigned)strtoul(argv[3], NULL, 10), strtod(argv[4], NULL));
    fprintf(stderr, "usage: burst ask PORT COUNT | burst wait PORT COUNT SECONDS\n");
    return 2;
}
