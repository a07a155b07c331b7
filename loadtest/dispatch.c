#include "instant.h"
#include "queues.h"
#include "workshop.h"

#include <stdlib.h>
#include <string.h>

#define SOURCES_MAX 250U /* 127.0.0.1 to 127.0.0.250 */

/* ---- a request's life ---- */

struct request *dispatch_create(struct worker *worker, enum purpose purpose, enum endpoint endpoint, int64_t due_ns) {
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        worker_trouble(worker, TROUBLE_NO_MEMORY, endpoint, 0);
        return NULL;
    }
    request->purpose = purpose;
    request->endpoint = endpoint;
    request->due_ns = due_ns;
    return request;
}

void dispatch_destroy(struct request *request) {
    if (request->owns_actor && request->actor != NULL)
        actor_destroy(request->actor);
    free(request);
}

/* What of the latency the generator itself may have made: the way to the loop, and the loop's own work while the reply lay there.
 */
static int64_t own_part(const struct worker *worker, const struct request *request, int64_t now_ns) {
    int64_t lag = request->issued_ns - request->due_ns;
    int64_t reading = now_ns - worker->woke_ns;
    bool was_waiting = worker->woke_ns - worker->slept_ns > 20 * NS_PER_US;
    return lag + reading + (was_waiting ? 0 : worker->busy_ns);
}

static void count(struct worker *worker, const struct request *request, enum reply_class class, unsigned status, int64_t now_ns) {
    struct tally *tally = &worker->share->tallies[request->endpoint];
    int64_t latency = now_ns - request->due_ns;
    tally->classes[class]++;
    if (status < STATUS_CODES)
        tally->statuses[status]++;
    if (class == REPLY_SHED)
        histogram_record(&tally->shed, latency);
    if (class != REPLY_OK && class != REPLY_TIMEOUT)
        return;
    histogram_record(&tally->latency, latency);
    histogram_record(&tally->service, latency - own_part(worker, request, now_ns));
}

/* It is in no queue and on no connection any more. Status 0: there was no reply. */
static void end(struct worker *worker, struct request *request, enum reply_class class, unsigned status, int64_t retry_after_s,
                int64_t now_ns) {
    remove_from_issued(worker, request);
    if (worker_counts(request))
        count(worker, request, class, status, now_ns);
    worker->share->in_flight--;
    flow_continue(worker, request, class, status, retry_after_s, now_ns);
    dispatch_destroy(request);
}

static void send_on(struct worker *worker, struct request *request, struct connection *connection, int64_t now_ns);

/* ---- connections ---- */

static void put_away(struct worker *worker, struct connection *connection) {
    connection->request = NULL;
    if (connection->user != 0)
        worker->kept[connection->user - 1] = NULL;
    connection->user = 0;
    connection->next_idle = worker->closed;
    worker->closed = connection;
    worker->connections_count--;
    worker->share->connections = (unsigned)worker->connections_count;
}

/* From the next source address, and from further ones when the ports of these are used up. */
static enum connection_event open_somewhere(struct worker *worker, struct connection *connection) {
    const struct target *target = &worker->plan->target;
    enum connection_event event;
    do {
        unsigned source = worker->sources <= 1 ? 0 : 1 + worker->source++ % worker->sources;
        event = connection_open(connection, target, worker->epoll, source);
        if (event != CONNECTION_NO_ADDRESS || !target->loopback4 || worker->sources >= SOURCES_MAX)
            return event;
        worker->source = worker->sources++; /* the new one is next */
    } while (true);
}

static enum worker_trouble trouble_of(enum connection_event event) {
    return event == CONNECTION_NO_ADDRESS ? TROUBLE_NO_PORTS : TROUBLE_NO_DESCRIPTORS;
}

static struct connection *open_new(struct worker *worker, enum connection_event *event) {
    struct connection *connection = worker->closed;
    *event = open_somewhere(worker, connection);
    if (*event != CONNECTION_NOTHING)
        return NULL;
    worker->closed = connection->next_idle;
    connection->request = NULL;
    connection->opened_in = worker->round;
    worker->connections_count++;
    worker->share->connections = (unsigned)worker->connections_count;
    worker->share->opened++;
    return connection;
}

static enum reply_class class_of(enum connection_event event) {
    switch (event) {
    case CONNECTION_NO_ADDRESS:
    case CONNECTION_NO_RESOURCE:
        return REPLY_LOCAL;
    case CONNECTION_REFUSED:
        return REPLY_REFUSED;
    case CONNECTION_GARBLED:
        return REPLY_BAD;
    default:
        return REPLY_RESET;
    }
}

static void keep(struct worker *worker, struct connection *connection, unsigned user) {
    if (user == 0)
        return;
    connection->user = user;
    worker->kept[user - 1] = connection;
}

