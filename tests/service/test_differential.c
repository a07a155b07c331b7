/*
 * Where does a request end? The service must see no request where RFC 9112 sees none, and no other than a proxy before it:
 * with pipelined, mutated and malicious streams of bytes, sent straight to the service, through HAProxy and through nginx.
 *
 * Straight: what the service ran (its log, without the requests that it refused with 400) is, for each stream, the beginning
 * of what the reference sees there, in the same order; for a stream that is in order it is all of it, up to the request that
 * ends the connection, and each has its reply. Through a proxy, whose connections to the service all clients share: the
 * requests that the proxy says it passed on are those that the service saw, no more and no less. A client whose stream is in
 * order gets one reply for each request, in order, its own: it carries the request's id; but HAProxy may lose the reply to one
 * that the service has answered before the end of its body, and closes behind it. An exchange that the proxy logs as broken off
 * may have reached the service or not.
 *
 * STREAMS=100000 sends so many each way instead of what takes some seconds; SEED=7 repeats a run;
 * CK_RUN_CASE="through nginx" goes one way only.
 */
#include "support/reference.h"
#include "support/sender.h"
#include "support/server.h"

#include "jwtd/clock.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *differential_suite(void);

#define FIXED_SEED 20261121u
#define STREAMS_DEFAULT 3000
#define ROUND 1000 /* streams whose logs are compared together */
#define EVENTS_MAX (ROUND * REFERENCE_MAX)
#define BUCKETS 16384u
#define QUIET_US 200000
#define LATE_US 15000000 /* by when a line of either log is there, on a machine that is busy with other tests */
#define LINE_SIZE 4096

enum way { STRAIGHT, HAPROXY, NGINX };

/* A request that a reader has seen, in the order of its log. */
struct event {
    char id[REFERENCE_ID_SIZE];
    bool counts; /* the service's: it was run; a proxy's: it is certain that it was passed on */
};

struct events {
    struct event *items;
    size_t count;
};

struct log_reader {
    char path[160];
    long offset;
};

struct bench {
    enum way way;
    struct server server;
    pid_t proxy; /* 0: none */
    int port;    /* where clients connect */
    struct log_reader service_log, proxy_log;
    struct stream *streams;
    struct outcome *outcomes;
    struct reference *references;
    struct events ran, passed;
    size_t streams_in_order, seen, run;
};

/* ---- the proxies ---- */

static const char haproxy_configuration[] = "global\n"
                                            "    nbthread 1\n"
                                            "    log stdout format raw local0\n"
                                            "defaults\n"
                                            "    mode http\n"
                                            "    log global\n"
                                            "    timeout connect 10s\n"
                                            "    timeout client 30s\n"
                                            "    timeout server 30s\n"
                                            "    retries 0\n"
                                            "    http-reuse always\n"
                                            "frontend clients\n"
                                            "    bind 127.0.0.1:%d\n"
                                            "    http-request set-var(txn.path) path\n"
                                            "    http-request set-var(txn.version) req.ver\n"
                                            "    log-format \"%%[var(txn.path)] %%s %%ts/%%[var(txn.version)]\"\n"
                                            "    default_backend service\n"
                                            "backend service\n"
                                            "    server jwtd 127.0.0.1:%d\n";

/* A request that had an answer from upstream was passed on; one answered by nginx itself has "-" there. */
static const char nginx_configuration[] = "daemon off;\n"
                                          "master_process off;\n"
                                          "pid %s/nginx.pid;\n"
                                          "error_log /dev/null crit;\n"
                                          "events { worker_connections 1024; }\n"
                                          "http {\n"
                                          "    log_format ours '$request_uri $upstream_status $status';\n"
                                          "    access_log %s/nginx.log ours;\n"
                                          "    client_body_temp_path %s/body;\n"
                                          "    proxy_temp_path %s/proxy;\n"
                                          "    fastcgi_temp_path %s/fastcgi;\n"
                                          "    uwsgi_temp_path %s/uwsgi;\n"
                                          "    scgi_temp_path %s/scgi;\n"
                                          "    upstream service { server 127.0.0.1:%d; keepalive 1; }\n"
                                          "    server {\n"
                                          "        listen 127.0.0.1:%d;\n"
                                          "        keepalive_requests 1000000;\n"
                                          "        location / {\n"
                                          "            proxy_pass http://service;\n"
                                          "            proxy_http_version 1.1;\n"
                                          "            proxy_set_header Connection \"\";\n"
                                          "            proxy_next_upstream off;\n"
                                          "            proxy_ignore_client_abort on;\n"
                                          "        }\n"
                                          "    }\n"
                                          "}\n";

