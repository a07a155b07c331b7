/*
 * connection: one connection of a worker: connecting, handshaking, idle, sending, receiving. It carries one request at a time.
 *
 *     CLOSED -> CONNECTING -> HANDSHAKING -> IDLE <-> SENDING -> RECEIVING -> IDLE or CLOSED
 *
 * Its state changes when it is opened, when a request is sent, and in connection_handle, which returns the event. The connection
 * pool owns the connections, dispatch the requests; nothing here allocates except the rest of a request that did not fit into the
 * socket.
 */
#ifndef FAILPOINT_CONNECTION_H
#define FAILPOINT_CONNECTION_H

#include "response.h"
#include "transport.h"

#include <stdint.h>
#include <sys/queue.h>

enum connection_state {
    CONNECTION_CLOSED,
    CONNECTION_CONNECTING,
    CONNECTION_HANDSHAKING,
    CONNECTION_IDLE,
    CONNECTION_SENDING,
    CONNECTION_RECEIVING
};

enum connection_event {
    CONNECTION_NOTHING,      /* it continues */
    CONNECTION_READY,        /* just connected: IDLE now */
    CONNECTION_ANSWERED,     /* `response` holds a whole reply; IDLE now, or CLOSED if it may not be used again */
    CONNECTION_REFUSED,      /* nobody listens: ECONNREFUSED; CLOSED now */
    CONNECTION_FAILED,       /* it could not be made for another reason of the network or the server; CLOSED now */
    CONNECTION_NO_ADDRESS,   /* no port is left: EADDRNOTAVAIL; CLOSED now */
    CONNECTION_NO_RESOURCE,  /* no descriptor or no memory; CLOSED now */
    CONNECTION_NO_TLS,       /* the peer does not speak TLS; CLOSED now */
    CONNECTION_UNTRUSTED,    /* the peer's certificate is not accepted; CLOSED now */
    CONNECTION_NO_HANDSHAKE, /* TLS could not be agreed on for another reason; CLOSED now */
    CONNECTION_LOST,         /* reset or closed before the reply was whole; CLOSED now */
    CONNECTION_GARBLED,      /* what came is not HTTP; CLOSED now */
    CONNECTION_HUNG_UP,      /* closed by the server while idle; CLOSED now */
};

struct request;

struct connection {
    LIST_ENTRY(connection) free; /* among the closed or the idle of connection_pool */
    bool is_listed_idle;
    enum connection_state state;
    int fd;
    uint32_t watched; /* what epoll waits for */
    void *transport_state;
    const struct transport *transport;
    const struct target *target;
    struct request *request; /* NULL: none */
    unsigned user;           /* the user of the closed loop that keeps it, from 1; 0: it is for any request when it is idle */
    uint64_t opened_in;      /* the round of the worker's loop: events that epoll reported in that round are of an earlier one */
    unsigned requests;       /* that it has carried */
    char *rest;              /* of a request that is being sent; NULL: none */
    size_t rest_len, rest_sent;
    struct response response;
};

LIST_HEAD(connection_list, connection);

/* Begins to connect, from 127.0.0.`source` when source is not 0. For one that is CLOSED and zeroed once. */
enum connection_event connection_open(struct connection *connection, const struct target *target, int epoll, unsigned source);
void connection_close(struct connection *connection);
void connection_fini(struct connection *connection); /* closes, and frees the buffers */

/* For one that is IDLE. The bytes are taken over or copied. */
enum connection_event connection_send(struct connection *connection, int epoll, const char *bytes, size_t len);

/* Continues after epoll_wait. `buffer` holds one read and is shared by all connections of a worker. */
enum connection_event connection_handle(struct connection *connection, int epoll, char *buffer, size_t buffer_size);

#endif
