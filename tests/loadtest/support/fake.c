#include "fake.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 4096
#define WAITING_MAX 65536
#define REQUEST_SIZE 4096
#define REPLY_SIZE 1024
#define EVENTS 256

struct client {
    char request[REQUEST_SIZE];
    size_t len;
};

struct waiting {
    int fd;
    int64_t due_ns;
    char reply[REPLY_SIZE];
};

static struct {
    struct fake_behaviour behaviour;
    int listener, epoll;
    struct client clients[CLIENTS_MAX];
    struct waiting waiting[WAITING_MAX]; /* a ring, by due_ns */
    size_t first, count;
    int64_t busy_until_ns, begin_ns, frozen_ns;
    double tokens;
    int64_t refilled_ns;
    unsigned requests;
} server;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- replies ---- */

static void write_reply(char reply[REPLY_SIZE], const char *status, const char *headers, const char *body) {
    snprintf(reply, REPLY_SIZE, "HTTP/1.1 %s\r\n%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status,
             headers, strlen(body), body);
}

/* With the address of the request, if it has one. */
static void write_user(char reply[REPLY_SIZE], const char *status, const char *request) {
    static const char mark[] = "\"email\":\"";
    const char *email = strstr(request, mark);
    char body[REPLY_SIZE / 2];
    int len = email != NULL ? (int)strcspn(email + sizeof mark - 1, "\"") : 0;
    snprintf(body, sizeof body, "{\"id\":\"x\",\"email\":\"%.*s\",\"roles\":[]}", len,
             email != NULL ? email + sizeof mark - 1 : "");
    write_reply(reply, status, "", body);
}

static void answer(const char *request, char reply[REPLY_SIZE]) {
    static const char tokens[] =
        "{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":900,\"refresh_token\":\"jr1_x\","
        "\"refresh_expires_in\":9000}";
    if (server.behaviour.raw != NULL)
        snprintf(reply, REPLY_SIZE, "%s", server.behaviour.raw);
    else if (server.behaviour.status != NULL)
        write_reply(reply, server.behaviour.status, "", "{}");
    else if (strncmp(request, "POST /auth/register ", 20) == 0)
        write_user(reply, "201 Created", request);
    else if (strncmp(request, "POST /auth/", 11) == 0)
        write_reply(reply, "200 OK", "",
                    server.behaviour.wrong_body != NULL && server.requests > server.behaviour.wrong_after
                        ? server.behaviour.wrong_body
                        : tokens);
    else if (strncmp(request, "GET /auth/me ", 13) == 0)
        write_user(reply, "200 OK", request);
    else
        write_reply(reply, "404 Not Found", "", "{}");
}

/* The number in "failpoint-12@example.org". */
static unsigned account_of(const char *request) {
    static const char mark[] = "\"failpoint-";
    const char *address = strstr(request, mark);
    return address == NULL ? 0 : (unsigned)strtoul(address + sizeof mark - 1, NULL, 10) % FAKE_ACCOUNTS;
}

/* How many times as long a request takes. */
static int cost_of(const char *request, bool is_login) {
    if (!is_login || server.behaviour.accounts == NULL)
        return 1;
    int *hash = &server.behaviour.accounts->hashes[account_of(request)];
    bool is_own = *hash == server.behaviour.hash;
    *hash = server.behaviour.hash;
    return is_own ? 1 : FAKE_REHASH_COST;
}

static bool is_over_limit(void) {
    if (server.behaviour.limit <= 0)
        return false;
    int64_t now = now_ns();
    server.tokens += (double)(now - server.refilled_ns) / 1e9 * server.behaviour.limit;
    if (server.tokens > server.behaviour.limit / 10)
        server.tokens = server.behaviour.limit / 10;
    server.refilled_ns = now;
    if (server.tokens < 1)
        return true;
    server.tokens -= 1;
    return false;
}

static void leak(void) {
    char *lost = server.behaviour.leak > 0 ? malloc(server.behaviour.leak) : NULL;
    if (lost != NULL)
        memset(lost, 1, server.behaviour.leak);
    __asm__ volatile("" : : "r"(lost) : "memory");
} /* NOLINT(clang-analyzer-unix.Malloc): a leak is what this is for */

/* ---- when ---- */

