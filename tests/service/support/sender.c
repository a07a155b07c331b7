#include "sender.h"

#include "jwtd/clock.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT_ONCE 96
#define SILENCE_US 50000
#define PATIENCE_US (120 * CLOCK_US_PER_S) /* for replies that must come */
#define TURN_MS 5

struct line {
    int fd; /* -1: free */
    struct stream *stream;
    struct outcome *outcome;
    size_t sent;
    size_t len;
    int64_t heard_us;
    char bytes[16384]; /* of the replies, NUL behind them */
};

static int connect_to(int port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    struct linger at_once = { .l_onoff = 1 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    /* leaves no port in TIME_WAIT */
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    return fd;
}

static void read_reply(struct outcome *outcome, const char *reply, const char *end) {
    static const char field[] = "\r\nX-Request-Id: ";
    int status = (int)strtol(reply + strlen("HTTP/1.1 "), NULL, 10);
    if (status < 200 || outcome->replies == REPLIES_MAX)
        return;
    char *id = outcome->ids[outcome->replies];
    outcome->statuses[outcome->replies++] = status;
    const char *at = strcasestr(reply, field);
    if (at == NULL || at > end)
        return;
    at += strlen(field);
    size_t len = strcspn(at, "\r");
    if (len < REPLY_ID_SIZE)
        memcpy(id, at, len);
}

static void read_replies(struct line *line) {
    struct outcome *outcome = line->outcome;
    *outcome = (struct outcome){ .wanted = outcome->wanted };
    const char *at = strstr(line->bytes, "HTTP/1.1 ");
    while (at != NULL) {
        const char *end = strstr(at, "\r\n\r\n");
        if (end == NULL)
            return;
        read_reply(outcome, at, end);
        at = strstr(end, "HTTP/1.1 ");
    }
}

static void finish(struct line *line) {
    read_replies(line);
    close(line->fd);
    line->fd = -1;
}

static void begin(struct line *line, int port, struct stream *stream, struct outcome *outcome) {
    line->fd = connect_to(port);
    line->stream = stream;
    line->outcome = outcome;
    line->sent = 0;
    line->len = 0;
    line->bytes[0] = '\0';
    line->heard_us = clock_monotonic_us();
}

static void send_piece(struct line *line) {
    struct stream *stream = line->stream;
    size_t left = stream->len - line->sent;
    size_t piece = stream->piece_max == 0 ? left : 1 + (size_t)(stream_random(&stream->random) % stream->piece_max);
    ssize_t sent = send(line->fd, stream->bytes + line->sent, piece < left ? piece : left, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        line->sent += (size_t)sent;
    else if (errno != EAGAIN)
        line->sent = stream->len; /* closed: there may be something to read all the same */
    line->heard_us = clock_monotonic_us();
}

static void receive(struct line *line) {
    ssize_t got = recv(line->fd, line->bytes + line->len, sizeof line->bytes - 1 - line->len, MSG_DONTWAIT);
    if (got <= 0) {
        finish(line);
        return;
    }
    for (ssize_t i = 0; i < got; i++)
        if (line->bytes[line->len + (size_t)i] == '\0')
            line->bytes[line->len + (size_t)i] = '?';
    line->len += (size_t)got;
    line->bytes[line->len] = '\0';
    line->heard_us = clock_monotonic_us();
    if (line->outcome->wanted == 0)
        return;
    read_replies(line);
    if (line->outcome->replies >= line->outcome->wanted)
        finish(line);
}

static void turn(struct line *line, short events) {
    if ((events & POLLOUT) != 0 && line->sent < line->stream->len)
        send_piece(line);
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0)
        receive(line);
    int64_t patience_us = line->outcome->wanted > 0 ? PATIENCE_US : SILENCE_US;
    if (line->fd >= 0 && line->sent == line->stream->len && clock_monotonic_us() > line->heard_us + patience_us)
        finish(line);
}

void sender_run(int port, struct stream *streams, struct outcome *outcomes, size_t count) {
    struct line *lines = calloc(AT_ONCE, sizeof *lines);
    struct pollfd look[AT_ONCE];
    size_t next = 0, open = AT_ONCE;
    ck_assert_ptr_nonnull(lines);
    for (size_t i = 0; i < AT_ONCE; i++)
        lines[i].fd = -1;
    while (open > 0) {
        open = 0;
        for (size_t i = 0; i < AT_ONCE; i++) {
            if (lines[i].fd < 0 && next < count) {
                begin(&lines[i], port, &streams[next], &outcomes[next]);
                next++;
            }
            bool has_more = lines[i].fd >= 0 && lines[i].sent < lines[i].stream->len;
            look[i] = (struct pollfd){ .fd = lines[i].fd, .events = (short)(has_more ? POLLIN | POLLOUT : POLLIN) };
            open += lines[i].fd >= 0;
        }
        ck_assert_int_ge(poll(look, AT_ONCE, TURN_MS), 0);
        for (size_t i = 0; i < AT_ONCE; i++)
            if (lines[i].fd >= 0)
                turn(&lines[i], look[i].revents);
    }
    free(lines);
}
