/* Traces: what a request's spans say, whose traceparent counts, and what a collector that is slow or away costs. */
#include "support/account.h"
#include "support/cluster.h"
#include "support/collector.h"
#include "support/raw.h"
#include "support/reverse_proxy.h"

#include "jwtd/macros.h"
#include "jwtd/tracer.h"
#include "tests/runner.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *traces_suite(void);

#define MS INT64_C(1000000)
#define KIND_SERVER 2
#define KIND_CLIENT 3
#define CALLER "b7ad6b7169203331"

static struct collector *collector;
static struct collected_span spans[COLLECTED_MAX];

static void start_collector(void) {
    collector = collector_start();
}

static void stop_collector(void) {
    collector_stop(collector);
}

/* A server that sends to the collector; `sample` and `sample_callers` are such settings. */
static struct server start(const char *sample, const char *sample_callers) {
    return server_start((const char *const[]){ collector_setting(collector), sample, sample_callers, NULL });
}

/* A sampled traceparent of a trace whose id ends with this number, as a header line; the id is 16 bytes behind its beginning. */
static const char *traceparent(unsigned number, char line[96]) {
    snprintf(line, 96, "traceparent: 00-4bf92f3577b34da6a3ce929d%08x-" CALLER "-01", number);
    return line;
}

static const char *trace_id_of(const char *line, char id[33]) {
    snprintf(id, 33, "%.32s", line + strlen("traceparent: 00-"));
    return id;
}

static const struct collected_span *find(size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(spans[i].name, name) == 0)
            return &spans[i];
    ck_abort_msg("there is no span %s", name);
    return NULL;
}

static const struct collected_span *find_by_id(size_t count, const char *id) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(spans[i].id, id) == 0)
            return &spans[i];
    return NULL;
}

/* Each span but the request's is part of another one of the trace, and lies within its time. */
static void assert_nested(size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct collected_span *parent = find_by_id(count, spans[i].parent_id);
        if (spans[i].kind == KIND_SERVER)
            continue;
        ck_assert_msg(parent != NULL, "%s has no parent", spans[i].name);
        ck_assert_msg(parent->begin_ns <= spans[i].begin_ns && spans[i].end_ns <= parent->end_ns, "%s is not within %s",
                      spans[i].name, parent->name);
    }
}

/* Sends a login with these header lines. */
static struct reply log_in(const struct server *server, const struct account *account, const char *const *headers) {
    char body[BODY_SIZE];
    const char *lines[8] = { "Content-Type: application/json" };
    for (size_t i = 0; headers[i] != NULL; i++)
        lines[i + 1] = headers[i];
    struct reply reply = http_send(server, "POST", "/auth/login", lines, credentials(account, PASSWORD, body));
    ck_assert_int_eq(reply.status, 200);
    return reply;
}

/* A request that is traced, with two spans. */
static void send_traced(const struct server *server, unsigned number) {
    char line[96];
    const char *const headers[] = { traceparent(number, line), NULL };
    struct reply reply = http_send(server, "GET", "/health/live", headers, NULL);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_msg(reply.seconds < 5, "%.1f s", reply.seconds);
    http_free(&reply);
}

/* The same so often, on one connection: all are sent, and then all replies are read. */
static void send_many_traced(const struct server *server, unsigned count) {
    static char replies[1 << 20];
    size_t len = 0;
    unsigned answered = 0;
    int fd = raw_connect(server);
    for (unsigned i = 0; i < count; i++) {
        char line[96], request[256];
        snprintf(request, sizeof request, "GET /health/live HTTP/1.1\r\nHost: a\r\n%s\r\n%s\r\n", traceparent(i, line),
                 i + 1 == count ? "Connection: close\r\n" : "");
        raw_send(fd, request, strlen(request));
    }
    for (ssize_t got; (got = recv(fd, replies + len, sizeof replies - 1 - len, 0)) > 0;)
        len += (size_t)got;
    replies[len] = '\0';
    for (const char *at = replies; (at = strstr(at, "HTTP/1.1 200 OK\r\n")) != NULL; at++)
        answered++;
    ck_assert_uint_eq(answered, count);
    close(fd);
}

/* ---- one trace ---- */