static void write_configuration(const struct bench *bench, const char *path) {
    const char *place = bench->server.directory;
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    if (bench->way == HAPROXY)
        fprintf(file, haproxy_configuration, bench->port, bench->server.port);
    else
        fprintf(file, nginx_configuration, place, place, place, place, place, place, place, bench->server.port, bench->port);
    ck_assert_int_eq(fclose(file), 0);
}

static bool accepts(int port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

static void start_proxy(struct bench *bench) {
    const char *name = bench->way == HAPROXY ? "haproxy" : "nginx";
    char configuration[128];
    bench->port = find_free_port();
    snprintf(configuration, sizeof configuration, "%s/%s.conf", bench->server.directory, name);
    snprintf(bench->proxy_log.path, sizeof bench->proxy_log.path, "%s/%s.log", bench->server.directory, name);
    write_configuration(bench, configuration);
    bench->proxy = fork();
    ck_assert_int_ge(bench->proxy, 0);
    if (bench->proxy == 0) {
        const char *output = bench->way == HAPROXY ? bench->proxy_log.path : "/dev/null";
        int fd = open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        if (bench->way == HAPROXY)
            execl("/usr/sbin/haproxy", "haproxy", "-db", "-f", configuration, (char *)NULL);
        execl("/usr/sbin/nginx", "nginx", "-c", configuration, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 400 && !accepts(bench->port); i++)
        usleep(25000);
    ck_assert_msg(accepts(bench->port), "%s does not listen", name);
}

/* ---- the logs ---- */

static long size_of(const char *path) {
    struct stat file;
    return path[0] != '\0' && stat(path, &file) == 0 ? (long)file.st_size : 0;
}

/* Until neither has grown for a while. */
static void wait_for_logs(const struct bench *bench) {
    long before = -1, size = 0;
    while (size != before) {
        before = size;
        usleep(QUIET_US);
        size = size_of(bench->service_log.path) + size_of(bench->proxy_log.path) + 1;
    }
}

/* A string member of a line of JSON; without the first escape and what follows, where an id ends anyway. */
static void read_member(const char *line, const char *name, char *value, size_t size) {
    char mark[32];
    snprintf(mark, sizeof mark, "\"%s\":\"", name);
    const char *at = strstr(line, mark);
    size_t len = at != NULL ? strcspn(at + strlen(mark), "\"\\") : 0;
    snprintf(value, size, "%.*s", (int)(len < size ? len : size - 1), at != NULL ? at + strlen(mark) : "");
}

/* What the service has logged of a request; `counts`: it was run, not refused, by itself (400) or by the library (an error
 * without a code, or no status). */
static bool read_service_line(const char *line, enum way way, struct event *event) {
    char path[LINE_SIZE], request_id[128];
    if (strstr(line, "\"event\":\"request\"") == NULL)
        return false;
    const char *status = strstr(line, "\"status\":");
    ck_assert_ptr_nonnull(status);
    read_member(line, "path", path, sizeof path);
    read_member(line, "request_id", request_id, sizeof request_id);
    reference_id(path, strlen(path), request_id, way == STRAIGHT ? strlen(request_id) : 0, event->id);
    long code = strtol(status + strlen("\"status\":"), NULL, 10);
    bool is_page = code >= 400 && strstr(line, "\"code\":\"") == NULL;
    event->counts = code != 0 && code != 400 && !is_page;
    return true;
}

/* "PATH SERVER STATE/VERSION" of HAProxy: it went to a server, and nothing was broken off. HAProxy passes on HTTP/0.1, too,
 * which the library refuses before the service sees it. "TARGET UPSTREAM_STATUS STATUS" of
 * nginx. */
static bool read_proxy_line(const char *line, enum way way, struct event *event) {
    char path[LINE_SIZE], second[64], third[64];
    if (sscanf(line, "%4095s %63s %63s", path, second, third) != 3)
        return false;
    reference_id(path, strlen(path), NULL, 0, event->id);
    if (way == HAPROXY) {
        event->counts = strcmp(third, "--/1.1") == 0 || strcmp(third, "--/1.0") == 0;
        return strcmp(second, "jwtd") == 0;
    }
    event->counts = strcmp(second, third) == 0 && third[0] != '5' && strcmp(third, "499") != 0;
    return strcmp(second, "-") != 0;
}

/* Adds what has been written since the last call. */
static void read_events(struct log_reader *reader, bool is_service, enum way way, struct events *events) {
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(reader->path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, reader->offset, SEEK_SET), 0);
    ssize_t len;
    while ((len = getline(&line, &size, file)) > 0 && line[len - 1] == '\n') { /* or it is still being written */
        ck_assert_uint_lt(events->count, EVENTS_MAX);
        struct event *event = &events->items[events->count];
        events->count += is_service ? read_service_line(line, way, event) : read_proxy_line(line, way, event);
        reader->offset += len;
    }
    fclose(file);
    free(line);
}

/* ---- the comparisons ---- */

static void print_stream(const struct bench *bench, uint64_t seed, size_t number, size_t index) {
    const struct stream *stream = &bench->streams[index];
    fprintf(stderr, "seed %llu stream %zu (%zu bytes, %s):\n", (unsigned long long)seed, number, stream->len,
            stream->is_in_order ? "in order" : "not in order");
    for (size_t i = 0; i < stream->len; i++) {
        char c = stream->bytes[i];
        if (c >= ' ' && c <= '~' && c != '\\')
            fputc(c, stderr);
        else
            fprintf(stderr, c == '\n' ? "\\n\n" : c == '\r' ? "\\r" : "\\x%02x", (unsigned char)c);
    }
    fputc('\n', stderr);
}

/* Who to ask for an id: lists of (stream, place) by hash. */
struct directory {
    uint32_t first[BUCKETS];
    struct entry {
        uint32_t next, stream, place;
    } * entries;
    uint32_t count;
};

static uint32_t hash_of(const char *id) {
    uint32_t hash = 2166136261u;
    for (; *id != '\0'; id++)
        hash = (hash ^ (unsigned char)*id) * 16777619u;
    return hash % BUCKETS;
}

static struct directory *make_directory(const struct reference *references, size_t count) {
    struct directory *directory = calloc(1, sizeof *directory);
    ck_assert_ptr_nonnull(directory);
    directory->entries = calloc(EVENTS_MAX + 1, sizeof *directory->entries);
    ck_assert_ptr_nonnull(directory->entries);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < references[i].count; k++) {
            uint32_t bucket = hash_of(references[i].requests[k].id);
            directory->entries[++directory->count] = (struct entry){ directory->first[bucket], i, k };
            directory->first[bucket] = directory->count;
        }
    }
    return directory;
}

