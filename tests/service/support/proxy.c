#include "proxy.h"

#include "jwtd/clock.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINKS_MAX 128
#define PIECE_SIZE 16384
#define BODY_KEPT 128
#define ARRIVALS_MAX 4096

/* Finds the messages in a stream: a type (none for the startup message), four bytes of length that count themselves, a body. */
struct scanner {
    bool is_startup;
    unsigned char head[5];
    size_t head_len;
    uint32_t left;
    char body[BODY_KEPT]; /* its beginning, NUL behind it */
    size_t body_len;
};

struct stream {
    int from, to;
    char bytes[PIECE_SIZE];
    size_t len; /* 0: free for the next piece */
    int64_t due_us;
    struct scanner scanner;
};

struct link {
    struct stream up, down; /* to the server, to the client */
    bool loses_answer;      /* what the server says is thrown away until it is ready for the next statement */
    bool has_lost;
};

struct proxy {
    pthread_t thread;
    int listener, port, server_port;
    int wake[2];
    pthread_mutex_t lock; /* guards all that follows; the thread lets go of it only while it waits */
    pthread_cond_t looked;
    unsigned rounds; /* of the thread: a caller that changes something waits for the next one to end */
    bool stopping, cutting;
    enum proxy_mode mode;
    int delay_ms;
    char statement[64];
    unsigned to_lose, lost;
    int64_t arrivals_us[ARRIVALS_MAX];
    size_t arrivals;
    struct link *links[LINKS_MAX];
    size_t count;
};