static void assert_login_is_traced(const struct server *server) {
    struct account account = account_register(server);
    char line[96], id[33], request_id[80];
    struct reply reply =
        log_in(server, &account, (const char *const[]){ traceparent(1, line), "tracestate: a=1", "tracestate: b=2", NULL });
    http_header(&reply, "X-Request-Id", request_id, sizeof request_id);
    http_free(&reply);
    size_t count = collector_await_spans(collector, trace_id_of(line, id), 1, spans);

    server_await_log(server, id, 10000); /* the line of the request */
    const struct collected_span *request = find(count, "POST /auth/login");
    ck_assert_int_eq(request->kind, KIND_SERVER);
    ck_assert_str_eq(request->parent_id, CALLER);
    ck_assert_str_eq(request->state, "a=1,b=2");
    ck_assert(!request->is_error);
    ck_assert_str_eq(collected_attribute(request, "http.route"), "/auth/login");
    ck_assert_str_eq(collected_attribute(request, "http.request.method"), "POST");
    ck_assert_str_eq(collected_attribute(request, "http.response.status_code"), "200");
    ck_assert_str_eq(collected_attribute(request, "jwtd.request_id"), request_id);
    assert_nested(count);

    const struct collected_span *hash = find_by_id(count, find(count, "wait for crypto")->parent_id);
    ck_assert_str_eq(hash->parent_id, request->id);
    ck_assert_str_eq(collected_attribute(hash, "jwtd.executor"), "crypto");
    const struct collected_span *step = find_by_id(count, find(count, "wait for database")->parent_id);
    ck_assert_str_eq(collected_attribute(step, "jwtd.executor"), "database");
    unsigned statements = 0;
    for (size_t i = 0; i < count; i++) {
        if (spans[i].kind != KIND_CLIENT)
            continue;
        statements++;
        ck_assert_str_eq(collected_attribute(&spans[i], "db.system.name"), "postgresql");
        ck_assert_str_eq(collected_attribute(find_by_id(count, spans[i].parent_id), "jwtd.executor"), "database");
    }
    ck_assert_uint_ge(statements, 2);
}

START_TEST(a_login_is_one_trace_with_its_steps_waits_and_statements) {
    struct server server = start("trace.sample=1", "trace.sample_callers=off");
    assert_login_is_traced(&server);
    server_finish(&server);
}
END_TEST

/* From `make collector`; skipped without it. */
#define DECODER "build/collector"

/* OpenTelemetry's own decoder, between the service and the collector. */
START_TEST(opentelemetry_itself_understands_the_same) {
    struct server decoder = { .port = find_free_port(), .is_proxy = true };
    char port[16], target[64], endpoint[160];
    snprintf(port, sizeof port, "%d", decoder.port);
    snprintf(decoder.url, sizeof decoder.url, "http://127.0.0.1:%s", port);
    snprintf(target, sizeof target, "http://127.0.0.1:%d/v1/traces", collector_port(collector));
    snprintf(endpoint, sizeof endpoint, "trace.otlp_endpoint=%s", decoder.url);
    decoder.pid = fork();
    if (decoder.pid == 0) {
        execl(DECODER, DECODER, port, target, (char *)NULL);
        _exit(127);
    }
    ck_assert_int_gt(decoder.pid, 0);
    for (long status = 0; status == 0; usleep(10000)) {
        struct reply reply = http_try(&decoder, "GET", "/", NULL, NULL);
        status = reply.status;
        http_free(&reply);
        ck_assert_int_eq(waitpid(decoder.pid, NULL, WNOHANG), 0);
    }
    struct server server = server_start((const char *const[]){ endpoint, "trace.sample=1", NULL });
    assert_login_is_traced(&server);
    server_finish(&server);
    ck_assert_int_eq(server_stop(&decoder, SIGKILL), -1);
}
END_TEST

