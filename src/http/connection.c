#include "connection.h"

#include "direct_reply.h"
#include "input.h"

#include "jwtd/clock.h"
#include "jwtd/metrics.h"

#include <assert.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* The library asks the kernel for edges and takes a short read for the end of what there is: it never notices the end of a stream
 * that came together with the last request, and would keep the connection for the whole of its timeout. */
#define HUNG_UP_US CLOCK_US_PER_S

static const bool is_allowed[CONNECTION_STATES][CONNECTION_STATES] = {
    [CONNECTION_IDLE] = { [CONNECTION_HEADER] = true },
    [CONNECTION_HEADER] = { [CONNECTION_BODY] = true,
                            [CONNECTION_BUSY] = true,
                            [CONNECTION_ANSWER] = true,
                            [CONNECTION_IDLE] = true },
    [CONNECTION_BODY] = { [CONNECTION_BUSY] = true, [CONNECTION_ANSWER] = true, [CONNECTION_IDLE] = true },
    [CONNECTION_BUSY] = { [CONNECTION_ANSWER] = true, [CONNECTION_IDLE] = true },
    [CONNECTION_ANSWER] = { [CONNECTION_IDLE] = true },
};

static unsigned state_index(const struct connection *connection, enum connection_state state) {
    return metric_pair(METRIC_HTTP_CONNECTIONS, connection->listener, state);
}

void connection_init(struct connection *connection, enum route_listener listener, int fd, int64_t now_us) {
    *connection = (struct connection){ .listener = listener, .fd = fd, .since_us = now_us };
    pthread_mutex_init(&connection->state_lock, NULL);
    metric_change(METRIC_HTTP_CONNECTIONS, state_index(connection, CONNECTION_IDLE), 1);
}

void connection_fini(struct connection *connection) {
    assert(connection->exchange == NULL);
    metric_change(METRIC_HTTP_CONNECTIONS, state_index(connection, connection->state), -1);
    pthread_mutex_destroy(&connection->state_lock);
}

/* When the header began whose first line has just come. */
static int64_t header_begin_us(const struct connection *connection, int64_t now_us) {
    if (!connection->had_request)
        return connection->since_us;
    return connection->header_since_us != 0 ? connection->header_since_us : now_us;
}

void connection_set_state(struct connection *connection, enum connection_state state) {
    int64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&connection->state_lock);
    assert(state < CONNECTION_STATES && is_allowed[connection->state][state]);
    connection->since_us = state == CONNECTION_HEADER ? header_begin_us(connection, now_us) : now_us;
    metric_move(METRIC_HTTP_CONNECTIONS, state_index(connection, connection->state), state_index(connection, state));
    connection->state = state;
    connection->header_since_us = 0;
    connection->taken_before = -1;
    connection->had_request = true;
    pthread_mutex_unlock(&connection->state_lock);
}

static bool has_hung_up(const struct connection *connection, int64_t now_us) {
    return connection->state == CONNECTION_IDLE && connection->had_request && now_us - connection->since_us > HUNG_UP_US &&
           connection_is_gone(connection);
}

/* The library does not report the first byte of a header on a kept connection. */
static bool idle_is_overdue(struct connection *connection, int64_t limit_us, int64_t now_us) {
    if (!connection->had_request)
        return now_us - connection->since_us > limit_us;
    if (!input_has_begun(connection->fd))
        return false; /* the library's timeout remains */
    if (connection->header_since_us == 0)
        connection->header_since_us = now_us;
    return now_us - connection->header_since_us > limit_us;
}

static bool read_tcp_info(int fd, struct tcp_info *info) {
    socklen_t len = sizeof *info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0;
}

/* A Unix socket does not say. */
static int64_t taken_bytes(const struct connection *connection) {
    struct tcp_info info = { .tcpi_bytes_acked = 0 };
    return read_tcp_info(connection->fd, &info) ? (int64_t)info.tcpi_bytes_acked : 0;
}

static bool answer_is_overdue(struct connection *connection, int64_t limit_us, int64_t now_us) {
    int64_t taken = taken_bytes(connection);
    if (connection->taken_before < 0)
        connection->taken_before = taken;
    limit_us += (taken - connection->taken_before) * CLOCK_US_PER_S / CONNECTION_TAKEN_PER_S;
    return now_us - connection->since_us > limit_us;
}

/* The library calls a reply sent when the kernel has it. */
static bool end_of_answer_is_overdue(const struct connection *connection, int64_t limit_us, int64_t now_us) {
    int left = 0;
    limit_us += CONNECTION_SEND_BUFFER * CLOCK_US_PER_S / CONNECTION_TAKEN_PER_S;
    return connection->state == CONNECTION_IDLE && connection->had_request && now_us - connection->since_us > limit_us &&
           ioctl(connection->fd, SIOCOUTQ, &left) == 0 && left > 0;
}