/* ---- connections ---- */

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void reset(int fd) {
    static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static int connect_to_server(int port) {
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static void cut(struct proxy *proxy, size_t index) {
    struct link *link = proxy->links[index];
    reset(link->up.from);
    reset(link->up.to);
    free(link);
    proxy->links[index] = proxy->links[--proxy->count];
}

static void cut_all(struct proxy *proxy) {
    while (proxy->count > 0)
        cut(proxy, 0);
}

static void add_link(struct proxy *proxy, int client) {
    int one = 1;
    bool needs_server = proxy->mode != PROXY_SWALLOWS && proxy->mode != PROXY_HANGS_UP;
    int server = needs_server ? connect_to_server(proxy->server_port) : -1;
    struct link *link = calloc(1, sizeof *link);
    if (link == NULL || proxy->count == LINKS_MAX || (server < 0 && needs_server)) {
        free(link);
        reset(server);
        reset(client);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    link->up.from = link->down.to = client;
    link->up.to = link->down.from = server;
    link->up.scanner.is_startup = true;
    link->has_lost = server < 0;
    proxy->links[proxy->count++] = link;
}

static void take_connection(struct proxy *proxy) {
    int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    if (proxy->arrivals < ARRIVALS_MAX)
        proxy->arrivals_us[proxy->arrivals++] = clock_monotonic_us();
    if (proxy->mode == PROXY_REFUSES)
        reset(client);
    else
        add_link(proxy, client);
}

/* ---- messages ---- */

static void note_message(struct proxy *proxy, struct link *link, const struct stream *stream) {
    const struct scanner *scanner = &stream->scanner;
    char type = (char)scanner->head[0];
    /* Bind: the name of a portal, the name of the statement */
    if (stream == &link->up && type == 'B' && proxy->to_lose > 0) {
        const char *statement = scanner->body + strlen(scanner->body) + 1;
        link->loses_answer = link->loses_answer || strcmp(statement, proxy->statement) == 0;
    }
}

static bool is_ready_for_query(const struct link *link, const struct stream *stream) {
    return stream == &link->down && stream->scanner.head[0] == 'Z';
}

static void keep_body(struct scanner *scanner, char byte) {
    if (scanner->body_len < BODY_KEPT - 2)
        scanner->body[scanner->body_len++] = byte;
    scanner->body[scanner->body_len] = '\0';
    scanner->body[scanner->body_len + 1] = '\0';
}

/* True when the head is whole; `left` is the length of the body then. */
static bool take_head(struct scanner *scanner, unsigned char byte) {
    if (scanner->is_startup && scanner->head_len == 0)
        scanner->head[scanner->head_len++] = 0;
    scanner->head[scanner->head_len++] = byte;
    if (scanner->head_len < sizeof scanner->head)
        return false;
    uint32_t len;
    memcpy(&len, scanner->head + 1, sizeof len);
    scanner->left = ntohl(len) - 4;
    scanner->body_len = 0;
    scanner->body[0] = scanner->body[1] = '\0';
    return true;
}

/* Checks one more piece. True: it ends the reply that is to be lost. */
static bool scan(struct proxy *proxy, struct link *link, struct stream *stream) {
    struct scanner *scanner = &stream->scanner;
    bool is_end = false;
    for (size_t i = 0; i < stream->len; i++) {
        bool is_whole = true;
        if (scanner->head_len < sizeof scanner->head) {
            is_whole = take_head(scanner, (unsigned char)stream->bytes[i]);
        } else {
            keep_body(scanner, stream->bytes[i]);
            scanner->left--;
        }
        if (!is_whole || scanner->left > 0)
            continue;
        note_message(proxy, link, stream);
        is_end = is_end || (link->loses_answer && is_ready_for_query(link, stream));
        scanner->head_len = 0;
        scanner->is_startup = false;
    }
    return is_end;
}

/* ---- pieces ---- */

static bool send_all(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* Reads a piece. False: the link has come to its end. */
static bool take_piece(struct proxy *proxy, struct link *link, struct stream *stream) {
    ssize_t got = recv(stream->from, stream->bytes, sizeof stream->bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0 || proxy->mode == PROXY_HANGS_UP)
        return false;
    stream->len = (size_t)got;
    if (proxy->mode == PROXY_SWALLOWS) {
        link->has_lost = true;
        stream->len = 0;
        return true;
    }
    bool was_losing = link->loses_answer;
    if (scan(proxy, link, stream)) {
        proxy->to_lose -= proxy->to_lose > 0 ? 1 : 0;
        proxy->lost++;
        return false;
    }
    if (stream == &link->down && was_losing)
        stream->len = 0;
    stream->due_us = clock_monotonic_us() + proxy->delay_ms * INT64_C(1000);
    return true;
}

static bool hand_on(struct stream *stream) {
    bool is_sent = send_all(stream->to, stream->bytes, stream->len);
    stream->len = 0;
    return is_sent;
}

static bool wants_piece(const struct proxy *proxy, const struct stream *stream) {
    return stream->from >= 0 && stream->len == 0 && proxy->mode != PROXY_HOLDS;
}

static bool can_hand_on(const struct proxy *proxy, const struct stream *stream) {
    return stream->len > 0 && proxy->mode == PROXY_FORWARDS && clock_monotonic_us() >= stream->due_us;
}

/* ---- the thread ---- */

static int fill_polls(const struct proxy *proxy, struct pollfd *polls) {
    int timeout_ms = -1;
    polls[0] = (struct pollfd){ .fd = proxy->wake[0], .events = POLLIN };
    polls[1] = (struct pollfd){ .fd = proxy->mode == PROXY_HOLDS ? -1 : proxy->listener, .events = POLLIN };
    for (size_t i = 0; i < proxy->count; i++) {
        const struct stream *streams[] = { &proxy->links[i]->up, &proxy->links[i]->down };
        for (size_t j = 0; j < 2; j++) {
            bool wants = wants_piece(proxy, streams[j]);
            polls[2 + i * 2 + j] = (struct pollfd){ .fd = wants ? streams[j]->from : -1, .events = POLLIN };
            if (streams[j]->len > 0 && proxy->mode == PROXY_FORWARDS)
                timeout_ms = 1;
        }
    }
    return timeout_ms;
}

static void serve_links(struct proxy *proxy, const struct pollfd *polls, size_t polled) {
    for (size_t i = polled; i-- > 0;) {
        struct link *link = proxy->links[i];
        struct stream *streams[] = { &link->up, &link->down };
        bool goes_on = true;
        for (size_t j = 0; j < 2 && goes_on; j++) {
            if (polls[2 + i * 2 + j].revents != 0)
                goes_on = take_piece(proxy, link, streams[j]);
            if (goes_on && can_hand_on(proxy, streams[j]))
                goes_on = hand_on(streams[j]);
        }
        if (!goes_on)
            cut(proxy, i);
    }
}

static void drain_wake(const struct proxy *proxy) {
    char bytes[64];
    while (read(proxy->wake[0], bytes, sizeof bytes) > 0)
        continue;
}

static void *run(void *context) {
    struct proxy *proxy = context;
    struct pollfd polls[2 + 2 * LINKS_MAX];
    pthread_mutex_lock(&proxy->lock);
    while (!proxy->stopping) {
        int timeout_ms = fill_polls(proxy, polls);
        size_t polled = proxy->count;
        pthread_mutex_unlock(&proxy->lock);
        poll(polls, 2 + 2 * polled, timeout_ms);
        pthread_mutex_lock(&proxy->lock);
        drain_wake(proxy);
        if (proxy->cutting) {
            cut_all(proxy);
            proxy->cutting = false;
        } else {
            serve_links(proxy, polls, polled);
        }
        if (polls[1].revents != 0)
            take_connection(proxy);
        proxy->rounds++;
        pthread_cond_broadcast(&proxy->looked);
    }
    cut_all(proxy);
    pthread_mutex_unlock(&proxy->lock);
    return NULL;
}

/* ---- from outside ---- */

static void open_listener(struct proxy *proxy) {
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(proxy->listener, 0);
    ck_assert_int_eq(bind(proxy->listener, (const struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(proxy->listener, 256), 0);
    ck_assert_int_eq(getsockname(proxy->listener, (struct sockaddr *)&address, &size), 0);
    proxy->port = ntohs(address.sin_port);
}

struct proxy *proxy_start(int server_port) {
    struct proxy *proxy = calloc(1, sizeof *proxy);
    ck_assert_ptr_nonnull(proxy);
    proxy->server_port = server_port;
    open_listener(proxy);
    ck_assert_int_eq(pipe2(proxy->wake, O_CLOEXEC | O_NONBLOCK), 0);
    pthread_mutex_init(&proxy->lock, NULL);
    pthread_cond_init(&proxy->looked, NULL);
    ck_assert_int_eq(pthread_create(&proxy->thread, NULL, run, proxy), 0);
    return proxy;
}

int proxy_port(const struct proxy *proxy) {
    return proxy->port;
}

static void wake(struct proxy *proxy) {
    ck_assert_int_eq(write(proxy->wake[1], "", 1), 1);
}

/* The lock is held; releases it when the thread has acted on what was changed. */
static void unlock_when_done(struct proxy *proxy) {
    unsigned rounds = proxy->rounds;
    wake(proxy);
    while (proxy->rounds == rounds)
        pthread_cond_wait(&proxy->looked, &proxy->lock);
    pthread_mutex_unlock(&proxy->lock);
}

void proxy_stop(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->lock);
    proxy->stopping = true;
    wake(proxy);
    pthread_mutex_unlock(&proxy->lock);
    pthread_join(proxy->thread, NULL);
    close(proxy->listener);
    close(proxy->wake[0]);
    close(proxy->wake[1]);
    pthread_cond_destroy(&proxy->looked);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

static void drop_bytes_of_losers(struct proxy *proxy) {
    for (size_t i = 0; i < proxy->count; i++)
        proxy->cutting = proxy->cutting || proxy->links[i]->has_lost;
}

void proxy_set_mode(struct proxy *proxy, enum proxy_mode mode) {
    pthread_mutex_lock(&proxy->lock);
    proxy->mode = mode;
    if (mode == PROXY_REFUSES || mode == PROXY_HANGS_UP)
        proxy->cutting = true;
    if (mode == PROXY_FORWARDS)
        drop_bytes_of_losers(proxy);
    unlock_when_done(proxy);
}

void proxy_set_delay(struct proxy *proxy, int ms) {
    pthread_mutex_lock(&proxy->lock);
    proxy->delay_ms = ms;
    unlock_when_done(proxy);
}

void proxy_cut(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->lock);
    proxy->cutting = true;
    unlock_when_done(proxy);
}

void proxy_lose_answers(struct proxy *proxy, const char *statement, unsigned times) {
    ck_assert_uint_lt(strlen(statement), sizeof proxy->statement);
    pthread_mutex_lock(&proxy->lock);
    memcpy(proxy->statement, statement, strlen(statement) + 1);
    proxy->to_lose = times;
    proxy->lost = 0;
    unlock_when_done(proxy);
}

unsigned proxy_losses(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->lock);
    unsigned lost = proxy->lost;
    pthread_mutex_unlock(&proxy->lock);
    return lost;
}

void proxy_clear_arrivals(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->lock);
    proxy->arrivals = 0;
    pthread_mutex_unlock(&proxy->lock);
}

size_t proxy_arrivals(struct proxy *proxy, int64_t *times_us, size_t max) {
    pthread_mutex_lock(&proxy->lock);
    size_t count = proxy->arrivals < max ? proxy->arrivals : max;
    memcpy(times_us, proxy->arrivals_us, count * sizeof *times_us);
    pthread_mutex_unlock(&proxy->lock);
    return count;
}