START_TEST(a_refusal_is_a_trace_and_an_error_only_when_it_is_the_services) {
    struct server server = start("trace.sample=1", "trace.sample_callers=off");
    char line[96], id[33];
    const char *const headers[] = { traceparent(2, line), NULL };
    expect_status(http_send(&server, "GET", "/auth/me", headers, NULL), 401);
    const char *const others[] = { traceparent(3, line), NULL };
    expect_status(http_send(&server, "FOO", "/secret/of/the/client", others, NULL), 404);

    ck_assert_uint_eq(collector_await_spans(collector, trace_id_of(traceparent(2, line), id), 1, spans), 1);
    ck_assert_str_eq(spans[0].name, "GET /auth/me");
    ck_assert_str_eq(collected_attribute(&spans[0], "http.response.status_code"), "401");
    ck_assert(!spans[0].is_error);
    ck_assert_uint_eq(collector_await_spans(collector, trace_id_of(traceparent(3, line), id), 1, spans), 1);
    server_finish(&server);
    ck_assert_str_eq(spans[0].name, "_OTHER"); /* what the client chooses without bound is in no name */
    ck_assert_str_eq(collected_attribute(&spans[0], "http.route"), "");

    server = server_start_unready(
        (const char *const[]){ collector_setting(collector), "trace.sample=1", "database.url=host=127.0.0.1 port=1", NULL });
    const char *const away[] = { "Content-Type: application/json", traceparent(4, line), NULL };
    expect_status(http_send(&server, "POST", "/auth/login", away, "{\"email\":\"a@b.example\",\"password\":\"" PASSWORD "\"}"),
                  503);
    size_t count = collector_await_spans(collector, trace_id_of(line, id), 1, spans);
    server_finish(&server);
    const struct collected_span *request = find(count, "POST /auth/login");
    ck_assert(request->is_error);
    ck_assert_str_eq(collected_attribute(request, "error.type"), "503");
}
END_TEST

/* ---- whose traceparent counts ---- */

static const char *const bad_parents[][3] = {
    { "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-" CALLER "-01-", NULL },
    { "traceparent: ff-4bf92f3577b34da6a3ce929d0e0e4736-" CALLER "-01", NULL },
    { "traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-" CALLER "-01", NULL },
    { "traceparent: 00-00000000000000000000000000000000-" CALLER "-01", NULL },
    { "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", NULL },
    { "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-" CALLER, NULL },
    { "traceparent;", NULL }, /* an empty one, as libcurl takes it */
    { "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-" CALLER "-01",
      "TraceParent: 00-4bf92f3577b34da6a3ce929d0e0e4736-" CALLER "-01", NULL },
    { "trace-parent: 00-4bf92f3577b34da6a3ce929d0e0e4736-" CALLER "-01", NULL },
    { "trace.parent: 00-4bf92f3577b34da6a3ce929d0e0e4736-" CALLER "-01", NULL },
};

/* As lines of tracestate, of which one that is not of the form is passed on no more than one that is too long. */
START_TEST(a_tracestate_of_another_form_is_not_passed_on) {
    struct server server = start("trace.sample=1", "trace.sample_callers=off");
    char longest[TRACE_STATE_MAX + 32], line[96], id[33];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "tracestate: a=1,", strlen("tracestate: a=1,")); /* a second member without a value, and too long */
    longest[sizeof longest - 1] = '\0';
    const char *const states[] = { "tracestate: a=1,b", "tracestate: A=1", longest };
    for (unsigned i = 0; i < ARRAY_LEN(states); i++) {
        const char *const headers[] = { traceparent(10 + i, line), states[i], NULL };
        expect_status(http_send(&server, "GET", "/auth/me", headers, NULL), 401);
    }
    for (unsigned i = 0; i < ARRAY_LEN(states); i++) {
        ck_assert_uint_ge(collector_await_spans(collector, trace_id_of(traceparent(10 + i, line), id), 1, spans), 1);
        ck_assert_str_eq(spans[0].parent_id, CALLER);
        ck_assert_str_eq(spans[0].state, "");
    }
    server_finish(&server);
}
END_TEST

/* What was sent, and not what was about to be. */
START_TEST(a_body_that_does_not_come_is_a_trace_with_its_408) {
    struct server server =
        server_start((const char *const[]){ collector_setting(collector), "trace.sample=1", "server.body_timeout=200ms", NULL });
    char line[96], id[33], request[256];
    snprintf(request, sizeof request,
             "POST /auth/login HTTP/1.1\r\nHost: a\r\n%s\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
             traceparent(20, line));
    int fd = raw_connect(&server);
    raw_send(fd, request, strlen(request));
    ck_assert_uint_ge(collector_await_spans(collector, trace_id_of(line, id), 1, spans), 1);
    ck_assert_str_eq(collected_attribute(find(1, "POST /auth/login"), "http.response.status_code"), "408");
    close(fd);
    server_finish(&server);
}
END_TEST

static size_t count_refused(size_t count) {
    size_t refused = 0;
    for (size_t i = 0; i < count; i++)
        refused += strcmp(collected_attribute(&spans[i], "http.response.status_code"), "404") == 0;
    return refused;
}

