#include "http.h"

#include "recorder.h"

#include <check.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TIMEOUT_S 60L
#define PARALLEL_MAX 256

struct buffer {
    char *bytes;
    size_t len;
};

static size_t append(const char *bytes, size_t size, size_t count, void *context) {
    struct buffer *buffer = context;
    size_t len = size * count;
    char *grown = realloc(buffer->bytes, buffer->len + len + 1);
    if (grown == NULL)
        return 0;
    memcpy(grown + buffer->len, bytes, len);
    buffer->bytes = grown;
    buffer->len += len;
    grown[buffer->len] = '\0';
    return len;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_library(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static struct curl_slist *make_list(const char *const *headers) {
    /* libcurl would add an Expect header and wait for a second */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; headers != NULL && headers[i] != NULL; i++)
        list = curl_slist_append(list, headers[i]);
    return list;
}

static void set_options(CURL *curl, const char *url, const char *method, struct curl_slist *list, const char *body,
                        size_t body_len) {
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body_len);
    }
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, append);
}

/* NULL unless all of it is JSON. */
static struct json_object *parse_json(const char *bytes, size_t len) {
    struct json_tokener *tokener = json_tokener_new();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *json = json_tokener_parse_ex(tokener, bytes, (int)len);
    json_tokener_free(tokener);
    return json;
}

static struct reply perform(const struct server *server, const char *method, const char *path, const char *const *headers,
                            const char *body, size_t body_len) {
    char url[4096];
    struct buffer head = { 0 }, content = { 0 };
    struct reply reply = { 0 };
    pthread_once(&once, init_library);
    CURL *curl = curl_easy_init();
    struct curl_slist *list = make_list(headers);
    snprintf(url, sizeof url, "%s%s", server->url, path);
    set_options(curl, url, method, list, body, body_len);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &content);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &head);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
    curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME, &reply.seconds);
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
    reply.headers = head.bytes;
    reply.body = content.bytes;
    reply.body_len = content.len;
    if (content.len > 0)
        reply.json = parse_json(content.bytes, content.len);
    if (reply.status != 0 && !server->is_proxy)
        recorder_add(&(struct recorded_exchange){ method, path, reply.status, reply.headers, reply.body, reply.body_len });
    return reply;
}

struct reply http_try(const struct server *server, const char *method, const char *path, const char *const *headers,
                      const char *body) {
    return perform(server, method, path, headers, body, body != NULL ? strlen(body) : 0);
}

struct reply http_send_bytes(const struct server *server, const char *method, const char *path, const char *const *headers,
                             const char *body, size_t body_len) {
    struct reply reply = perform(server, method, path, headers, body, body_len);
    ck_assert_msg(reply.status != 0, "no reply to %s %s", method, path);
    return reply;
}

struct reply http_send(const struct server *server, const char *method, const char *path, const char *const *headers,
                       const char *body) {
    struct reply reply = http_try(server, method, path, headers, body);
    ck_assert_msg(reply.status != 0, "no reply to %s %s", method, path);
    return reply;
}

void http_free(struct reply *reply) {
    json_object_put(reply->json);
    free(reply->headers);
    free(reply->body);
    *reply = (struct reply){ 0 };
}

struct reply http_json(const struct server *server, const char *method, const char *path, const char *token, const char *body) {
    char authorization[4400];
    const char *headers[3] = { "Content-Type: application/json" };
    if (token != NULL) {
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", token);
        headers[1] = authorization;
    }
    return http_send(server, method, path, headers, body);
}

const char *http_header(const struct reply *reply, const char *name, char *value, size_t size) {
    size_t name_len = strlen(name);
    value[0] = '\0';
    for (const char *line = reply->headers; line != NULL && *line != '\0';) {
        const char *end = strstr(line, "\r\n");
        if (end == NULL)
            break;
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *start = line + name_len + 1 + strspn(line + name_len + 1, " ");
            snprintf(value, size, "%.*s", start < end ? (int)(end - start) : 0, start);
            break;
        }
        line = end + 2;
    }
    return value;
}