/* The user's own, or any that is idle. NULL: none. */
static struct connection *take_idle(struct worker *worker, const struct request *request) {
    if (request->user != 0 && worker->kept[request->user - 1] != NULL)
        return worker->kept[request->user - 1];
    struct connection *connection = worker->idle;
    if (connection == NULL)
        return NULL;
    idle_remove(worker, connection);
    keep(worker, connection, request->user);
    return connection;
}

/* Hands the request to a connection, or lets it wait for one. */
static void place(struct worker *worker, struct request *request, int64_t now_ns) {
    struct connection *idle = take_idle(worker, request);
    if (idle != NULL) {
        send_on(worker, request, idle, now_ns);
        return;
    }
    if (worker->closed == NULL) {
        queue_append(&worker->for_connection, request, PLACE_FOR_CONNECTION);
        worker->share->waiting++;
        return;
    }
    enum connection_event event;
    struct connection *connection = open_new(worker, &event);
    if (connection != NULL) {
        connection->request = request;
        keep(worker, connection, request->user);
        request->connection = connection;
        request->place = PLACE_CONNECTION;
        return;
    }
    if (class_of(event) == REPLY_LOCAL)
        worker_trouble(worker, trouble_of(event), request->endpoint, 0);
    end(worker, request, class_of(event), 0, -1, now_ns);
}

/* The connection has lost its request's reply. A kept connection may be closed by the server at any moment, so that is no
 * failure. */
static void lose(struct worker *worker, struct request *request, const struct connection *connection, enum connection_event event,
                 int64_t now_ns) {
    bool was_kept = connection->requests > 1 && !response_has_begun(&connection->response);
    request->connection = NULL;
    if (event == CONNECTION_LOST && was_kept && !request->retried) {
        request->retried = true;
        worker->share->retried++;
        place(worker, request, now_ns);
        return;
    }
    if (event == CONNECTION_NO_ADDRESS || event == CONNECTION_NO_RESOURCE)
        worker_trouble(worker, trouble_of(event), request->endpoint, 0);
    end(worker, request, class_of(event), 0, -1, now_ns);
}

static void waste(int64_t ns) {
    int64_t until = instant_now() + ns;
    while (ns > 0 && instant_now() < until)
        continue;
}

static void send_on(struct worker *worker, struct request *request, struct connection *connection, int64_t now_ns) {
    waste(worker->plan->handicap_ns);
    connection->request = request;
    request->connection = connection;
    request->place = PLACE_CONNECTION;
    size_t len = message_write(&worker->messages, &worker->actors, request->endpoint, request->actor, worker->message);
    enum connection_event event = connection_send(connection, worker->epoll, worker->message, len);
    if (event == CONNECTION_NOTHING)
        return;
    put_away(worker, connection);
    lose(worker, request, connection, event, now_ns);
}

static void connection_is_free(struct worker *worker, struct connection *connection) {
    connection->request = NULL;
    if (!worker->plan->new_connections || connection->requests == 0) {
        if (connection->user == 0)
            idle_push(worker, connection);
        return;
    }
    connection_close(connection);
    put_away(worker, connection);
}

static void take_reply(struct worker *worker, struct connection *connection, int64_t now_ns) {
    struct request *request = connection->request;
    const struct response *response = &connection->response;
    unsigned status = response->status;
    int64_t retry_after_s = response->retry_after_s;
    enum reply_class class =
        message_judge(&worker->messages, &worker->actors, request->endpoint, response, request->actor, now_ns);
    request->connection = NULL;
    if (connection->state == CONNECTION_CLOSED)
        put_away(worker, connection);
    else
        connection_is_free(worker, connection);
    end(worker, request, class, status, retry_after_s, now_ns);
}

static void become_ready(struct worker *worker, struct connection *connection, int64_t now_ns) {
    struct request *request = connection->request;
    if (request == NULL)
        connection_is_free(worker, connection);
    else
        send_on(worker, request, connection, now_ns);
}

void dispatch_connection_event(struct worker *worker, struct connection *connection) {
    bool was_idle = connection->state == CONNECTION_IDLE;
    enum connection_event event = connection_handle(connection, worker->epoll, worker->buffer, sizeof worker->buffer);
    if (event == CONNECTION_NOTHING)
        return;
    int64_t now = instant_now();
    struct request *request = connection->request;
    if (event == CONNECTION_READY) {
        become_ready(worker, connection, now);
    } else if (event == CONNECTION_ANSWERED && request != NULL) {
        take_reply(worker, connection, now);
    } else { /* it is closed */
        if (was_idle && connection->user == 0)
            idle_remove(worker, connection);
        put_away(worker, connection);
        if (request != NULL)
            lose(worker, request, connection, event, now);
    }
    dispatch_settle(worker, now);
}