START_TEST(with_a_traceparent_of_another_form_a_request_begins_a_trace_of_its_own) {
    struct server server = start("trace.sample=1", "trace.sample_callers=off");
    for (size_t i = 0; i < ARRAY_LEN(bad_parents); i++) {
        char path[32];
        const char *headers[4] = { "tracestate: a=1" };
        snprintf(path, sizeof path, "/users/%zu", i);
        for (size_t j = 0; bad_parents[i][j] != NULL; j++)
            headers[j + 1] = bad_parents[i][j];
        expect_status(http_send(&server, "GET", path, headers, NULL), 404);
    }
    size_t roots = 0;
    for (int tries = 0; tries < 1000 && roots < ARRAY_LEN(bad_parents); tries++) {
        usleep(10000);
        roots = count_refused(collector_spans(collector, NULL, spans));
    }
    ck_assert_uint_eq(roots, ARRAY_LEN(bad_parents));
    for (size_t i = 0; i < collector_spans(collector, NULL, spans); i++) {
        ck_assert(spans[i].kind != KIND_SERVER || spans[i].parent_id[0] == '\0');
        ck_assert_str_eq(spans[i].state, "");
        ck_assert_str_ne(spans[i].trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    }
    server_finish(&server);
}
END_TEST

START_TEST(callers_that_ask_to_be_traced_are_within_one_rate_whatever_ids_they_choose) {
    struct server server = start("trace.sample=0", "trace.sample_callers=10/h burst 5");
    send_many_traced(&server, 100);
    collector_await_spans(collector, NULL, 5, spans);
    server_finish(&server); /* which would send more */
    size_t count = collector_spans(collector, NULL, spans), requests = 0;
    for (size_t i = 0; i < count; i++)
        requests += spans[i].kind == KIND_SERVER;
    ck_assert_uint_eq(requests, 5);
}
END_TEST

/* ---- the collector ---- */

#define ONLY_CALLERS "trace.sample=0", "trace.sample_callers=1000000/s"
#define MORE_THAN_THE_QUEUE 600

static void assert_lost(struct server *server, unsigned count) {
    char text[64];
    snprintf(text, sizeof text, "\"event\":\"spans_lost\",\"since_start\":%u}", count);
    ck_assert_int_eq(server_stop(server, SIGTERM), 0);
    char *log = server_log(server);
    ck_assert_msg(strstr(log, text) != NULL, "%s is not in %s", text, log);
    free(log);
}

START_TEST(a_collector_that_is_away_costs_nothing_and_every_lost_span_is_counted) {
    struct server server = server_start((const char *const[]){ "trace.otlp_endpoint=http://127.0.0.1:1", ONLY_CALLERS, NULL });
    send_many_traced(&server, MORE_THAN_THE_QUEUE);
    server_await_log(&server, "\"event\":\"traces_not_exported\"", 10000);
    assert_lost(&server, 2 * MORE_THAN_THE_QUEUE);
    ck_assert_int_eq(server_log_count(&server, "\"event\":\"traces_not_exported\""), 1);
}
END_TEST

START_TEST(a_collector_that_never_answers_costs_nothing_and_does_not_hold_up_the_stop) {
    struct server server = server_start((const char *const[]){ collector_setting(collector), ONLY_CALLERS, NULL });
    collector_set_mode(collector, COLLECTOR_IS_SILENT);
    send_many_traced(&server, MORE_THAN_THE_QUEUE);
    collector_await_bodies(collector, 1);
    assert_lost(&server, 2 * MORE_THAN_THE_QUEUE);
}
END_TEST

START_TEST(a_busy_collector_is_asked_again_after_its_retry_after_and_loses_nothing) {
    struct server server = server_start((const char *const[]){ collector_setting(collector), ONLY_CALLERS, NULL });
    collector_set_mode(collector, COLLECTOR_IS_BUSY);
    send_many_traced(&server, 100);
    collector_await_bodies(collector, 1);
    ck_assert_uint_eq(collector_spans(collector, NULL, spans), 0);
    collector_set_mode(collector, COLLECTOR_TAKES);
    server_await_log(&server, "\"event\":\"traces_exported_again\",\"spans_lost\":0}", 10000);
    ck_assert_uint_eq(collector_await_spans(collector, NULL, 200, spans), 200);
    server_finish(&server);
    ck_assert_uint_eq(collector_connections(collector), 1);
    double pause_s = collector_pause_s(collector);
    ck_assert_msg(pause_s > 1.9, "%.3f s", pause_s);
    ck_assert_uint_ge(collector_bodies(collector), 3);
    ck_assert_uint_le(collector_bodies(collector), 10); /* batches, not traces */
}
END_TEST

static void assert_metric(const struct server *operations, const char *outcome, unsigned count) {
    char line[96];
    struct reply reply = http_send(operations, "GET", "/metrics", NULL, NULL);
    const char *row = strstr(reply.body, "\njwtd_trace_spans_total{");
    snprintf(line, sizeof line, "\njwtd_trace_spans_total{outcome=\"%s\"} %u\n", outcome, count);
    ck_assert_msg(row != NULL && strstr(row, line) != NULL, "%s is not in %.300s", line, row);
    http_free(&reply);
}

START_TEST(what_a_collector_refuses_is_not_sent_again) {
    struct server server =
        server_start((const char *const[]){ collector_setting(collector), ONLY_CALLERS, "ops.listen=127.0.0.1:0", NULL });
    struct server operations = server_operations(&server);
    collector_set_mode(collector, COLLECTOR_REFUSES);
    send_traced(&server, 1);
    server_await_log(&server, "\"event\":\"traces_not_exported\",\"reason\":\"the collector answers with 400\"", 10000);
    collector_set_mode(collector, COLLECTOR_REJECTS); /* one of two */
    send_traced(&server, 2);
    server_await_log(&server, "\"event\":\"traces_exported_again\",\"spans_lost\":3}", 10000);
    server_check_log_count(&server, "\"event\":\"spans_rejected\"", 1);
    assert_metric(&operations, "sent", 1);
    assert_metric(&operations, "failed", 3);
    assert_metric(&operations, "dropped", 0);
    ck_assert_uint_eq(collector_bodies(collector), 2);
    collector_set_mode(collector, COLLECTOR_TAKES);
    send_many_traced(&server, TRACER_BATCH);
    collector_await_bodies(collector, 3);
    collector_set_mode(collector, COLLECTOR_REJECTS);
    send_many_traced(&server, TRACER_BATCH);
    collector_await_bodies(collector, 4);
    ck_assert_int_eq(server_stop(&server, SIGTERM), 0);
    ck_assert_int_eq(server_log_count(&server, "\"event\":\"spans_rejected\""), 1); /* a minute */
    server_finish(&server);
}
END_TEST

START_TEST(a_reply_that_does_not_end_is_not_read_to_its_end) {
    struct server server = server_start((const char *const[]){ collector_setting(collector), ONLY_CALLERS, NULL });
    collector_set_mode(collector, COLLECTOR_IS_ENDLESS);
    send_traced(&server, 1);
    collector_await_bodies(collector, 1);
    ck_assert_int_eq(server_stop(&server, SIGTERM), 0);
    ck_assert_int_eq(server_log_count(&server, "\"event\":\"traces_not_exported\""), 0);
    ck_assert_int_eq(server_log_count(&server, "\"event\":\"spans_lost\""), 0);
    server_finish(&server);
}
END_TEST

/* A file in the library's place that is none. */
START_TEST(a_start_without_libcurl_names_the_package) {
    struct server server = server_prepare((const char *const[]){ collector_setting(collector), NULL });
    char variable[128], path[128], configuration[128], output[8192];
    snprintf(variable, sizeof variable, "LD_LIBRARY_PATH=%s", server.directory);
    snprintf(path, sizeof path, "%s/libcurl.so.4", server.directory);
    snprintf(configuration, sizeof configuration, "%s/" SERVER_CONFIG, server.directory);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fclose(file), 0);
    const char *const words[] = {
        "/usr/bin/env", variable, getenv("JWTD_TEST_PROGRAM"), "--config", configuration, "serve", NULL
    };
    ck_assert_int_eq(command_run(words, NULL, output, sizeof output), 1);
    ck_assert_msg(strstr(output, "libcurl4") != NULL, "%s", output);
    ck_assert_int_eq(command_run((const char *const[]){ "/bin/rm", "-rf", server.directory, NULL }, NULL, output, sizeof output),
                     0);
}
END_TEST

