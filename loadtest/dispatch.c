#include "dispatch.h"

#include "instant.h"

#include <assert.h>
#include <stdlib.h>

bool dispatch_init(struct dispatch *dispatch, const struct plan *plan, struct worker_share *share, struct actors *actors,
                   const struct loop_times *loop, int epoll, unsigned worker) {
    dispatch->plan = plan;
    dispatch->share = share;
    dispatch->actors = actors;
    dispatch->loop = loop;
    dispatch->epoll = epoll;
    TAILQ_INIT(&dispatch->issued);
    TAILQ_INIT(&dispatch->for_actor);
    TAILQ_INIT(&dispatch->for_connection);
    TAILQ_INIT(&dispatch->ended);
    bool has_messages = messages_init(&dispatch->messages, plan);
    return connection_pool_init(&dispatch->connections, plan, share, epoll, worker) && has_messages;
}

void dispatch_fini(struct dispatch *dispatch) {
    struct request *request;
    while ((request = dispatch_take_ended(dispatch)) != NULL)
        request_destroy(request);
    while ((request = TAILQ_FIRST(&dispatch->issued)) != NULL) {
        TAILQ_REMOVE(&dispatch->issued, request, issued);
        request_destroy(request);
    }
    connection_pool_fini(&dispatch->connections);
    messages_fini(&dispatch->messages);
}

/* ---- the end of a request ---- */

/* What of the latency the generator itself may have made: the way to the loop, and the loop's own work while the reply waited. */
static int64_t generator_part(const struct dispatch *dispatch, const struct request *request, int64_t now_ns) {
    const struct loop_times *loop = dispatch->loop;
    int64_t lag = request->issued_ns - request->due_ns;
    int64_t reading = now_ns - loop->woke_ns;
    bool loop_slept = loop->woke_ns - loop->slept_ns > 20 * NS_PER_US;
    return lag + reading + (loop_slept ? 0 : loop->busy_ns);
}

static void end(struct dispatch *dispatch, struct request *request, struct request_outcome outcome) {
    assert(request->state != REQUEST_ENDED && request->connection == NULL);
    TAILQ_REMOVE(&dispatch->issued, request, issued);
    request->state = REQUEST_ENDED;
    request->outcome = outcome;
    TAILQ_INSERT_TAIL(&dispatch->ended, request, queue);
    dispatch->share->in_flight--;
    if (request_is_counted(request) && outcome.reply_class == REPLY_BAD && outcome.fault != FAULT_NONE)
        share_note_wrong_reply(dispatch->share, request->endpoint, outcome.status, outcome.fault);
    if (request_is_counted(request))
        share_count_ended(dispatch->share, request->endpoint, outcome.reply_class, outcome.status,
                          outcome.ended_ns - request->due_ns, generator_part(dispatch, request, outcome.ended_ns));
}

static void end_without_reply(struct dispatch *dispatch, struct request *request, enum reply_class reply_class,
                              enum reply_fault fault, int64_t now_ns) {
    end(dispatch, request,
        (struct request_outcome){ .reply_class = reply_class, .fault = fault, .retry_after_s = -1, .ended_ns = now_ns });
}

struct request *dispatch_take_ended(struct dispatch *dispatch) {
    struct request *request = TAILQ_FIRST(&dispatch->ended);
    if (request != NULL)
        TAILQ_REMOVE(&dispatch->ended, request, queue);
    return request;
}

bool dispatch_has_ended(const struct dispatch *dispatch) {
    return !TAILQ_EMPTY(&dispatch->ended);
}

/* ---- waiting ---- */

static struct request_queue *queue_of(struct dispatch *dispatch, enum request_state state) {
    assert(state == REQUEST_WAITS_FOR_ACTOR || state == REQUEST_WAITS_FOR_CONNECTION);
    return state == REQUEST_WAITS_FOR_ACTOR ? &dispatch->for_actor : &dispatch->for_connection;
}

static void begin_waiting(struct dispatch *dispatch, struct request *request, enum request_state state, int64_t now_ns) {
    request->state = state;
    request->waiting_since_ns = now_ns;
    dispatch->share->waiting++;
}