static void free_directory(struct directory *directory) {
    free(directory->entries);
    free(directory);
}

/* Mutation may have cut an id short, or taken it away, so that several streams have the same: that one says nothing. */
static bool is_shared(const struct bench *bench, const struct directory *directory, const char *id) {
    unsigned streams = 0;
    uint32_t last = UINT32_MAX;
    for (uint32_t at = directory->first[hash_of(id)]; at != 0; at = directory->entries[at].next) {
        const struct entry *entry = &directory->entries[at];
        if (entry->stream != last && strcmp(bench->references[entry->stream].requests[entry->place].id, id) == 0) {
            last = entry->stream;
            streams++;
        }
    }
    return streams > 1;
}

/* Whether this may be the next request of its stream; it has been run then. */
static bool run_next(const struct bench *bench, const struct directory *directory, const char *id, uint32_t *done) {
    if (is_shared(bench, directory, id))
        return true;
    for (uint32_t at = directory->first[hash_of(id)]; at != 0; at = directory->entries[at].next) {
        const struct entry *entry = &directory->entries[at];
        const struct reference_request *requests = bench->references[entry->stream].requests;
        uint32_t next = done[entry->stream];
        while (next < entry->place && is_shared(bench, directory, requests[next].id))
            next++;
        if (next == entry->place && strcmp(requests[next].id, id) == 0) {
            done[entry->stream] = next + 1;
            return true;
        }
    }
    return false;
}

