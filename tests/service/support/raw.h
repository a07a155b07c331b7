/* raw: bytes as they are, for what no HTTP client would send. */
#ifndef JWTD_TEST_RAW_H
#define JWTD_TEST_RAW_H

#include "server.h"

struct raw_reply {
    char bytes[65536]; /* NUL behind them */
    size_t len;
    int statuses[16]; /* of the replies, in order */
    size_t count;
    bool closed; /* by the server, before the wait was over */
};

/* Connects and returns the socket; from another address of the loopback network, such as 127.0.0.2. */
int raw_connect(const struct server *server);
int raw_connect_from(const struct server *server, const char *source);
void raw_send(int fd, const char *bytes, size_t len);

/* Sends, and reads until the server closes or says nothing for wait_ms. */
void raw_exchange(const struct server *server, const char *bytes, size_t len, int wait_ms, struct raw_reply *reply);
void raw_read(int fd, int wait_ms, struct raw_reply *reply);

/* The same for `count` replies that are expected: patient until they have begun, and then until there is silence for 200 ms, in
 * which a reply too many would come. */
void raw_exchange_replies(const struct server *server, const char *bytes, size_t len, size_t count, struct raw_reply *reply);
void raw_read_replies(int fd, size_t count, struct raw_reply *reply);

#endif
