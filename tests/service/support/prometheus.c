#include "prometheus.h"

#include "http.h"

#include "jwtd/macros.h"

#include <check.h>
#include <ctype.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TRIES 1200
#define START_PAUSE_US 25000
#define FILE_MAX 65536
#define TARGETS_FOLLOW "static_configs:\n"

/*
 * In their order. Windows hold several scrapes, one a second, also on a busy machine. A rule about an hour of the day before (1h,
 * 24h) and a process that ran then (26h) wants that 26h is longer than both together, and leaves its alert as long as 24h to
 * fire.
 */
static const struct {
    const char *duration, *instead;
} shorter[] = {
    { "15s", "1s" }, { "30s", "1s" }, { "1m", "4s" }, { "5m", "5s" },   { "10m", "5s" },  { "30m", "5s" },
    { "1h", "6s" },  { "6h", "8s" },  { "1d", "8s" }, { "24h", "18s" }, { "26h", "25s" },
};

/* ---- shorter durations ---- */

/* The length of the duration that begins here, 0: none does. */
static size_t duration_len(const char *text, const char *at) {
    size_t digits = strspn(at, "0123456789");
    bool begins = at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '.');
    bool ends = digits > 0 && strchr("smhd", at[digits]) != NULL && at[digits] != '\0' && !isalnum((unsigned char)at[digits + 1]);
    return begins && ends ? digits + 1 : 0;
}

static const char *shorten(const char *duration, size_t len) {
    for (size_t i = 0; i < ARRAY_LEN(shorter); i++)
        if (strlen(shorter[i].duration) == len && strncmp(shorter[i].duration, duration, len) == 0)
            return shorter[i].instead;
    ck_abort_msg("the table of prometheus.c has no %.*s", (int)len, duration);
}

char *prometheus_shorten(const char *text) {
    char *result = NULL;
    size_t size, len;
    FILE *file = open_memstream(&result, &size);
    ck_assert_ptr_nonnull(file);
    for (const char *at = text; *at != '\0';) {
        len = duration_len(text, at);
        if (len > 0)
            fputs(shorten(at, len), file);
        else
            fputc(*at, file);
        at += len > 0 ? len : 1;
    }
    ck_assert_int_eq(fclose(file), 0);
    return result;
}

/* ---- its files ---- */

static char *read_file(const char *path) {
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "cannot read %s", path);
    char *text = calloc(1, FILE_MAX);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_lt(fread(text, 1, FILE_MAX - 1, file), FILE_MAX - 1);
    ck_assert_int_eq(fclose(file), 0);
    return text;
}

static FILE *create(const struct prometheus *prometheus, const char *name) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", prometheus->directory, name);
    FILE *file = fopen(path, "we");
    ck_assert_msg(file != NULL, "cannot write %s", path);
    return file;
}

/* A file of config/prometheus up to `end`, or all of it. */
static void write_shorter(FILE *file, const char *shipped, const char *end) {
    char *text = read_file(shipped), *short_text = prometheus_shorten(text), *rest = end == NULL ? NULL : strstr(short_text, end);
    ck_assert_msg(end == NULL || rest != NULL, "%s has no %s", shipped, end);
    fprintf(file, "%.*s", rest == NULL ? FILE_MAX : (int)(rest - short_text), short_text);
    free(short_text);
    free(text);
}

static void write_files(const struct prometheus *prometheus, const struct prometheus_target *targets, size_t count) {
    FILE *rules = create(prometheus, "alerts.yml");
    write_shorter(rules, "config/prometheus/alerts.yml", NULL);
    ck_assert_int_eq(fclose(rules), 0);
    FILE *file = create(prometheus, "prometheus.yml");
    write_shorter(file, "config/prometheus/prometheus.yml", TARGETS_FOLLOW);
    fputs(TARGETS_FOLLOW, file);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "      - targets: [\"127.0.0.1:%d\"]\n        labels: {instance: %s}\n", targets[i].port,
                targets[i].instance);
    ck_assert_int_eq(fclose(file), 0);
}

/* ---- its life ---- */

