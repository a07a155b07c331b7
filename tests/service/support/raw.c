#include "raw.h"

#include "recorder.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define SURPLUS_MS 200

int raw_connect(const struct server *server) {
    return raw_connect_from(server, "127.0.0.1");
}

int raw_connect_from(const struct server *server, const char *source) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)server->port) };
    struct sockaddr_in own = { .sin_family = AF_INET };
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    inet_pton(AF_INET, source, &own.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&own, sizeof own), 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    recorder_opened(fd);
    return fd;
}

/* The server may close in the middle, which is an answer too. */
void raw_send(int fd, const char *bytes, size_t len) {
    recorder_sent(fd, bytes, len);
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        len -= (size_t)sent;
    }
}

static void find_statuses(struct raw_reply *reply) {
    const char *at = reply->bytes;
    reply->count = 0;
    while (reply->count < 16 && (at = strstr(at, "HTTP/1.1 ")) != NULL) {
        at += strlen("HTTP/1.1 ");
        reply->statuses[reply->count++] = (int)strtol(at, NULL, 10);
    }
}

static void read_replies(int fd, size_t count, int wait_ms, int wait_behind_ms, struct raw_reply *reply) {
    struct pollfd readable = { .fd = fd, .events = POLLIN };
    *reply = (struct raw_reply){ .len = 0 };
    while (reply->len < sizeof reply->bytes - 1 && poll(&readable, 1, reply->count < count ? wait_ms : wait_behind_ms) == 1) {
        ssize_t got = recv(fd, reply->bytes + reply->len, sizeof reply->bytes - 1 - reply->len, 0);
        if (got <= 0) {
            reply->closed = true;
            break;
        }
        reply->len += (size_t)got;
        find_statuses(reply);
    }
    recorder_received(fd, reply->bytes, reply->len);
}

void raw_read(int fd, int wait_ms, struct raw_reply *reply) {
    read_replies(fd, 0, wait_ms, wait_ms, reply);
}

void raw_read_replies(int fd, size_t count, struct raw_reply *reply) {
    read_replies(fd, count, PATIENCE_MS, SURPLUS_MS, reply);
}

void raw_exchange(const struct server *server, const char *bytes, size_t len, int wait_ms, struct raw_reply *reply) {
    int fd = raw_connect(server);
    raw_send(fd, bytes, len);
    raw_read(fd, wait_ms, reply);
    close(fd);
}

void raw_exchange_replies(const struct server *server, const char *bytes, size_t len, size_t count, struct raw_reply *reply) {
    int fd = raw_connect(server);
    raw_send(fd, bytes, len);
    raw_read_replies(fd, count, reply);
    close(fd);
}