/* The service answers it from its header, and closes. */
static bool leaves_body(const struct reference_request *request) {
    static const char path[] = "/auth/verify/";
    return request->has_body && strncmp(request->id, path, sizeof path - 1) == 0;
}

/* How many requests of a stream in order the service runs: it closes behind a chunked body, one that it does not read, and when
 * the client wants it. */
static unsigned runnable(const struct reference *reference) {
    for (unsigned i = 0; i < reference->count; i++)
        if (reference->requests[i].is_chunked || reference->requests[i].is_last || leaves_body(&reference->requests[i]))
            return i + 1;
    return (unsigned)reference->count;
}

/* How many replies there are at least through a proxy. HAProxy closes behind one that comes before it has sent the whole body,
 * and has lost it if it learns first, while sending, that the service has closed behind it (RFC 9112 section 9.6). */
static unsigned answered(const struct reference *reference, enum way way) {
    for (unsigned i = 0; i < reference->count; i++)
        if (way == HAPROXY && leaves_body(&reference->requests[i]))
            return i;
    return (unsigned)reference->count;
}

/* As the next two, returns the number of disagreements, and prints them if `is_final`. */
static unsigned expect_only_what_the_reference_sees(const struct bench *bench, uint64_t seed, size_t first, size_t count,
                                                    bool is_final) {
    struct directory *directory = make_directory(bench->references, count);
    uint32_t done[ROUND] = { 0 };
    unsigned wrong = 0;
    for (size_t i = 0; i < bench->ran.count; i++) {
        const struct event *event = &bench->ran.items[i];
        if (!event->counts)
            continue;
        if (run_next(bench, directory, event->id, done))
            continue;
        wrong++;
        if (is_final)
            fprintf(stderr, "seed %llu streams %zu..%zu: a request was run that is none there: %s\n", (unsigned long long)seed,
                    first, first + count - 1, event->id);
    }
    for (size_t i = 0; i < count; i++) {
        bool is_complete = done[i] == runnable(&bench->references[i]);
        if (!bench->streams[i].is_in_order || (is_complete && bench->outcomes[i].replies == done[i]))
            continue;
        wrong++;
        if (!is_final)
            continue;
        fprintf(stderr, "%u requests run and %u answered, not %u\n", done[i], bench->outcomes[i].replies,
                runnable(&bench->references[i]));
        print_stream(bench, seed, first + i, i);
    }
    free_directory(directory);
    return wrong;
}

static int compare_events(const void *left, const void *right) {
    const struct event *one = left, *other = right;
    int order = strcmp(one->id, other->id);
    return order != 0 ? order : (int)other->counts - (int)one->counts; /* the certain first */
}

/* In any order: a proxy has several connections to the service. The service logs no path for a target that makes no sense;
 * it has refused that request. */
