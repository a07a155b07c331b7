#include "jwtd/http_server.h"

#include "acceptor.h"
#include "connections.h"
#include "context.h"
#include "delayed_replies.h"
#include "http_metrics.h"
#include "input.h"
#include "library.h"
#include "listener.h"
#include "receiver.h"
#include "request_log.h"
#include "router.h"
#include "self_check.h"
#include "streams.h"

#include "jwtd/clock.h"
#include "jwtd/cores.h"
#include "jwtd/log.h"
#include "jwtd/services.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEP_ALIVE_TIMEOUT_S 60u
#define OPERATIONS_KEEP_ALIVE_TIMEOUT_S 5u
#define DESCRIPTORS_FOR_OTHERS 64u
#define OPERATIONS_CONNECTIONS 32u
#define OPERATIONS_DESCRIPTORS                                                                                                   \
    (OPERATIONS_CONNECTIONS + EVICTED_MAX + 16u) /* those beyond the limit, and what the server itself has */
#define STOP_POLL_US 1000u
#define FIRST_BYTES_US 20000u

struct http_server {
    struct http_context context; /* for the exchanges, which know nothing else of the server */
    struct MHD_Daemon *daemon;
    unsigned threads; /* of the daemon */
    struct listener listener;
    struct connections *connections;
    struct acceptor *acceptor;
};

__attribute__((format(printf, 2, 0))) static void log_library(void *context, const char *format, va_list arguments) {
    (void)context;
    char message[512];
    vsnprintf(message, sizeof message, format, arguments);
    log_event(LOG_DEBUG, "http_library", "message=%s", message);
}

static void log_panic(void *context, const char *file, unsigned line, const char *reason) {
    (void)context;
    log_event(LOG_ERROR, "http_library_panic", "file=%s line=%u reason=%s", file, line, reason);
    log_flush(CLOCK_US_PER_S);
    abort();
}

/* Percent-encoding is not decoded: the library would do it in place, as a C string, so that %00 ends a path. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text) {
    (void)context;
    (void)connection;
    return strlen(text);
}

/* Of a request without an exchange, whose request line was not read whole: every exchange takes its own. */
static void note_refusal(const struct http_server *server, struct connection *connection, const struct address *peer) {
    enum status refusal = connection_take_refusal(connection);
    unsigned page = 0;
    if (refusal == STATUS_OK && !input_is_line_refused(connection->fd, &page))
        return;
    if (refusal != STATUS_OK)
        http_metrics_note_direct_reply(server->context.listener, refusal);
    else if (page != 0)
        http_metrics_note_page(server->context.listener, page);
    request_log_refusal(peer, refusal, page);
}

static void notify_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                              enum MHD_ConnectionNotificationCode code) {
    struct http_server *server = context;
    int fd = library_fd(connection);
    struct address peer = library_peer(connection);
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*socket_context != NULL) {
            receiver_abandon(*socket_context);
            note_refusal(server, *socket_context, &peer);
            connections_remove(server->connections, *socket_context);
        }
        input_end(fd);
        return;
    }
    *socket_context = connections_add(server->connections, fd, &peer);
    if (!input_begin(fd) || *socket_context == NULL)
        shutdown(fd, SHUT_RDWR); /* without its entry it has no deadline, without its scanner no request is well formed */
}

static bool is_public(const struct http_server *server) {
    return server->context.listener == LISTENER_PUBLIC;
}

static unsigned public_threads(const struct config *config) {
    return config->server.threads > 0 ? config->server.threads : cores_available();
}

/* How many connections there are descriptors for, beside those that are accepted to be refused, at most as many as configured;
 * fewer are logged. */
static unsigned clamp_connections(const struct config *config) {
    struct rlimit limit;
    unsigned wanted = config->server.max_connections;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    /* a thread of the library has two, and its self-check takes two more */
    rlim_t reserved = DESCRIPTORS_FOR_OTHERS + config->database.connections + 4 * (rlim_t)public_threads(config);
    if (endpoint_is_set(&config->ops.listen))
        reserved += OPERATIONS_DESCRIPTORS;
    rlim_t possible = limit.rlim_cur > reserved ? limit.rlim_cur - reserved : 1;
    unsigned clamped = wanted;
    while (clamped > 1 && connections_with_spare(clamped) > possible)
        clamped -= clamped / 100 + 1;
    if (clamped < wanted)
        log_event(LOG_WARN, "max_connections_clamped", "wanted=%u possible=%u descriptors=%lu", wanted, clamped,
                  (unsigned long)limit.rlim_cur);
    return clamped;
}