static void wait_for(struct dispatch *dispatch, struct request *request, enum request_state state, int64_t now_ns) {
    begin_waiting(dispatch, request, state, now_ns);
    TAILQ_INSERT_TAIL(queue_of(dispatch, state), request, queue);
}

static void stop_waiting(struct dispatch *dispatch, struct request *request, int64_t now_ns) {
    TAILQ_REMOVE(queue_of(dispatch, request->state), request, queue);
    dispatch->share->waiting--;
    dispatch->share->wait_sum_ns += (uint64_t)(now_ns - request->waiting_since_ns);
}

/* ---- a request on a connection ---- */

static void attach(struct request *request, struct connection *connection) {
    assert(connection->request == NULL && request->connection == NULL);
    request->state = REQUEST_ON_CONNECTION;
    request->connection = connection;
    connection->request = request;
}

static void detach(struct request *request) {
    assert(request->state == REQUEST_ON_CONNECTION && request->connection->request == request);
    request->connection->request = NULL;
    request->connection = NULL;
}

static enum worker_trouble trouble_of(enum connection_event event) {
    return event == CONNECTION_NO_ADDRESS ? TROUBLE_NO_PORTS : TROUBLE_NO_DESCRIPTORS;
}

static enum reply_class class_of(enum connection_event event) {
    switch (event) {
    case CONNECTION_NO_ADDRESS:
    case CONNECTION_NO_RESOURCE:
        return REPLY_LOCAL;
    case CONNECTION_REFUSED:
    case CONNECTION_FAILED:
    case CONNECTION_NO_TLS:
    case CONNECTION_UNTRUSTED:
    case CONNECTION_NO_HANDSHAKE:
        return REPLY_REFUSED;
    case CONNECTION_GARBLED:
        return REPLY_BAD;
    default:
        return REPLY_RESET;
    }
}

/* What came is no reply of HTTP/1; FAULT_NONE: it is one so far, or nothing came. */
static enum reply_fault other_protocol(const struct connection *connection) {
    bool is_tls;
    if (!response_has_begun(&connection->response) || !response_is_other_protocol(&connection->response, &is_tls))
        return FAULT_NONE;
    return is_tls ? FAULT_IS_TLS : FAULT_NOT_HTTP;
}

static enum reply_fault fault_of_timeout(const struct connection *connection) {
    enum reply_fault fault = other_protocol(connection);
    if (connection->state == CONNECTION_CONNECTING)
        return FAULT_NOT_REACHED;
    if (connection->state == CONNECTION_HANDSHAKING)
        return FAULT_SILENT;
    if (fault != FAULT_NONE)
        return fault;
    return response_has_begun(&connection->response) ? FAULT_UNFINISHED : FAULT_NO_ANSWER;
}

static enum reply_fault fault_of_loss(const struct connection *connection) {
    enum reply_fault fault = other_protocol(connection);
    if (fault != FAULT_NONE)
        return fault;
    if (response_has_begun(&connection->response))
        return FAULT_CUT;
    return connection->target->tls ? FAULT_CLOSED : FAULT_CLOSED_HTTP;
}

static enum reply_fault fault_of_garbage(const struct connection *connection) {
    enum reply_fault fault = other_protocol(connection);
    return fault != FAULT_NONE ? fault : FAULT_MALFORMED;
}

/* What came instead of a reply. */
static enum reply_fault fault_of_event(enum connection_event event, const struct connection *connection) {
    switch (event) {
    case CONNECTION_FAILED:
        return FAULT_NO_WAY;
    case CONNECTION_NO_TLS:
        return FAULT_NO_TLS;
    case CONNECTION_UNTRUSTED:
        return FAULT_UNTRUSTED;
    case CONNECTION_NO_HANDSHAKE:
        return FAULT_HANDSHAKE;
    case CONNECTION_LOST:
        return fault_of_loss(connection);
    case CONNECTION_GARBLED:
        return fault_of_garbage(connection);
    default:
        return FAULT_NONE;
    }
}