const char *http_member(const struct reply *reply, const char *name) {
    struct json_object *value = json_object_object_get(reply->json, name);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static struct json_object *member_of_type(const struct json_object *object, const char *name, enum json_type type) {
    struct json_object *value = json_object_object_get(object, name);
    ck_assert_msg(json_object_is_type(value, type), "%s is no %s", name, json_type_to_name(type));
    return value;
}

const char *json_string_at(const struct json_object *object, const char *name) {
    return json_object_get_string(member_of_type(object, name, json_type_string));
}

int64_t json_integer_at(const struct json_object *object, const char *name) {
    return json_object_get_int64(member_of_type(object, name, json_type_int));
}

bool json_boolean_at(const struct json_object *object, const char *name) {
    return json_object_get_boolean(member_of_type(object, name, json_type_boolean));
}

void assert_problem(const struct reply *reply, long status, const char *code) {
    char value[256];
    ck_assert_msg(reply->status == status && strcmp(http_member(reply, "code"), code) == 0, "expected %ld %s, got %ld %s", status,
                  code, reply->status, reply->body != NULL ? reply->body : "");
    ck_assert_str_eq(http_header(reply, "Content-Type", value, sizeof value), "application/problem+json");
    ck_assert_int_eq(json_integer_at(reply->json, "status"), status);
    ck_assert_str_ne(http_member(reply, "title"), "");
    ck_assert_str_ne(http_member(reply, "detail"), "");
    ck_assert_str_ne(http_member(reply, "type"), "");
    ck_assert_str_eq(http_member(reply, "request_id"), http_header(reply, "X-Request-Id", value, sizeof value));
    http_header(reply, "WWW-Authenticate", value, sizeof value);
    bool is_of_services = strcmp(code, "invalid_client") == 0;
    ck_assert_int_eq(strncmp(value, is_of_services ? "Basic realm=" : "Bearer", 6) == 0,
                     status == 401 || strcmp(code, "insufficient_scope") == 0);
    http_header(reply, "Retry-After", value, sizeof value);
    ck_assert_int_eq(value[0] != '\0', status == 503 || status == 429 || strcmp(code, "idempotency_in_progress") == 0);
}

void expect_problem(struct reply reply, long status, const char *code) {
    assert_problem(&reply, status, code);
    http_free(&reply);
}

void expect_problem_at(struct reply reply, long status, const char *code, const char *pointer, const char *entry_code) {
    assert_problem(&reply, status, code);
    const struct json_object *errors = json_object_object_get(reply.json, "errors");
    ck_assert_msg(json_object_is_type(errors, json_type_array), "no errors in %s", reply.body);
    ck_assert_uint_eq(json_object_array_length(errors), 1);
    const struct json_object *entry = json_object_array_get_idx(errors, 0);
    ck_assert_str_eq(json_string_at(entry, "pointer"), pointer);
    ck_assert_str_eq(json_string_at(entry, "code"), entry_code);
    ck_assert_str_ne(json_string_at(entry, "detail"), "");
    http_free(&reply);
}

void expect_problem_about(struct reply reply, const char *code, const char *member, const char *name) {
    assert_problem(&reply, 400, code);
    ck_assert_str_eq(http_member(&reply, member), name);
    ck_assert_msg(strncmp(http_member(&reply, "detail"), name, strlen(name)) == 0, "%s", reply.body);
    http_free(&reply);
}

void expect_status(struct reply reply, long status) {
    ck_assert_msg(reply.status == status, "expected %ld, got %ld %s", status, reply.status, reply.body != NULL ? reply.body : "");
    http_free(&reply);
}

struct parallel {
    size_t index;
    void (*work)(size_t index, void *context);
    void *context;
    pthread_barrier_t *start;
};

static void *run_one(void *argument) {
    struct parallel *parallel = argument;
    pthread_barrier_wait(parallel->start);
    parallel->work(parallel->index, parallel->context);
    return NULL;
}

void run_parallel(size_t count, void (*work)(size_t index, void *context), void *context) {
    pthread_t threads[PARALLEL_MAX];
    struct parallel jobs[PARALLEL_MAX];
    pthread_barrier_t start;
    ck_assert_uint_le(count, PARALLEL_MAX);
    pthread_once(&once, init_library);
    pthread_barrier_init(&start, NULL, (unsigned)count);
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct parallel){ i, work, context, &start };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_one, &jobs[i]), 0);
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
}