static void run_program(const struct prometheus *prometheus) {
    char listen[64];
    snprintf(listen, sizeof listen, "--web.listen-address=127.0.0.1:%d", prometheus->address.port);
    const char *const words[] = {
        "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn", listen, NULL
    };
    if (chdir(prometheus->directory) != 0)
        _exit(127);
    int output = open("output", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    setenv("GOMAXPROCS", "1", 1); /* beside other tests */
    execvp(words[0], (char *const *)(const void *)words);
    _exit(127);
}

static bool is_ready(const struct prometheus *prometheus) {
    struct reply reply = http_try(&prometheus->address, "GET", "/-/ready", NULL, NULL);
    bool is_ready = reply.status == 200;
    http_free(&reply);
    return is_ready;
}

struct prometheus prometheus_start(const char *directory, const struct prometheus_target *targets, size_t count) {
    struct prometheus prometheus = { .address = { .port = find_free_port(), .is_proxy = true } };
    snprintf(prometheus.address.url, sizeof prometheus.address.url, "http://127.0.0.1:%d", prometheus.address.port);
    snprintf(prometheus.directory, sizeof prometheus.directory, "%s/prometheus", directory);
    ck_assert_int_eq(mkdir(prometheus.directory, 0700), 0);
    write_files(&prometheus, targets, count);
    prometheus.address.pid = fork();
    if (prometheus.address.pid == 0)
        run_program(&prometheus);
    ck_assert_int_gt(prometheus.address.pid, 0); /* not in the child: Check takes a lock, which another thread may have had */
    for (int i = 0; i < START_TRIES && !is_ready(&prometheus); i++) {
        usleep(START_PAUSE_US);
        ck_assert_msg(waitpid(prometheus.address.pid, NULL, WNOHANG) == 0, "Prometheus has ended, see %s/output",
                      prometheus.directory);
    }
    ck_assert(is_ready(&prometheus));
    return prometheus;
}

void prometheus_stop(struct prometheus *prometheus) {
    server_stop(&prometheus->address, SIGKILL);
}

/* ---- what it knows ---- */

/* The member "data" of a reply of its API; the caller puts it. */
static struct json_object *ask(const struct prometheus *prometheus, const char *path) {
    struct reply reply = http_send(&prometheus->address, "GET", path, NULL, NULL);
    ck_assert_msg(reply.status == 200, "%s: %ld %s", path, reply.status, reply.body);
    struct json_object *data = json_object_get(json_object_object_get(reply.json, "data"));
    ck_assert_ptr_nonnull(data);
    http_free(&reply);
    return data;
}

struct json_object *prometheus_query(const struct prometheus *prometheus, const char *expression) {
    char path[4000];
    char *escaped = curl_easy_escape(NULL, expression, 0);
    ck_assert_int_lt(snprintf(path, sizeof path, "/api/v1/query?query=%s", escaped), (int)sizeof path);
    curl_free(escaped);
    struct json_object *data = ask(prometheus, path);
    struct json_object *result = json_object_get(json_object_object_get(data, "result"));
    json_object_put(data);
    return result;
}

/* Of the series at this place: [time, "value"]. */
static double value_at(const struct json_object *series, size_t index) {
    struct json_object *pair = json_object_object_get(json_object_array_get_idx(series, index), "value");
    return strtod(json_object_get_string(json_object_array_get_idx(pair, 1)), NULL);
}

bool prometheus_has_value(const struct prometheus *prometheus, const char *expression) {
    struct json_object *series = prometheus_query(prometheus, expression);
    bool has_value = false;
    for (size_t i = 0; i < json_object_array_length(series) && !has_value; i++)
        has_value = isfinite(value_at(series, i));
    json_object_put(series);
    return has_value;
}

struct json_object *prometheus_alerts(const struct prometheus *prometheus) {
    struct json_object *data = ask(prometheus, "/api/v1/rules?type=alert"), *names = json_object_new_array();
    struct json_object *groups = json_object_object_get(data, "groups");
    for (size_t i = 0; i < json_object_array_length(groups); i++) {
        struct json_object *rules = json_object_object_get(json_object_array_get_idx(groups, i), "rules");
        for (size_t j = 0; j < json_object_array_length(rules); j++)
            json_object_array_add(names, json_object_get(json_object_object_get(json_object_array_get_idx(rules, j), "name")));
    }
    json_object_put(data);
    return names;
}
