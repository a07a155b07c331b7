#include "backend.h"

#include <arpa/inet.h>
#include <check.h>
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_S 20

struct backend {
    pthread_t thread;
    int listener, port;
    pthread_mutex_t lock; /* guards what follows */
    unsigned count;
    struct backend_request last;
};

/* What is read of a connection, byte by byte for whoever wants it. */
struct input {
    int fd;
    char bytes[65536];
    size_t len, at;
};

uint64_t backend_sum(uint64_t sum, const char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        sum = sum * UINT64_C(1099511628211) + (unsigned char)bytes[i] + 1;
    return sum;
}

/* -1: the connection has ended. */
static int next_byte(struct input *input) {
    if (input->at == input->len) {
        ssize_t got = recv(input->fd, input->bytes, sizeof input->bytes, 0);
        if (got <= 0)
            return -1;
        input->len = (size_t)got;
        input->at = 0;
    }
    return (unsigned char)input->bytes[input->at++];
}

/* A line with its CR LF; false: there is none, or it is too long. */
static bool read_line(struct input *input, char *line, size_t size) {
    size_t len = 0;
    for (int byte; len + 1 < size && (byte = next_byte(input)) >= 0;) {
        line[len++] = (char)byte;
        line[len] = '\0';
        if (byte == '\n')
            return true;
    }
    return false;
}

static bool read_head(struct input *input, struct backend_request *request) {
    size_t len = 0;
    for (;;) {
        char *line = request->head + len;
        if (!read_line(input, line, sizeof request->head - len))
            return false;
        if (strcmp(line, "\r\n") == 0) {
            *line = '\0';
            return true;
        }
        len += strlen(line);
    }
}

static bool read_bytes(struct input *input, struct backend_request *request, size_t len) {
    while (len-- > 0) {
        int byte = next_byte(input);
        char c = (char)byte;
        if (byte < 0)
            return false;
        request->body_sum = backend_sum(request->body_sum, &c, 1);
        request->body_len++;
    }
    return true;
}

static bool read_chunks(struct input *input, struct backend_request *request) {
    char line[256];
    for (;;) {
        if (!read_line(input, line, sizeof line))
            return false;
        size_t len = strtoul(line, NULL, 16);
        if (!read_bytes(input, request, len) || !read_line(input, line, sizeof line))
            return false;
        if (len == 0)
            return true;
    }
}

static bool read_body(struct input *input, struct backend_request *request) {
    char value[64];
    if (strcmp(backend_field(request, "Transfer-Encoding", value, sizeof value), "chunked") == 0)
        return read_chunks(input, request);
    return read_bytes(input, request, strtoul(backend_field(request, "Content-Length", value, sizeof value), NULL, 10));
}

static void serve(struct backend *backend, int fd) {
    static const struct timeval patience = { .tv_sec = PATIENCE_S };
    struct input *input = calloc(1, sizeof *input);
    struct backend_request *request = calloc(1, sizeof *request);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (input != NULL && request != NULL) {
        input->fd = fd;
        if (read_head(input, request) && read_body(input, request)) {
            pthread_mutex_lock(&backend->lock);
            backend->last = *request;
            backend->count++;
            pthread_mutex_unlock(&backend->lock);
            dprintf(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
        }
    }
    free(request);
    free(input);
    close(fd);
}

static void *work(void *argument) {
    struct backend *backend = argument;
    for (int fd; (fd = accept4(backend->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
        serve(backend, fd);
    return NULL;
}

struct backend *backend_start(void) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    struct backend *backend = calloc(1, sizeof *backend);
    ck_assert_ptr_nonnull(backend);
    pthread_mutex_init(&backend->lock, NULL);
    backend->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(backend->listener, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(backend->listener, 64), 0);
    ck_assert_int_eq(getsockname(backend->listener, (struct sockaddr *)&address, &len), 0);
    backend->port = ntohs(address.sin_port);
    ck_assert_int_eq(pthread_create(&backend->thread, NULL, work, backend), 0);
    return backend;
}

void backend_stop(struct backend *backend) {
    shutdown(backend->listener, SHUT_RDWR); /* accept returns */
    pthread_join(backend->thread, NULL);
    close(backend->listener);
    pthread_mutex_destroy(&backend->lock);
    free(backend);
}

int backend_port(const struct backend *backend) {
    return backend->port;
}

void backend_clear(struct backend *backend) {
    pthread_mutex_lock(&backend->lock);
    backend->count = 0;
    backend->last = (struct backend_request){ .body_len = 0 };
    pthread_mutex_unlock(&backend->lock);
}

unsigned backend_count(struct backend *backend, struct backend_request *last) {
    pthread_mutex_lock(&backend->lock);
    unsigned count = backend->count;
    *last = backend->last;
    pthread_mutex_unlock(&backend->lock);
    return count;
}

static bool is_name(const char *line, size_t len, const char *name) {
    if (len != strlen(name))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = isalnum((unsigned char)line[i]) ? line[i] : '-';
        if (tolower((unsigned char)c) != tolower((unsigned char)name[i]))
            return false;
    }
    return true;
}

const char *backend_field(const struct backend_request *request, const char *name, char *value, size_t size) {
    unsigned count = 0;
    value[0] = '\0';
    for (const char *line = strchr(request->head, '\n'); line != NULL && line[1] != '\0'; line = strchr(line + 1, '\n')) {
        size_t len = strcspn(line + 1, ":\r");
        if (line[1 + len] != ':' || !is_name(line + 1, len, name))
            continue;
        const char *start = line + 1 + len + 1;
        start += strspn(start, " \t");
        snprintf(value, size, "%.*s", (int)strcspn(start, "\r"), start);
        count++;
    }
    if (count > 1)
        snprintf(value, size, "(several)");
    return value;
}