static bool is_overdue(struct connection *connection, const struct connection_deadlines *deadlines, int64_t now_us) {
    int64_t spent_us = now_us - connection->since_us;
    switch (connection->state) {
    case CONNECTION_IDLE:
        return idle_is_overdue(connection, deadlines->header_us, now_us);
    case CONNECTION_HEADER:
        return spent_us > deadlines->header_us;
    case CONNECTION_BODY:
        return spent_us > deadlines->body_us;
    case CONNECTION_ANSWER:
        return answer_is_overdue(connection, deadlines->answer_us, now_us);
    case CONNECTION_BUSY:
    case CONNECTION_STATES:
        break;
    }
    return false;
}

/* Whether a request has begun that has no reply yet. */
static bool is_owed_a_reply(const struct connection *connection) {
    if (connection->state == CONNECTION_IDLE)
        return input_has_begun(connection->fd);
    return connection->state == CONNECTION_HEADER || connection->state == CONNECTION_BODY;
}

/* Or the kernel would try for minutes to send the rest to a client that does not read. */
static void reset(const struct connection *connection) {
    struct linger none = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    shutdown(connection->fd, SHUT_RDWR);
}

/* Written past the library: it accepts no reply while a request is being received, and sends none of its own in these states. */
static void shut_down(struct connection *connection, enum status status) {
    if (is_owed_a_reply(connection)) {
        direct_reply_send(connection->fd, status, input_is_head(connection->fd));
        connection->refusal = status;
    }
    if (connection->state == CONNECTION_ANSWER)
        reset(connection);
    else
        shutdown(connection->fd, SHUT_RDWR);
}

void connection_check(struct connection *connection, const struct connection_deadlines *deadlines, int64_t now_us) {
    pthread_mutex_lock(&connection->state_lock);
    if (has_hung_up(connection, now_us))
        shutdown(connection->fd, SHUT_RDWR);
    else if (end_of_answer_is_overdue(connection, deadlines->answer_us, now_us))
        reset(connection);
    else if (is_overdue(connection, deadlines, now_us))
        shut_down(connection, STATUS_REQUEST_TIMEOUT);
    pthread_mutex_unlock(&connection->state_lock);
}

enum status connection_take_refusal(struct connection *connection) {
    pthread_mutex_lock(&connection->state_lock);
    enum status refusal = connection->refusal;
    connection->refusal = STATUS_OK;
    if (refusal == STATUS_OVERLOADED) /* connection_evict */
        connection->is_too_many = true;
    pthread_mutex_unlock(&connection->state_lock);
    enum status of_input = input_take_refusal(connection->fd);
    return refusal != STATUS_OK ? refusal : of_input;
}

int64_t connection_waits_since_us(struct connection *connection) {
    pthread_mutex_lock(&connection->state_lock);
    bool waits =
        connection->state == CONNECTION_IDLE || connection->state == CONNECTION_HEADER || connection->state == CONNECTION_BODY;
    int64_t since_us = waits ? connection->since_us : -1;
    pthread_mutex_unlock(&connection->state_lock);
    return since_us;
}

int64_t connection_answered_since_us(struct connection *connection) {
    pthread_mutex_lock(&connection->state_lock);
    int64_t since_us = connection->state == CONNECTION_ANSWER ? connection->since_us : -1;
    pthread_mutex_unlock(&connection->state_lock);
    return since_us;
}

void connection_evict(struct connection *connection) {
    pthread_mutex_lock(&connection->state_lock);
    shut_down(connection, STATUS_OVERLOADED);
    pthread_mutex_unlock(&connection->state_lock);
}

bool connection_is_too_many(const struct connection *connection) {
    return connection->is_too_many;
}

void connection_set_exchange(struct connection *connection, struct exchange *exchange) {
    assert((connection->exchange == NULL) != (exchange == NULL)); /* begun once, ended once */
    connection->exchange = exchange;
}

struct exchange *connection_exchange(const struct connection *connection) {
    return connection->exchange;
}

void connection_send_problem(const struct connection *connection, const char *method, enum status status) {
    bool is_head = method != NULL ? strcmp(method, "HEAD") == 0 : input_is_head(connection->fd);
    direct_reply_send(connection->fd, status, is_head);
}

struct refusal_history *connection_refusal_history(struct connection *connection) {
    return &connection->refusals;
}

int64_t connection_lag_us(const struct connection *connection) {
    struct tcp_info info;
    return read_tcp_info(connection->fd, &info) ? (int64_t)info.tcpi_last_data_recv * 1000 : 0;
}

bool connection_is_gone(const struct connection *connection) {
    struct pollfd end = { .fd = connection->fd, .events = POLLRDHUP };
    return poll(&end, 1, 0) == 1 && (end.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}