/* ---- from the proxy to PostgreSQL ---- */

/* With the files that ship. */
static const struct {
    struct reverse_proxy proxy;
    const char *spans; /* the file with a line for each of its spans */
    const char *prepared;
} traced_ways[] = {
    { { .name = "nginx",
        .files = { "nginx-traces.conf" },
        .before_port = "127.0.0.1:",
        .main_file = "daemon off; master_process off; pid nginx.pid; error_log nginx.log info;\n"
                     "events { }\n"
                     "http { client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n"
                     "uwsgi_temp_path uwsgi; scgi_temp_path scgi; include nginx-traces.conf; }\n",
        .words = { "/usr/sbin/nginx", "-e", "nginx.log", "-p", ".", "-c", "main" },
        .is_before_jwtd = true,
        .replaced = "/var/log/nginx/",
        .replacement = "" },
      "jwtd-traces.log",
      "database.prepared=true" },
    { { .name = "haproxy",
        .files = { "haproxy-traces.cfg" },
        .before_port = "127.0.0.1:",
        .words = { "/usr/sbin/haproxy", "-db", "-f", "haproxy-traces.cfg" },
        .is_before_jwtd = true },
      "output",
      "database.prepared=false" },
};

static char *read_text(const char *directory, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "cannot read %s", path);
    char *text = calloc(1, 1 << 22);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_lt(fread(text, 1, (1 << 22) - 1, file), (1 << 22) - 1);
    fclose(file);
    return text;
}