static void fail(struct dispatch *dispatch, struct request *request, enum connection_event event, enum reply_fault fault,
                 int64_t now_ns) {
    if (class_of(event) == REPLY_LOCAL)
        share_report_trouble(dispatch->share, trouble_of(event), request->endpoint);
    end(dispatch, request,
        (struct request_outcome){ .reply_class = class_of(event),
                                  .fault = fault,
                                  .nobody_listens = event == CONNECTION_REFUSED,
                                  .retry_after_s = -1,
                                  .ended_ns = now_ns });
}

/* The connection was closed before the reply came. A server may close a kept connection at any moment, so the request is sent
 * once more, before those that wait. */
static void lose(struct dispatch *dispatch, struct connection *connection, enum connection_event event, int64_t now_ns) {
    struct request *request = connection->request;
    bool was_kept = connection->requests > 1 && !response_has_begun(&connection->response);
    enum reply_fault fault = fault_of_event(event, connection);
    detach(request);
    connection_pool_put_closed(&dispatch->connections, connection);
    if (event != CONNECTION_LOST || !was_kept || request->retried) {
        fail(dispatch, request, event, fault, now_ns);
        return;
    }
    request->retried = true;
    dispatch->share->retried++;
    begin_waiting(dispatch, request, REQUEST_WAITS_FOR_CONNECTION, now_ns);
    TAILQ_INSERT_HEAD(&dispatch->for_connection, request, queue);
}

/* The artificial delay of a test. */
static void spin(int64_t ns) {
    int64_t until = instant_now() + ns;
    while (ns > 0 && instant_now() < until)
        continue;
}

/* On an idle connection that is attached to the request. */
static void send_request(struct dispatch *dispatch, struct request *request, int64_t now_ns) {
    spin(dispatch->plan->artificial_delay_ns);
    size_t len = message_write(&dispatch->messages, dispatch->actors, request->endpoint, request->actor, dispatch->message);
    enum connection_event event = connection_send(request->connection, dispatch->epoll, dispatch->message, len);
    if (event != CONNECTION_NOTHING)
        lose(dispatch, request->connection, event, now_ns);
}

/* Sends the request on an idle connection, or opens one for it, or lets it wait. */
static void place(struct dispatch *dispatch, struct request *request, int64_t now_ns) {
    struct connection *connection = connection_pool_take_idle(&dispatch->connections, request->user);
    if (connection != NULL) {
        attach(request, connection);
        send_request(dispatch, request, now_ns);
        return;
    }
    if (!connection_pool_can_open(&dispatch->connections)) {
        wait_for(dispatch, request, REQUEST_WAITS_FOR_CONNECTION, now_ns);
        return;
    }
    enum connection_event event;
    connection = connection_pool_open(&dispatch->connections, request->user, dispatch->loop->round, &event);
    if (connection != NULL)
        attach(request, connection);
    else
        fail(dispatch, request, event, event == CONNECTION_FAILED ? FAULT_NO_WAY : FAULT_NONE, now_ns);
}

/* ---- events ---- */

static void release(struct dispatch *dispatch, struct connection *connection) {
    if (dispatch->plan->new_connections && connection->requests > 0)
        connection_close(connection);
    if (connection->state == CONNECTION_CLOSED)
        connection_pool_put_closed(&dispatch->connections, connection);
    else
        connection_pool_put_idle(&dispatch->connections, connection);
}

static void take_reply(struct dispatch *dispatch, struct connection *connection, int64_t now_ns) {
    struct request *request = connection->request;
    const struct response *response = &connection->response;
    struct request_outcome outcome = { .status = response->status, .retry_after_s = response->retry_after_s, .ended_ns = now_ns };
    outcome.reply_class =
        message_judge(&dispatch->messages, dispatch->actors, request->endpoint, response, request->actor, now_ns, &outcome.fault);
    detach(request);
    release(dispatch, connection);
    end(dispatch, request, outcome);
}

void dispatch_handle(struct dispatch *dispatch, struct connection *connection) {
    enum connection_event event = connection_handle(connection, dispatch->epoll, dispatch->buffer, sizeof dispatch->buffer);
    if (event == CONNECTION_NOTHING)
        return;
    int64_t now = instant_now();
    struct request *request = connection->request;
    if (event == CONNECTION_READY && request == NULL)
        release(dispatch, connection);
    else if (event == CONNECTION_READY)
        send_request(dispatch, request, now);
    else if (event == CONNECTION_ANSWERED && request != NULL)
        take_reply(dispatch, connection, now);
    else if (request != NULL)
        lose(dispatch, connection, event, now);
    else
        connection_pool_put_closed(&dispatch->connections, connection);
}