static struct connections *create_connections(const struct http_server *server) {
    const struct config *config = server->context.services->config;
    bool is_for_clients = is_public(server);
    return connections_create(&(struct connection_limits){
        .thread_name = is_for_clients ? "reaper" : "ops-reaper",
        .listener = server->context.listener,
        .total = is_for_clients ? clamp_connections(config) : OPERATIONS_CONNECTIONS,
        .per_address = is_for_clients ? config->server.max_connections_per_address : OPERATIONS_CONNECTIONS,
        .makes_room = !is_for_clients,
        .trusted = is_for_clients ? config->server.trusted_proxies : (struct cidr_list){ .count = 0 },
        .header_timeout_us = config->server.header_timeout_ms * 1000,
        .body_timeout_us = config->server.body_timeout_ms * 1000 });
}

/* On loopback, which a page in a browser of this host reaches by DNS rebinding: it is answered as of its own origin. Elsewhere
 * the operator's listener is reached by names. */
static bool refuses_names(const struct config *config, enum route_listener listener) {
    const struct endpoint *endpoint = &config->ops.listen;
    return listener == LISTENER_OPERATIONS && !endpoint->is_unix && address_is_loopback(&endpoint->host);
}

/* Logs a part that could not be created, with the reason in errno. */
static bool is_created(const void *part, const char *name) {
    if (part == NULL)
        log_event(LOG_ERROR, "http_start_failed", "part=%s error=%s", name, strerrordesc_np(errno));
    return part != NULL;
}

static bool start_daemon(struct http_server *server) {
    unsigned threads = server->threads;
    struct MHD_OptionItem options[] = {
        { MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_library, NULL },
        /* never reached, since the acceptor counts; a thread of the library that reaches its share may hold a lock for ever */
        { MHD_OPTION_CONNECTION_LIMIT, INT_MAX, NULL },
        { MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)CONNECTION_MEMORY, NULL },
        { MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)(is_public(server) ? KEEP_ALIVE_TIMEOUT_S : OPERATIONS_KEEP_ALIVE_TIMEOUT_S),
          NULL },
        { MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
        { MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL },
        { MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL },
        { MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)receiver_begin, &server->context },
        { MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)receiver_end, NULL },
        { MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)notify_connection, server },
        /* a pool of one is refused by the library: it is the daemon's own thread then */
        { threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL },
        { MHD_OPTION_END, 0, NULL },
    };
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG;
    server->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, receiver_handle, &server->context, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    return is_created(server->daemon, "daemon");
}

/* The thread of the one route that has a stream, if there is one. */
static bool start_streams(struct http_context *context) {
    const struct config *config = context->services->config;
    for (size_t i = 0; i < context->route_count; i++)
        if (context->routes[i].stream != NULL && route_is_at(&context->routes[i], context->listener)) {
            context->streams = streams_create(context->services, context->routes[i].stream, config->server.max_streams);
            return is_created(context->streams, "streams");
        }
    return true;
}

/* Who asks for the service's condition is not made to wait. */
static bool start_delayed_replies(struct http_server *server) {
    if (!is_public(server))
        return true;
    server->context.delayed_replies = delayed_replies_create();
    return is_created(server->context.delayed_replies, "delayed replies");
}

static bool start_parts(struct http_server *server) {
    server->connections = create_connections(server);
    if (!is_created(server->connections, "connections"))
        return false;
    server->threads = is_public(server) ? public_threads(server->context.services->config) : 1;
    bool has_threads = http_threads_init(&server->context.threads, server->threads);
    if (!is_created(has_threads ? server->context.threads.items : NULL, "HTTP threads"))
        return false;
    if (!start_delayed_replies(server) || !start_streams(&server->context) || !start_daemon(server))
        return false;
    server->acceptor = acceptor_start(server->context.listener, server->listener.fd, server->daemon, server->connections);
    return is_created(server->acceptor, "acceptor");
}