bool dispatch_users_keep_connections(struct worker *worker, unsigned users) {
    if (users > worker->plan->connections_max)
        return false;
    worker->kept = calloc(users, sizeof(struct connection *));
    return worker->kept != NULL;
}

void dispatch_forget_users(struct worker *worker) {
    for (size_t i = 0; worker->kept != NULL && i < worker->plan->connections_max; i++) {
        struct connection *connection = &worker->connections[i];
        if (connection->user != 0 && connection->state == CONNECTION_IDLE)
            idle_push(worker, connection);
        connection->user = 0;
    }
    free(worker->kept);
    worker->kept = NULL;
}

bool dispatch_open_idle(struct worker *worker) {
    enum connection_event event = CONNECTION_NO_RESOURCE;
    if (worker->closed != NULL && open_new(worker, &event) != NULL)
        return true;
    worker_trouble(worker, trouble_of(event), ENDPOINT_LOGIN, 0);
    return false;
}

/* ---- requests ---- */

static void stop_waiting(struct worker *worker, struct request_queue *queue, struct request *request, int64_t now_ns) {
    queue_remove(queue, request);
    worker->share->waiting--;
    worker->share->wait_sum_ns += (uint64_t)(now_ns - request->issued_ns);
}

void dispatch_settle(struct worker *worker, int64_t now_ns) {
    while (worker->for_actor.first != NULL && worker->actors.free_first != NULL) {
        struct request *request = worker->for_actor.first;
        stop_waiting(worker, &worker->for_actor, request, now_ns);
        request->actor = actors_take(&worker->actors);
        place(worker, request, now_ns);
    }
    while (worker->for_connection.first != NULL && (worker->idle != NULL || worker->closed != NULL)) {
        struct request *request = worker->for_connection.first;
        stop_waiting(worker, &worker->for_connection, request, now_ns);
        place(worker, request, now_ns);
    }
}

/* False: it must wait for one; or there is none at all, which the request does not survive. */
static bool find_actor(struct worker *worker, struct request *request) {
    if (request->actor != NULL)
        return true;
    switch (request->actor_kind) {
    case ACTOR_NEW:
        request->actor = actor_create_fresh(&worker->actors);
        request->owns_actor = true;
        break;
    case ACTOR_ACCOUNT:
        request->actor = actor_create_account(&worker->actors);
        request->owns_actor = true;
        break;
    case ACTOR_SHARED:
        request->actor = actors_shared(&worker->actors);
        break;
    case ACTOR_EXCLUSIVE:
        request->actor = actors_take(&worker->actors);
        break;
    }
    return request->actor != NULL;
}

void dispatch_issue(struct worker *worker, struct request *request, int64_t now_ns) {
    struct worker_share *share = worker->share;
    request->issued_ns = now_ns;
    add_to_issued(worker, request);
    share->in_flight++;
    if (worker_counts(request)) {
        share->issued++;
        share->tallies[request->endpoint].due++;
        histogram_record(&share->lag, now_ns - request->due_ns);
    }
    if (find_actor(worker, request)) {
        place(worker, request, now_ns);
    } else if (request->actor_kind == ACTOR_EXCLUSIVE) {
        queue_append(&worker->for_actor, request, PLACE_FOR_ACTOR);
        share->waiting++;
    } else {
        end(worker, request, REPLY_LOCAL, 0, -1, now_ns);
    }
}

static void take_out(struct worker *worker, struct request *request, int64_t now_ns) {
    if (request->place == PLACE_FOR_ACTOR || request->place == PLACE_FOR_CONNECTION) {
        stop_waiting(worker, request->place == PLACE_FOR_ACTOR ? &worker->for_actor : &worker->for_connection, request, now_ns);
        return;
    }
    connection_close(request->connection);
    put_away(worker, request->connection);
    request->connection = NULL;
}

void dispatch_expire(struct worker *worker, int64_t now_ns) {
    struct request *newer;
    for (struct request *request = worker->oldest; request != NULL; request = newer) {
        if (request->issued_ns + worker->plan->timeout_ns > now_ns)
            return;
        newer = request->newer;
        take_out(worker, request, now_ns);
        end(worker, request, REPLY_TIMEOUT, 0, -1, now_ns);
    }
}

void dispatch_destroy_all(struct worker *worker) {
    struct request *newer;
    for (struct request *request = worker->oldest; request != NULL; request = newer) {
        newer = request->newer;
        dispatch_destroy(request);
    }
    worker->oldest = worker->newest = NULL;
    for (size_t i = 0; i < worker->timers_count; i++)
        dispatch_destroy(worker->timers[i].request);
    worker->timers_count = 0;
    for (size_t i = 0; i < worker->plan->connections_max; i++)
        connection_fini(&worker->connections[i]);
}