/* Of the one request through the proxy, when it has written it. */
static struct json_object *proxy_span(const struct running_proxy *running, const char *file) {
    char *text = NULL, *line = NULL;
    for (int i = 0; i < 1000 && (line == NULL || strchr(line, '\n') == NULL); i++) {
        free(text);
        usleep(10000);
        text = read_text(running->directory, file);
        line = strstr(text, "{\"trace_id\":");
    }
    struct json_object *span = line != NULL ? json_tokener_parse(line) : NULL;
    ck_assert_msg(span != NULL, "%s", text);
    ck_assert_str_eq(json_string_at(span, "path"), "/auth/login");
    free(text);
    return span;
}

/* `ms` is the name of the same in milliseconds. */
static double seconds_of(const struct json_object *span, const char *s, const char *ms) {
    struct json_object *value = json_object_object_get(span, s);
    return value != NULL ? json_object_get_double(value) : (double)json_integer_at(span, ms) / 1e3;
}

/* Each statement of the trace has its line in PostgreSQL's log, with its span's id and within its span's time. */
static void assert_statements_logged(const struct cluster *cluster, const char *trace_id, size_t count) {
    char *log = read_text(cluster->directory, "log");
    unsigned statements = 0;
    for (size_t i = 0; i < count; i++) {
        if (spans[i].kind != KIND_CLIENT)
            continue;
        char name[128], executed[128];
        snprintf(name, sizeof name, "|jwtd 00-%s-%s-01|", trace_id, spans[i].id);
        snprintf(executed, sizeof executed, "execute %s: ", spans[i].name);
        const char *line = strstr(log, name), *execution = line;
        ck_assert_msg(line != NULL, "%s is not in the log", name);
        while (execution != NULL && strncmp(execution, name, strlen(name)) == 0 &&
               memmem(execution, strcspn(execution, "\n"), executed, strlen(executed)) == NULL)
            execution = strstr(execution + 1, name);
        ck_assert_msg(execution != NULL, "%s has no %s", name, executed);
        while (execution > log && execution[-1] != '\n')
            execution--;
        int64_t logged_ns = (int64_t)(strtod(execution, NULL) * 1e3) * MS;
        ck_assert_msg(spans[i].begin_ns - 2 * MS <= logged_ns && logged_ns <= spans[i].end_ns + 2 * MS, "%s: %.80s",
                      spans[i].name, execution);
        statements++;
    }
    ck_assert_uint_ge(statements, 2);
    free(log);
}