static void free_server(struct http_server *server) {
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    streams_destroy(server->context.streams);
    listener_unlink(&server->listener);
    close(server->listener.fd);
    delayed_replies_destroy(server->context.delayed_replies);
    if (server->connections != NULL)
        connections_destroy(server->connections);
    http_threads_fini(&server->context.threads, server->context.services->snapshots);
    free(server);
}

struct http_server *http_server_start(const struct services *services, const struct route *routes, size_t count,
                                      enum route_listener listener) {
    const struct config *config = services->config;
    if (!routes_are_sound(routes, count))
        return NULL;
    struct http_server *server = calloc(1, sizeof *server);
    if (!is_created(server, "server"))
        return NULL;
    server->context = (struct http_context){ .services = services,
                                             .routes = routes,
                                             .route_count = count,
                                             .listener = listener,
                                             .refuses_names = refuses_names(config, listener) };
    http_metrics_name_routes(routes, count);
    MHD_set_panic_func(log_panic, NULL);
    bool is_open = is_public(server) ? listener_open(&server->listener, "server.listen", &config->server.listen, true)
                                     : listener_open(&server->listener, "ops.listen", &config->ops.listen, false);
    if (!is_open) {
        free(server);
        return NULL;
    }
    if (!start_parts(server)) {
        free_server(server);
        return NULL;
    }
    log_event(LOG_INFO, "listening", is_public(server) ? "url=%s" : "operations=%s", server->listener.url);
    return server;
}

bool http_server_is_alive(struct http_server *server, int64_t limit_us) {
    return acceptor_is_alive(server->acceptor, limit_us) && streams_are_alive(server->context.streams, limit_us) &&
           self_check(server->daemon, server->threads, clock_monotonic_us() + limit_us);
}

static bool has_exchanges(struct http_server *server) {
    return http_threads_in_flight(&server->context.threads) > 0;
}

/* Serves what is accepted or in the listen queue, while no more is queued. The queue of a borrowed socket is left to the next
 * process that listens on it. */
static void drain(struct http_server *server, int64_t grace_us) {
    if (server->listener.is_borrowed)
        return;
    int64_t until_us = clock_monotonic_us() + grace_us / 2;
    listener_stop_accepting(&server->listener);
    while ((listener_has_pending(&server->listener) || has_exchanges(server)) && clock_monotonic_us() < until_us)
        usleep(STOP_POLL_US);
}

void http_server_stop(struct http_server *server, int64_t grace_ms) {
    int64_t until_us = clock_monotonic_us() + grace_ms * 1000;
    delayed_replies_release(server->context.delayed_replies);
    connections_shorten_deadlines(server->connections);
    streams_stop(server->context.streams);
    drain(server, grace_ms * 1000);
    acceptor_stop(server->acceptor);
    /* the library closes what no thread of its own has taken over yet, and does so without a lock */
    while (connections_reserved(server->connections) > 0)
        usleep(STOP_POLL_US);
    /* the first bytes of a connection that has just been accepted may not have been read yet */
    usleep(FIRST_BYTES_US);
    while (has_exchanges(server) && clock_monotonic_us() < until_us)
        usleep(STOP_POLL_US);
    /* The library aborts when it is stopped with a connection suspended. Each one is resumed by its deadline, since the pools run
     * or end every job; after this flag none is suspended any more. */
    atomic_store(&server->context.counters.suspension_closed, true);
    while (atomic_load(&server->context.counters.suspended) > 0)
        usleep(STOP_POLL_US);
    MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
    unsigned exchanges = http_threads_in_flight(&server->context.threads), connections = connections_count(server->connections);
    log_event(LOG_INFO, "http_stopped", "listener=%s exchanges_left=%u connections_left=%u",
              is_public(server) ? "public" : "operations", exchanges, connections);
    assert(exchanges == 0 && connections == 0);
    free_server(server);
}
