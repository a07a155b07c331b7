#include "connection.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- opening and closing ---- */

static bool watch(struct connection *connection, int epoll, uint32_t events) {
    if (connection->watched == events)
        return true;
    struct epoll_event event = { .events = events, .data.ptr = connection };
    int operation = connection->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    connection->watched = events;
    return epoll_ctl(epoll, operation, connection->fd, &event) == 0;
}

void connection_close(struct connection *connection) {
    if (connection->state == CONNECTION_CLOSED)
        return;
    connection->transport->close(connection->transport_state);
    close(connection->fd);
    free(connection->rest);
    connection->transport_state = NULL;
    connection->fd = -1;
    connection->rest = NULL;
    connection->watched = 0;
    connection->state = CONNECTION_CLOSED;
}

void connection_fini(struct connection *connection) {
    connection_close(connection);
    response_fini(&connection->response);
}

static enum connection_event end(struct connection *connection, enum connection_event event) {
    connection_close(connection);
    return event;
}

/* By an errno of socket or connect. */
static enum connection_event refusal(int error) {
    switch (error) {
    case EADDRNOTAVAIL:
        return CONNECTION_NO_ADDRESS;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return CONNECTION_NO_RESOURCE;
    case ECONNREFUSED:
        return CONNECTION_REFUSED;
    default:
        return CONNECTION_FAILED;
    }
}

/* 127.0.0.`source`; the port is chosen when it connects, so that one is taken only for the pair of addresses. */
static int bind_source(int fd, unsigned source) {
    int on = 1;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + source) };
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(fd, (const struct sockaddr *)&address, sizeof address);
}

enum connection_event connection_open(struct connection *connection, const struct target *target, int epoll, unsigned source) {
    assert(connection->state == CONNECTION_CLOSED && connection->rest == NULL);
    int on = 1;
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refusal(errno);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if ((source != 0 && bind_source(fd, source) != 0) ||
        (connect(fd, (const struct sockaddr *)&target->address, target->address_len) != 0 && errno != EINPROGRESS)) {
        enum connection_event event = refusal(errno);
        close(fd);
        return event;
    }
    connection->fd = fd;
    connection->target = target;
    connection->transport = target->tls ? &transport_tls : &transport_plain;
    connection->transport_state = NULL;
    connection->requests = 0;
    connection->state = CONNECTION_CONNECTING;
    response_init(&connection->response);
    return watch(connection, epoll, EPOLLOUT) ? CONNECTION_NOTHING : end(connection, CONNECTION_NO_RESOURCE);
}

/* ---- becoming ready ---- */

static enum connection_event shake_hands(struct connection *connection, int epoll) {
    enum transport_result result = connection->transport->handshake(connection->transport_state, connection->fd);
    uint32_t events = result == TRANSPORT_WANTS_WRITE ? EPOLLOUT : EPOLLIN | EPOLLRDHUP;
    if (result == TRANSPORT_NO_TLS)
        return end(connection, CONNECTION_NO_TLS);
    if (result == TRANSPORT_UNTRUSTED)
        return end(connection, CONNECTION_UNTRUSTED);
    if (result == TRANSPORT_CLOSED || result == TRANSPORT_FAILED)
        return end(connection, CONNECTION_NO_HANDSHAKE);
    if (!watch(connection, epoll, events))
        return end(connection, CONNECTION_NO_RESOURCE);
    if (result != TRANSPORT_OK)
        return CONNECTION_NOTHING;
    connection->state = CONNECTION_IDLE;
    return CONNECTION_READY;
}

static enum connection_event finish_connect(struct connection *connection, int epoll) {
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)
        return end(connection, refusal(error));
    bool failed;
    connection->transport_state = connection->transport->open(connection->fd, connection->target, &failed);
    if (failed)
        return end(connection, CONNECTION_NO_RESOURCE);
    connection->state = CONNECTION_HANDSHAKING;
    return shake_hands(connection, epoll);
}

/* ---- sending ---- */

/* Sends what it can. Returns how much, or SIZE_MAX when the connection is lost; *events is what to wait for. */
static size_t push(struct connection *connection, const char *bytes, size_t len, uint32_t *events) {
    size_t sent = 0;
    while (sent < len) {
        struct transport_io io =
            connection->transport->write(connection->transport_state, connection->fd, bytes + sent, len - sent);
        if (io.result == TRANSPORT_WANTS_WRITE || io.result == TRANSPORT_WANTS_READ) {
            *events = io.result == TRANSPORT_WANTS_WRITE ? EPOLLOUT | EPOLLIN : EPOLLIN;
            return sent;
        }
        if (io.result != TRANSPORT_OK)
            return SIZE_MAX;
        sent += io.len;
    }
    *events = EPOLLIN | EPOLLRDHUP;
    return sent;
}