static unsigned count_of(const char *text, const char *what) {
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

/* On the one connection. */
static void assert_prepared_once(const struct cluster *cluster, const char *statement) {
    char text[128];
    char *log = read_text(cluster->directory, "log");
    snprintf(text, sizeof text, " parse %s: ", statement);
    ck_assert_uint_eq(count_of(log, text), 1);
    free(log);
}

/* By the log of each of them: the proxy's span is the parent of jwtd's request, whose statements PostgreSQL names. */
static void trace_a_login(const struct cluster *cluster, const struct reverse_proxy *way, const char *file,
                          const char *prepared) {
    char url[CLUSTER_SETTING_SIZE];
    struct server server =
        server_start((const char *const[]){ collector_setting(collector), "trace.sample=0", "trace.sample_callers=1000/s",
                                            cluster_setting(cluster->port, "", url), "database.connections=1", prepared, NULL });
    struct account account = account_register(&server);
    account_login(&server, &account); /* not traced */
    struct running_proxy running = reverse_proxy_start(way, server.directory, server.port, 0);
    struct reply reply = log_in(&running.address, &account, (const char *const[]){ "traceparent: forged", NULL });
    http_free(&reply);

    struct json_object *proxy = proxy_span(&running, file);
    const char *trace_id = json_string_at(proxy, "trace_id");
    size_t count = collector_await_spans(collector, trace_id, 1, spans);
    /* the name is not left on the connection */
    ck_assert_int_eq(cluster_number(cluster, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'jwtd 00-%%'"),
                     0);
    reverse_proxy_stop(&running);
    server_finish(&server);

    const struct collected_span *request = find(count, "POST /auth/login");
    ck_assert_str_eq(request->parent_id, json_string_at(proxy, "span_id"));
    ck_assert_str_eq(collected_attribute(request, "jwtd.request_id"), trace_id);
    double end_s = seconds_of(proxy, "end", "end_ms"), duration_s = seconds_of(proxy, "duration", "duration_ms");
    double request_s = (double)request->begin_ns / 1e9;
    ck_assert_msg(end_s - duration_s - 0.01 <= request_s && request_s <= end_s + 0.01, "%.3f is not within %.3f s before %.3f",
                  request_s, duration_s, end_s);
    assert_nested(count);
    if (strcmp(prepared, "database.prepared=true") == 0) {
        assert_statements_logged(cluster, trace_id, count);
        assert_prepared_once(cluster, "set_application_name");
    } else {
        char *log = read_text(cluster->directory, "log"), name[64];
        snprintf(name, sizeof name, "|jwtd 00-%s-", trace_id);
        ck_assert_uint_ge(count_of(log, name), 2);
        free(log);
    }
    json_object_put(proxy);
}

START_TEST(one_trace_leads_from_the_proxy_through_jwtd_to_the_log_of_postgresql) {
    struct cluster cluster =
        cluster_create((const char *const[]){ "log_line_prefix=%n |%a|", "log_min_duration_statement=0", NULL });
    for (size_t i = 0; i < ARRAY_LEN(traced_ways); i++)
        trace_a_login(&cluster, &traced_ways[i].proxy, traced_ways[i].spans, traced_ways[i].prepared);
    cluster_remove(&cluster);
}
END_TEST

Suite *traces_suite(void) {
    Suite *suite = suite_create("traces");
    TCase *tcase = tcase_create("traces");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, start_collector, stop_collector);
    tcase_add_test(tcase, a_login_is_one_trace_with_its_steps_waits_and_statements);
    if (access(DECODER, X_OK) == 0)
        tcase_add_test(tcase, opentelemetry_itself_understands_the_same);
    tcase_add_test(tcase, a_refusal_is_a_trace_and_an_error_only_when_it_is_the_services);
    tcase_add_test(tcase, with_a_traceparent_of_another_form_a_request_begins_a_trace_of_its_own);
    tcase_add_test(tcase, a_tracestate_of_another_form_is_not_passed_on);
    tcase_add_test(tcase, a_body_that_does_not_come_is_a_trace_with_its_408);
    tcase_add_test(tcase, callers_that_ask_to_be_traced_are_within_one_rate_whatever_ids_they_choose);
    tcase_add_test(tcase, a_collector_that_is_away_costs_nothing_and_every_lost_span_is_counted);
    tcase_add_test(tcase, a_collector_that_never_answers_costs_nothing_and_does_not_hold_up_the_stop);
    tcase_add_test(tcase, a_busy_collector_is_asked_again_after_its_retry_after_and_loses_nothing);
    tcase_add_test(tcase, a_reply_that_does_not_end_is_not_read_to_its_end);
    tcase_add_test(tcase, what_a_collector_refuses_is_not_sent_again);
    tcase_add_test(tcase, a_start_without_libcurl_names_the_package);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("from the proxy to PostgreSQL");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, start_collector, stop_collector);
    tcase_add_test(tcase, one_trace_leads_from_the_proxy_through_jwtd_to_the_log_of_postgresql);
    suite_add_tcase(suite, tcase);
    return suite;
}
