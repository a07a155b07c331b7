#include "collector.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODIES_MAX 512
#define HEAD_SIZE 8192
#define POLLS_MAX 3000
#define PAUSE_US 10000u

struct collector {
    pthread_t thread;
    int listener, port;
    char setting[96];
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t changed;
    enum collector_mode mode;
    bool is_stopping;
    int connection; /* -1: none */
    unsigned bodies, connections;
    int64_t came_us[2]; /* the first two bodies */
    struct json_object *taken[BODIES_MAX];
    size_t taken_count;
    char problem[256]; /* the first */
};

/* ---- the form ---- */

static void complain(struct collector *collector, const char *format, ...) {
    va_list arguments;
    if (collector->problem[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(collector->problem, sizeof collector->problem, format, arguments);
    va_end(arguments);
}

static bool is_hex(const char *text, size_t len) {
    return strlen(text) == len && strspn(text, "0123456789abcdef") == len && strspn(text, "0") < len;
}

static const char *string_at(const struct json_object *object, const char *name) {
    struct json_object *value = json_object_object_get(object, name);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

/* opentelemetry/proto/trace/v1/trace.proto */
static const struct {
    const char *name;
    enum json_type type;
} span_members[] = {
    { "traceId", json_type_string },
    { "spanId", json_type_string },
    { "parentSpanId", json_type_string },
    { "traceState", json_type_string },
    { "flags", json_type_int },
    { "name", json_type_string },
    { "kind", json_type_int },
    { "startTimeUnixNano", json_type_string },
    { "endTimeUnixNano", json_type_string },
    { "attributes", json_type_array },
    { "status", json_type_object },
};

static void check_span(struct collector *collector, struct json_object *span) {
    json_object_object_foreach(span, name, value) {
        bool is_known = false;
        for (size_t i = 0; i < ARRAY_LEN(span_members); i++)
            is_known = is_known || (strcmp(span_members[i].name, name) == 0 && json_object_is_type(value, span_members[i].type));
        if (!is_known)
            complain(collector, "member %s: %s", name, json_object_to_json_string(value));
    }
    const char *parent = string_at(span, "parentSpanId"), *begin = string_at(span, "startTimeUnixNano"),
               *end = string_at(span, "endTimeUnixNano");
    if (!is_hex(string_at(span, "traceId"), 32) || !is_hex(string_at(span, "spanId"), 16) ||
        (parent[0] != '\0' && !is_hex(parent, 16)))
        complain(collector, "an id: %s", json_object_to_json_string(span));
    if (strlen(begin) != 19 || strlen(end) != 19 || strcmp(begin, end) > 0)
        complain(collector, "times: %s", json_object_to_json_string(span));
    if (string_at(span, "name")[0] == '\0')
        complain(collector, "no name: %s", json_object_to_json_string(span));
}

/* Calls check_span for each span of a body; the list of the next level, or NULL. */
static struct json_object *list_at(struct collector *collector, const struct json_object *object, const char *name) {
    struct json_object *list = json_object_object_get(object, name);
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) == 0) {
        complain(collector, "no %s", name);
        return NULL;
    }
    return list;
}

static struct json_object *spans_of(struct collector *collector, const struct json_object *body) {
    struct json_object *resources = list_at(collector, body, "resourceSpans");
    struct json_object *scopes = NULL;
    if (resources != NULL)
        scopes = list_at(collector, json_object_array_get_idx(resources, 0), "scopeSpans");
    return scopes != NULL ? list_at(collector, json_object_array_get_idx(scopes, 0), "spans") : NULL;
}

static void check_body(struct collector *collector, const struct json_object *body) {
    struct json_object *spans = spans_of(collector, body);
    for (size_t i = 0; spans != NULL && i < json_object_array_length(spans); i++)
        check_span(collector, json_object_array_get_idx(spans, i));
}

/* ---- one connection ---- */

static bool read_head(int fd, char head[HEAD_SIZE]) {
    for (size_t len = 0; len + 1 < HEAD_SIZE; len++) {
        if (recv(fd, head + len, 1, 0) != 1)
            return false;
        head[len + 1] = '\0';
        if (len >= 3 && strcmp(head + len - 3, "\r\n\r\n") == 0)
            return true;
    }
    return false;
}

static char *read_body(int fd, const char *head, size_t *len) {
    const char *field = strcasestr(head, "\r\nContent-Length:");
    *len = field != NULL ? strtoul(field + strlen("\r\nContent-Length:"), NULL, 10) : 0;
    char *body = calloc(1, *len + 1);
    if (body != NULL && *len > 0 && recv(fd, body, *len, MSG_WAITALL) == (ssize_t)*len)
        return body;
    free(body);
    return NULL;
}

static void reply_endlessly(int fd) {
    static const char bytes[4096];
    dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
    while (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
        ;
}

static void reply(int fd, enum collector_mode mode) {
    static const struct {
        const char *status, *more, *body;
    } replies[] = {
        [COLLECTOR_TAKES] = { "200 OK", "", "{\"partialSuccess\":{}}" },
        [COLLECTOR_IS_SILENT] = { NULL, NULL, NULL },
        [COLLECTOR_IS_BUSY] = { "503 Service Unavailable", "Retry-After: 2\r\n", "{}" },
        [COLLECTOR_REFUSES] = { "400 Bad Request", "", "{}" },
        /* the message is not UTF-8 */
        [COLLECTOR_REJECTS] = { "200 OK", "",
                                "{\"partialSuccess\":{\"rejectedSpans\":\"1\",\"errorMessage\":\"trop \xe2g\xe9\"}}" },
        [COLLECTOR_IS_ENDLESS] = { NULL, NULL, NULL },
    };
    if (replies[mode].status != NULL)
        dprintf(fd, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s", replies[mode].status,
                replies[mode].more, strlen(replies[mode].body), replies[mode].body);
}

static void take(struct collector *collector, const char *head, const char *bytes) {
    struct json_object *body = json_tokener_parse(bytes);
    bool is_taken = collector->mode == COLLECTOR_TAKES || collector->mode == COLLECTOR_REJECTS;
    if (strncmp(head, "POST /v1/traces HTTP/1.1\r\n", 26) != 0 ||
        strcasestr(head, "\r\nContent-Type: application/json\r\n") == NULL)
        complain(collector, "the request: %s", head);
    if (body == NULL)
        complain(collector, "no JSON");
    else
        check_body(collector, body);
    if (collector->taken_count == BODIES_MAX)
        complain(collector, "too many bodies");
    if (body != NULL && is_taken && collector->taken_count < BODIES_MAX)
        collector->taken[collector->taken_count++] = body;
    else
        json_object_put(body);
}

/* False: the connection has ended. */
static bool serve(struct collector *collector, int fd) {
    char head[HEAD_SIZE];
    size_t len;
    char *body = read_head(fd, head) ? read_body(fd, head, &len) : NULL;
    if (body == NULL)
        return false;
    pthread_mutex_lock(&collector->lock);
    enum collector_mode mode = collector->mode;
    take(collector, head, body);
    if (collector->bodies < ARRAY_LEN(collector->came_us))
        collector->came_us[collector->bodies] = clock_monotonic_us();
    collector->bodies++;
    pthread_cond_broadcast(&collector->changed);
    pthread_mutex_unlock(&collector->lock);
    free(body);
    if (mode == COLLECTOR_IS_ENDLESS)
        reply_endlessly(fd);
    else
        reply(fd, mode);
    return true;
}

/* -1: there is none any more. False: the collector is to stop. */
static bool set_connection(struct collector *collector, int fd) {
    pthread_mutex_lock(&collector->lock);
    bool goes_on = !collector->is_stopping;
    collector->connection = fd;
    collector->connections += fd >= 0 ? 1 : 0;
    pthread_mutex_unlock(&collector->lock);
    return goes_on;
}

static void *work(void *argument) {
    struct collector *collector = argument;
    for (int fd; (fd = accept4(collector->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        for (bool goes_on = set_connection(collector, fd); goes_on;)
            goes_on = serve(collector, fd);
        set_connection(collector, -1);
        close(fd);
    }
    return NULL;
}

/* ---- from outside ---- */

struct collector *collector_start(void) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    struct collector *collector = calloc(1, sizeof *collector);
    ck_assert_ptr_nonnull(collector);
    collector->connection = -1;
    pthread_mutex_init(&collector->lock, NULL);
    pthread_cond_init(&collector->changed, NULL);
    collector->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(collector->listener, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(collector->listener, 64), 0);
    ck_assert_int_eq(getsockname(collector->listener, (struct sockaddr *)&address, &len), 0);
    collector->port = ntohs(address.sin_port);
    snprintf(collector->setting, sizeof collector->setting, "trace.otlp_endpoint=http://127.0.0.1:%d", collector->port);
    ck_assert_int_eq(pthread_create(&collector->thread, NULL, work, collector), 0);
    return collector;
}

static void assert_form(const struct collector *collector) {
    ck_assert_msg(collector->problem[0] == '\0', "the collector: %s", collector->problem);
}

void collector_stop(struct collector *collector) {
    pthread_mutex_lock(&collector->lock);
    collector->is_stopping = true;
    if (collector->connection >= 0)
        shutdown(collector->connection, SHUT_RDWR);
    pthread_mutex_unlock(&collector->lock);
    shutdown(collector->listener, SHUT_RDWR); /* accept returns */
    pthread_join(collector->thread, NULL);
    assert_form(collector);
    close(collector->listener);
    for (size_t i = 0; i < collector->taken_count; i++)
        json_object_put(collector->taken[i]);
    pthread_mutex_destroy(&collector->lock);
    pthread_cond_destroy(&collector->changed);
    free(collector);
}

const char *collector_setting(const struct collector *collector) {
    return collector->setting;
}

int collector_port(const struct collector *collector) {
    return collector->port;
}

/* A reply that is owed is not given any more: the connection is cut, as by a collector that starts again. */
void collector_set_mode(struct collector *collector, enum collector_mode mode) {
    pthread_mutex_lock(&collector->lock);
    if (collector->mode == COLLECTOR_IS_SILENT && collector->connection >= 0)
        shutdown(collector->connection, SHUT_RDWR);
    collector->mode = mode;
    pthread_mutex_unlock(&collector->lock);
}

unsigned collector_bodies(struct collector *collector) {
    pthread_mutex_lock(&collector->lock);
    unsigned count = collector->bodies;
    pthread_mutex_unlock(&collector->lock);
    return count;
}

unsigned collector_connections(struct collector *collector) {
    pthread_mutex_lock(&collector->lock);
    unsigned count = collector->connections;
    pthread_mutex_unlock(&collector->lock);
    return count;
}

void collector_await_bodies(struct collector *collector, unsigned count) {
    for (int i = 0; i < POLLS_MAX; i++) {
        if (collector_bodies(collector) >= count)
            return;
        usleep(PAUSE_US);
    }
    ck_abort_msg("the collector has read %u bodies, not %u", collector_bodies(collector), count);
}

double collector_pause_s(struct collector *collector) {
    pthread_mutex_lock(&collector->lock);
    ck_assert_uint_ge(collector->bodies, ARRAY_LEN(collector->came_us));
    int64_t pause_us = collector->came_us[1] - collector->came_us[0];
    pthread_mutex_unlock(&collector->lock);
    return (double)pause_us / 1e6;
}

static struct collected_span read_span(struct json_object *span) {
    struct json_object *status = json_object_object_get(span, "status");
    return (struct collected_span){
        .trace_id = string_at(span, "traceId"),
        .id = string_at(span, "spanId"),
        .parent_id = string_at(span, "parentSpanId"),
        .state = string_at(span, "traceState"),
        .name = string_at(span, "name"),
        .kind = json_object_get_int(json_object_object_get(span, "kind")),
        .begin_ns = strtoll(string_at(span, "startTimeUnixNano"), NULL, 10),
        .end_ns = strtoll(string_at(span, "endTimeUnixNano"), NULL, 10),
        .is_error = json_object_get_int(json_object_object_get(status, "code")) == 2,
        .attributes = json_object_object_get(span, "attributes"),
    };
}

size_t collector_spans(struct collector *collector, const char *trace_id, struct collected_span spans[COLLECTED_MAX]) {
    size_t count = 0;
    pthread_mutex_lock(&collector->lock);
    assert_form(collector);
    for (size_t i = 0; i < collector->taken_count; i++) {
        struct json_object *list = spans_of(collector, collector->taken[i]);
        for (size_t j = 0; j < json_object_array_length(list); j++) {
            struct json_object *span = json_object_array_get_idx(list, j);
            if (trace_id != NULL && strcmp(string_at(span, "traceId"), trace_id) != 0)
                continue;
            ck_assert_uint_lt(count, COLLECTED_MAX);
            spans[count++] = read_span(span);
        }
    }
    pthread_mutex_unlock(&collector->lock);
    return count;
}

size_t collector_await_spans(struct collector *collector, const char *trace_id, size_t least,
                             struct collected_span spans[COLLECTED_MAX]) {
    for (int i = 0; i < POLLS_MAX; i++) {
        size_t count = collector_spans(collector, trace_id, spans);
        if (count >= least)
            return count;
        usleep(PAUSE_US);
    }
    ck_abort_msg("%zu spans of the trace %s have not come", least, trace_id != NULL ? trace_id : "(any)");
    return 0;
}

const char *collected_attribute(const struct collected_span *span, const char *key) {
    for (size_t i = 0; i < json_object_array_length(span->attributes); i++) {
        struct json_object *attribute = json_object_array_get_idx(span->attributes, i);
        if (strcmp(string_at(attribute, "key"), key) != 0)
            continue;
        struct json_object *value = json_object_object_get(attribute, "value");
        return string_at(value, json_object_object_get(value, "intValue") != NULL ? "intValue" : "stringValue");
    }
    return "";
}