enum connection_event connection_send(struct connection *connection, int epoll, const char *bytes, size_t len) {
    uint32_t events;
    assert(connection->state == CONNECTION_IDLE && connection->rest == NULL);
    response_init(&connection->response);
    connection->requests++;
    size_t sent = push(connection, bytes, len, &events);
    if (sent == SIZE_MAX)
        return end(connection, CONNECTION_LOST);
    if (sent < len) {
        connection->rest_len = len - sent;
        connection->rest_sent = 0;
        connection->rest = malloc(connection->rest_len);
        if (connection->rest == NULL)
            return end(connection, CONNECTION_NO_RESOURCE);
        memcpy(connection->rest, bytes + sent, connection->rest_len);
    }
    connection->state = sent < len ? CONNECTION_SENDING : CONNECTION_RECEIVING;
    return watch(connection, epoll, events) ? CONNECTION_NOTHING : end(connection, CONNECTION_NO_RESOURCE);
}

static enum connection_event send_rest(struct connection *connection, int epoll) {
    uint32_t events;
    size_t sent =
        push(connection, connection->rest + connection->rest_sent, connection->rest_len - connection->rest_sent, &events);
    if (sent == SIZE_MAX)
        return end(connection, CONNECTION_LOST);
    connection->rest_sent += sent;
    if (connection->rest_sent == connection->rest_len) {
        free(connection->rest);
        connection->rest = NULL;
        connection->state = CONNECTION_RECEIVING;
    }
    return watch(connection, epoll, events) ? CONNECTION_NOTHING : end(connection, CONNECTION_NO_RESOURCE);
}

/* ---- receiving ---- */

static enum connection_event finish_reply(struct connection *connection, bool bytes_are_left) {
    if (connection->response.state == RESPONSE_BROKEN || bytes_are_left)
        return end(connection, CONNECTION_GARBLED);
    if (!connection->response.keep_alive || connection->state == CONNECTION_SENDING)
        return end(connection, CONNECTION_ANSWERED);
    connection->state = CONNECTION_IDLE;
    return CONNECTION_ANSWERED;
}

static enum connection_event finish_by_close(struct connection *connection) {
    struct response *response = &connection->response;
    bool garbled = response->state == RESPONSE_BROKEN;
    response_close(response);
    if (response->state == RESPONSE_DONE)
        return end(connection, CONNECTION_ANSWERED);
    return end(connection, garbled ? CONNECTION_GARBLED : CONNECTION_LOST);
}

static enum connection_event receive(struct connection *connection, char *buffer, size_t buffer_size) {
    struct transport_io io = connection->transport->read(connection->transport_state, connection->fd, buffer, buffer_size);
    struct response *response = &connection->response;
    switch (io.result) {
    case TRANSPORT_WANTS_READ:
    case TRANSPORT_WANTS_WRITE:
        return CONNECTION_NOTHING;
    case TRANSPORT_CLOSED:
        return finish_by_close(connection);
    case TRANSPORT_FAILED:
    case TRANSPORT_UNTRUSTED:
    case TRANSPORT_NO_TLS:
        return end(connection, CONNECTION_LOST);
    case TRANSPORT_OK:
        break;
    }
    assert(io.len > 0 && io.len <= buffer_size);
    size_t taken = response_feed(response, buffer, io.len);
    if (response->state == RESPONSE_DONE || response->state == RESPONSE_BROKEN)
        return finish_reply(connection, taken < io.len);
    return CONNECTION_NOTHING;
}

/* Nothing was asked for: TLS may have housekeeping (session tickets), anything else ends the connection. */
static enum connection_event read_while_idle(struct connection *connection, char *buffer, size_t buffer_size) {
    struct transport_io io = connection->transport->read(connection->transport_state, connection->fd, buffer, buffer_size);
    if (io.result == TRANSPORT_WANTS_READ || io.result == TRANSPORT_WANTS_WRITE)
        return CONNECTION_NOTHING;
    return end(connection, CONNECTION_HUNG_UP);
}

enum connection_event connection_handle(struct connection *connection, int epoll, char *buffer, size_t buffer_size) {
    switch (connection->state) {
    case CONNECTION_CONNECTING:
        return finish_connect(connection, epoll);
    case CONNECTION_HANDSHAKING:
        return shake_hands(connection, epoll);
    case CONNECTION_IDLE:
        return read_while_idle(connection, buffer, buffer_size);
    case CONNECTION_SENDING: {
        /* a server may answer, and refuse, before it has read everything */
        enum connection_event event = receive(connection, buffer, buffer_size);
        return event == CONNECTION_NOTHING ? send_rest(connection, epoll) : event;
    }
    case CONNECTION_RECEIVING:
        return receive(connection, buffer, buffer_size);
    case CONNECTION_CLOSED:
        break;
    }
    return CONNECTION_NOTHING;
}