static unsigned expect_same_requests(struct bench *bench, uint64_t seed, size_t first, bool is_final) {
    unsigned only_service = 0, only_proxy = 0, without_path = 0, perhaps = 0;
    qsort(bench->ran.items, bench->ran.count, sizeof *bench->ran.items, compare_events);
    qsort(bench->passed.items, bench->passed.count, sizeof *bench->passed.items, compare_events);
    size_t i = 0, k = 0, certain = 0;
    for (size_t at = 0; at < bench->passed.count; at++)
        certain += bench->passed.items[at].counts;
    ck_assert_uint_gt(certain, bench->passed.count / 2); /* or nothing would be compared */
    for (; i < bench->ran.count && bench->ran.items[i].id[0] == '\0'; i++)
        without_path++;
    while (i < bench->ran.count || k < bench->passed.count) {
        int order = i == bench->ran.count      ? 1
                    : k == bench->passed.count ? -1
                                               : strcmp(bench->ran.items[i].id, bench->passed.items[k].id);
        bool is_certain = order > 0 && bench->passed.items[k].counts;
        only_service += order < 0;
        only_proxy += is_certain;
        perhaps += order > 0 && !is_certain;
        if (is_final && (order < 0 || (is_certain && only_proxy > without_path)))
            fprintf(stderr, "seed %llu streams from %zu on: %s: %s\n", (unsigned long long)seed, first,
                    order < 0 ? "only the service saw it" : "the service never saw it",
                    order < 0 ? bench->ran.items[i].id : bench->passed.items[k].id);
        i += order <= 0;
        k += order >= 0;
    }
    return only_service + (only_proxy > without_path || without_path > only_proxy + perhaps);
}

/* Each request of a stream in order has its own reply through a proxy. */
static unsigned expect_own_replies(const struct bench *bench, uint64_t seed, size_t first, size_t count, bool is_final) {
    unsigned wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const struct reference *reference = &bench->references[i];
        const struct outcome *outcome = &bench->outcomes[i];
        if (!bench->streams[i].is_in_order)
            continue;
        bool agrees = outcome->replies >= answered(reference, bench->way) && outcome->replies <= reference->count;
        for (size_t k = 0; agrees && k < outcome->replies; k++)
            agrees = strcmp(outcome->ids[k], reference->requests[k].request_id) == 0;
        if (agrees)
            continue;
        wrong++;
        if (!is_final)
            continue;
        for (size_t k = 0; k < outcome->replies; k++)
            fprintf(stderr, "reply %zu: %d for \"%s\"\n", k, outcome->statuses[k], outcome->ids[k]);
        print_stream(bench, seed, first + i, i);
    }
    return wrong;
}

/* ---- a run ---- */

static void make_streams(struct bench *bench, uint64_t seed, size_t first, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct reference *reference = &bench->references[i];
        stream_make(seed, first + i, &bench->streams[i]);
        reference_read(bench->streams[i].bytes, bench->streams[i].len, reference);
        ck_assert_msg(reference->is_in_order || !bench->streams[i].is_in_order, "stream %zu is not in order", first + i);
        bench->outcomes[i] = (struct outcome){ .wanted = 0 };
        if (bench->streams[i].is_in_order)
            bench->outcomes[i].wanted = bench->way == STRAIGHT ? runnable(reference) : (unsigned)reference->count;
        bench->streams_in_order += bench->streams[i].is_in_order;
        bench->seen += reference->count;
    }
}

static unsigned compare_logs(struct bench *bench, uint64_t seed, size_t first, size_t count, bool is_final) {
    if (bench->way == STRAIGHT)
        return expect_only_what_the_reference_sees(bench, seed, first, count, is_final);
    return expect_own_replies(bench, seed, first, count, is_final) + expect_same_requests(bench, seed, first, is_final);
}

/* A line that is written late, behind the quiet, is waited for, or it would count for the next round. */
static unsigned run_round(struct bench *bench, uint64_t seed, size_t first, size_t count) {
    int64_t late_us = clock_monotonic_us() + LATE_US;
    bool is_final = false;
    unsigned wrong;
    make_streams(bench, seed, first, count);
    sender_run(bench->port, bench->streams, bench->outcomes, count);
    bench->ran.count = bench->passed.count = 0;
    do {
        is_final = clock_monotonic_us() > late_us;
        wait_for_logs(bench);
        read_events(&bench->service_log, true, bench->way, &bench->ran);
        if (bench->way != STRAIGHT)
            read_events(&bench->proxy_log, false, bench->way, &bench->passed);
        wrong = compare_logs(bench, seed, first, count, is_final);
    } while (wrong > 0 && !is_final);
    for (size_t i = 0; i < bench->ran.count; i++)
        bench->run += bench->ran.items[i].counts || bench->way != STRAIGHT;
    return wrong;
}