static void send_reply(int fd, const char *reply) {
    (void)send(fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void take(int fd, const char *request) {
    char reply[REPLY_SIZE];
    bool is_login = strncmp(request, "POST /auth/login ", 17) == 0;
    if (++server.requests == server.behaviour.crash_after)
        _exit(1);
    if (server.behaviour.closes) {
        if (server.behaviour.raw != NULL)
            send_reply(fd, server.behaviour.raw);
        shutdown(fd, SHUT_RDWR); /* the descriptor goes when its end is read */
        return;
    }
    if (server.behaviour.is_silent)
        return;
    leak();
    if (is_login && is_over_limit()) {
        write_reply(reply, "429 Too Many Requests", "Retry-After: 1\r\nRateLimit-Policy: \"login\";q=5;w=1\r\n", "{}");
        send_reply(fd, reply);
        return;
    }
    answer(request, reply);
    int64_t now = now_ns(), latency = (int64_t)(server.behaviour.latency_s * 1e9);
    if (server.behaviour.capacity <= 0 && latency == 0) {
        send_reply(fd, reply);
        return;
    }
    if (server.count == WAITING_MAX || (server.behaviour.queue > 0 && server.count >= server.behaviour.queue)) {
        write_reply(reply, "503 Service Unavailable", "Retry-After: 1\r\n", "{}");
        send_reply(fd, reply);
        return;
    }
    int64_t begin = server.busy_until_ns > now ? server.busy_until_ns : now;
    if (server.behaviour.capacity > 0)
        server.busy_until_ns = begin + (int64_t)(1e9 / server.behaviour.capacity) * cost_of(request, is_login);
    else
        server.busy_until_ns = now + latency;
    struct waiting *waiting = &server.waiting[(server.first + server.count++) % WAITING_MAX];
    waiting->fd = fd;
    waiting->due_ns = server.busy_until_ns;
    memcpy(waiting->reply, reply, sizeof reply);
}

static void send_due(void) {
    while (server.count > 0 && server.waiting[server.first].due_ns <= now_ns()) {
        send_reply(server.waiting[server.first].fd, server.waiting[server.first].reply);
        server.first = (server.first + 1) % WAITING_MAX;
        server.count--;
    }
}

static void freeze_if_due(void) {
    if (server.behaviour.freeze_every_s <= 0)
        return;
    int64_t period = (int64_t)(server.behaviour.freeze_every_s * 1e9);
    if (now_ns() - server.frozen_ns < period)
        return;
    server.frozen_ns += period;
    usleep((useconds_t)(server.behaviour.freeze_s * 1e6));
}

/* ---- connections ---- */

static void accept_all(void) {
    int fd;
    while ((fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int on = 1;
        if (fd >= CLIENTS_MAX) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        server.clients[fd].len = 0;
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
        epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static size_t length_of_request(const struct client *client) {
    const char *end = strstr(client->request, "\r\n\r\n");
    if (end == NULL)
        return 0;
    const char *field = strcasestr(client->request, "\r\ncontent-length:");
    size_t body = field != NULL && field < end ? strtoul(field + 17, NULL, 10) : 0;
    size_t len = (size_t)(end - client->request) + 4 + body;
    return len <= client->len ? len : 0;
}

static void read_client(int fd) {
    struct client *client = &server.clients[fd];
    ssize_t got = recv(fd, client->request + client->len, REQUEST_SIZE - 1 - client->len, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            close(fd);
        return;
    }
    client->len += (size_t)got;
    client->request[client->len] = '\0';
    size_t len = length_of_request(client);
    if (len == 0)
        return;
    take(fd, client->request);
    client->len -= len;
    memmove(client->request, client->request + len, client->len + 1);
}

static int wait_ms(void) {
    if (server.count == 0)
        return 20;
    int64_t left = server.waiting[server.first].due_ns - now_ns();
    return left <= 0 ? 0 : (left < 4000000 ? (int)(left / 1000000) + 1 : 5);
}

static void serve(void) {
    struct epoll_event events[EVENTS], event = { .events = EPOLLIN, .data.fd = server.listener };
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.listener, &event);
    server.begin_ns = server.frozen_ns = server.refilled_ns = now_ns();
    while (getppid() != 1) {
        int count = epoll_wait(server.epoll, events, EVENTS, wait_ms());
        freeze_if_due();
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == server.listener)
                accept_all();
            else
                read_client(events[i].data.fd);
        send_due();
    }
}

/* ---- for tests ---- */

struct fake_accounts *fake_accounts_create(void) {
    void *accounts = mmap(NULL, sizeof(struct fake_accounts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(accounts, MAP_FAILED);
    return accounts;
}

void fake_accounts_destroy(struct fake_accounts *accounts) {
    munmap(accounts, sizeof *accounts);
}

static void raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A queue of one connection that nobody accepts: the kernel does not answer those that come next. */
static void fill_queue(const struct sockaddr_in *address) {
    ck_assert_int_eq(listen(server.listener, 0), 0);
    for (int i = 0; i < 2; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        ck_assert_int_ge(fd, 0);
        (void)connect(fd, (const struct sockaddr *)address, sizeof *address);
    }
}

struct fake fake_start(const struct fake_behaviour *behaviour) {
    struct fake fake;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    server.behaviour = *behaviour;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(server.listener, 0);
    ck_assert_int_eq(bind(server.listener, (const struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(server.listener, 4096), 0);
    ck_assert_int_eq(getsockname(server.listener, (struct sockaddr *)&address, &len), 0);
    snprintf(fake.url, sizeof fake.url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    if (behaviour->is_full)
        fill_queue(&address);
    fake.pid = fork();
    ck_assert_int_ge(fake.pid, 0);
    if (fake.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        raise_descriptors();
        if (behaviour->is_full)
            pause();
        serve();
        _exit(0);
    }
    close(server.listener);
    return fake;
}

void fake_stop(struct fake *fake) {
    kill(fake->pid, SIGKILL);
    waitpid(fake->pid, NULL, 0);
}
