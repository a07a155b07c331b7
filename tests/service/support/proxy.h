/*
 * proxy: stands between the service and a PostgreSQL on 127.0.0.1 and does to the connection what networks do: it cuts, delays,
 * holds up, swallows. It knows as much of PostgreSQL's protocol as it takes to lose the answer to one chosen statement after the
 * server has committed it. A thread of its own does the work; all functions may be called from any other thread.
 *
 * The client must connect with sslmode=disable and gssencmode=disable, so that the first bytes are the startup message.
 */
#ifndef JWTD_TEST_PROXY_H
#define JWTD_TEST_PROXY_H

#include <stddef.h>
#include <stdint.h>

struct proxy;

enum proxy_mode {
    PROXY_FORWARDS,
    PROXY_REFUSES,  /* takes each connection and resets it; those that there were are reset */
    PROXY_HANGS_UP, /* takes each connection and resets it when its first bytes have come; those that there were are reset */
    PROXY_HOLDS,    /* nothing passes, as if the proxy were stopped; all of it passes later */
    PROXY_SWALLOWS, /* reads everything and forwards nothing; a connection that lost bytes is reset when this mode ends */
};

struct proxy *proxy_start(int server_port);
void proxy_stop(struct proxy *proxy);
int proxy_port(const struct proxy *proxy);

void proxy_set_mode(struct proxy *proxy, enum proxy_mode mode);
void proxy_set_delay(struct proxy *proxy, int ms); /* of each piece, in both directions */
void proxy_cut(struct proxy *proxy);               /* resets all connections */

/*
 * The next `times` executions of the prepared statement of this name: the server gets them and completes them, its answer is
 * thrown away, and then the connection is reset. Returns nothing; proxy_losses counts.
 */
void proxy_lose_answers(struct proxy *proxy, const char *statement, unsigned times);
unsigned proxy_losses(struct proxy *proxy);

/* When connections were accepted, in microseconds of the monotonic clock, since the last call of proxy_clear_arrivals. */
void proxy_clear_arrivals(struct proxy *proxy);
size_t proxy_arrivals(struct proxy *proxy, int64_t *times_us, size_t max);

#endif