static struct bench *start_bench(enum way way) {
    struct bench *bench = calloc(1, sizeof *bench);
    ck_assert_ptr_nonnull(bench);
    bench->way = way;
    /* what is asked to see whether it is ready would be a request that no stream holds */
    bench->server = server_start_unready((const char *const[]){ "log.level=debug", NULL });
    bench->port = bench->server.port;
    snprintf(bench->service_log.path, sizeof bench->service_log.path, "%s", bench->server.log_path);
    bench->service_log.offset = size_of(bench->service_log.path);
    if (way != STRAIGHT)
        start_proxy(bench);
    bench->streams = calloc(ROUND, sizeof *bench->streams);
    bench->outcomes = calloc(ROUND, sizeof *bench->outcomes);
    bench->references = calloc(ROUND, sizeof *bench->references);
    bench->ran.items = calloc(EVENTS_MAX, sizeof *bench->ran.items);
    bench->passed.items = calloc(EVENTS_MAX, sizeof *bench->passed.items);
    ck_assert(bench->streams != NULL && bench->outcomes != NULL && bench->references != NULL && bench->ran.items != NULL &&
              bench->passed.items != NULL);
    return bench;
}

static void finish_bench(struct bench *bench) {
    if (bench->proxy > 0) {
        kill(bench->proxy, SIGTERM);
        ck_assert_int_eq(waitpid(bench->proxy, NULL, 0), bench->proxy);
    }
    server_finish(&bench->server);
    free(bench->streams);
    free(bench->outcomes);
    free(bench->references);
    free(bench->ran.items);
    free(bench->passed.items);
    free(bench);
}

static uint64_t number_from(const char *variable, uint64_t otherwise) {
    const char *text = getenv(variable);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

static const char *const names[] = { "straight", "through HAProxy", "through nginx" };

/* Half of the streams are the same each time, the others never. */
START_TEST(nobody_sees_a_request_where_there_is_none) {
    uint64_t seeds[] = { FIXED_SEED, number_from("SEED", (uint64_t)clock_monotonic_us()) };
    size_t streams = (size_t)number_from("STREAMS", STREAMS_DEFAULT) / 2;
    int64_t begin_us = clock_monotonic_us();
    struct bench *bench = start_bench((enum way)_i);
    unsigned wrong = 0;
    for (size_t i = 0; i < 2; i++)
        for (size_t first = 0; first < streams; first += ROUND)
            wrong += run_round(bench, seeds[i], first, streams - first < ROUND ? streams - first : ROUND);
    printf("%s: %zu streams (%zu in order) with %zu requests, %zu seen by the service, in %lld ms; seeds %llu and %llu\n",
           names[_i], 2 * streams, bench->streams_in_order, bench->seen, bench->run,
           (long long)(clock_monotonic_us() - begin_us) / 1000, (unsigned long long)seeds[0], (unsigned long long)seeds[1]);
    fflush(stdout); /* a test that fails does not come to its end */
    finish_bench(bench);
    ck_assert_msg(wrong == 0, "%s: %u disagreements, see above", names[_i], wrong);
}
END_TEST

Suite *differential_suite(void) {
    Suite *suite = suite_create("differential");
    for (int way = STRAIGHT; way <= NGINX; way++) {
        TCase *tcase = tcase_create(names[way]);
        tcase_set_timeout(tcase, 3600);
        tcase_add_loop_test(tcase, nobody_sees_a_request_where_there_is_none, way, way + 1);
        suite_add_tcase(suite, tcase);
    }
    return suite;
}