bool dispatch_open_idle(struct dispatch *dispatch) {
    enum connection_event event = CONNECTION_NO_RESOURCE;
    if (connection_pool_can_open(&dispatch->connections) &&
        connection_pool_open(&dispatch->connections, 0, dispatch->loop->round, &event) != NULL)
        return true;
    share_report_trouble(dispatch->share, trouble_of(event), ENDPOINT_LOGIN);
    return false;
}

/* ---- requests ---- */

/* False: there is none now. */
static bool find_actor(struct dispatch *dispatch, struct request *request) {
    if (request->actor != NULL)
        return true;
    switch (request->actor_kind) {
    case ACTOR_NEW:
        request->actor = actor_create_fresh(dispatch->actors);
        request->owns_actor = true;
        break;
    case ACTOR_ACCOUNT:
        request->actor = actor_create_account(dispatch->actors);
        request->owns_actor = true;
        break;
    case ACTOR_SHARED:
        request->actor = actors_shared(dispatch->actors);
        break;
    case ACTOR_EXCLUSIVE:
        request->actor = actors_take(dispatch->actors);
        break;
    }
    return request->actor != NULL;
}

void dispatch_issue(struct dispatch *dispatch, struct request *request, int64_t now_ns) {
    assert(request->state == REQUEST_TIMED);
    request->issued_ns = now_ns;
    TAILQ_INSERT_TAIL(&dispatch->issued, request, issued);
    dispatch->share->in_flight++;
    if (request_is_counted(request))
        share_count_issued(dispatch->share, request->endpoint, now_ns - request->due_ns);
    if (find_actor(dispatch, request))
        place(dispatch, request, now_ns);
    else if (request->actor_kind == ACTOR_EXCLUSIVE)
        wait_for(dispatch, request, REQUEST_WAITS_FOR_ACTOR, now_ns);
    else
        end_without_reply(dispatch, request, REPLY_LOCAL, FAULT_NONE, now_ns);
}

void dispatch_settle(struct dispatch *dispatch, int64_t now_ns) {
    struct request *request;
    while ((request = TAILQ_FIRST(&dispatch->for_actor)) != NULL && actors_has_free(dispatch->actors)) {
        stop_waiting(dispatch, request, now_ns);
        request->actor = actors_take(dispatch->actors);
        place(dispatch, request, now_ns);
    }
    while ((request = TAILQ_FIRST(&dispatch->for_connection)) != NULL && connection_pool_has_free(&dispatch->connections)) {
        stop_waiting(dispatch, request, now_ns);
        place(dispatch, request, now_ns);
    }
}

static void withdraw(struct dispatch *dispatch, struct request *request, int64_t now_ns) {
    if (request->state != REQUEST_ON_CONNECTION) {
        stop_waiting(dispatch, request, now_ns);
        return;
    }
    struct connection *connection = request->connection;
    detach(request);
    connection_close(connection);
    connection_pool_put_closed(&dispatch->connections, connection);
}

int64_t dispatch_next_timeout_ns(const struct dispatch *dispatch) {
    const struct request *oldest = TAILQ_FIRST(&dispatch->issued);
    return oldest == NULL ? INT64_MAX : oldest->issued_ns + dispatch->plan->timeout_ns;
}

void dispatch_expire(struct dispatch *dispatch, int64_t now_ns) {
    while (dispatch_next_timeout_ns(dispatch) <= now_ns) {
        struct request *oldest = TAILQ_FIRST(&dispatch->issued);
        enum reply_fault fault = oldest->state == REQUEST_ON_CONNECTION ? fault_of_timeout(oldest->connection) : FAULT_NONE;
        withdraw(dispatch, oldest, now_ns);
        end_without_reply(dispatch, oldest, REPLY_TIMEOUT, fault, now_ns);
    }
}
