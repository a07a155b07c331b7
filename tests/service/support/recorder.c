#include "recorder.h"

#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define FDS_MAX 1024
#define REQUEST_LINE_MAX 512

/* In the line of each request, and seldom elsewhere. */
#define REQUEST_MARK " HTTP/1."

/* Of `sent`: a socket belongs to one thread, but its descriptor may have been another thread's before. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* What was sent on each socket since the last read. */
static struct sent {
    char bytes[REQUEST_LINE_MAX]; /* the beginning */
    size_t len;
    size_t matched; /* of REQUEST_MARK, at the end of what was sent */
    unsigned requests;
    bool is_out_of_step; /* which reply belongs to which request is not known any more */
} sent[FDS_MAX];

static const char *file_name(void) {
    const char *name = getenv("JWTD_TEST_EXCHANGES");
    return name != NULL && name[0] != '\0' ? name : NULL;
}

/* As one field: no tab, no line end, not empty. */
static void write_field(FILE *line, const char *bytes, size_t len, bool ascii_only) {
    if (len == 0)
        fputc('-', line);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (ascii_only && (c <= ' ' || c >= 0x7f))
            c = '?';
        fputc(c < ' ' ? ' ' : c, line);
    }
}

static void write_media_type(FILE *line, const char *headers) {
    static const char name[] = "Content-Type:";
    for (const char *at = headers; at != NULL && *at != '\0' && *at != '\r';) {
        const char *end = strstr(at, "\r\n");
        if (strncasecmp(at, name, sizeof name - 1) == 0) {
            at += sizeof name - 1;
            at += strspn(at, " ");
            write_field(line, at, strcspn(at, ";\r\n"), true);
            return;
        }
        at = end == NULL ? NULL : end + 2;
    }
    fputc('-', line);
}

/* In lower case, separated by commas, up to the empty line. */
static void write_header_names(FILE *line, const char *headers) {
    const char *at = headers == NULL ? NULL : strstr(headers, "\r\n"); /* behind the status line */
    bool is_first = true;
    for (; at != NULL && at[2] != '\0' && at[2] != '\r'; at = strstr(at + 2, "\r\n")) {
        size_t len = strcspn(at + 2, ":\r");
        if (at[2 + len] != ':')
            continue;
        if (!is_first)
            fputc(',', line);
        is_first = false;
        for (size_t i = 0; i < len; i++)
            fputc(tolower((unsigned char)at[2 + i]), line);
    }
    if (is_first)
        fputc('-', line);
}

static void write_code(FILE *line, long status, const char *body, size_t body_len) {
    static const char mark[] = "\"code\":\"";
    const char *found = status < 400 || body_len == 0 ? NULL : memmem(body, body_len, mark, sizeof mark - 1);
    const char *start = found == NULL ? NULL : found + sizeof mark - 1;
    const char *end = start == NULL ? NULL : memchr(start, '"', body_len - (size_t)(start - body));
    write_field(line, start, end == NULL ? 0 : (size_t)(end - start), true);
}

static void append_to_file(const char *line, size_t len) {
    int fd = open(file_name(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, line, len) != (ssize_t)len) {
        perror("JWTD_TEST_EXCHANGES");
        abort();
    }
    close(fd);
}

void recorder_add(const struct recorded_exchange *exchange) {
    char *text = NULL;
    size_t len = 0;
    FILE *line = file_name() == NULL ? NULL : open_memstream(&text, &len);
    if (line == NULL)
        return;
    write_field(line, exchange->method, strlen(exchange->method), true);
    fputc('\t', line);
    write_field(line, exchange->path, strlen(exchange->path), true);
    fprintf(line, "\t%ld\t", exchange->status);
    write_media_type(line, exchange->headers);
    fputc('\t', line);
    write_code(line, exchange->status, exchange->body, exchange->body_len);
    fputc('\t', line);
    write_header_names(line, exchange->headers);
    fputc('\t', line);
    write_field(line, exchange->body, exchange->body_len, false);
    fputc('\n', line);
    fclose(line);
    append_to_file(text, len);
    free(text);
}

void recorder_opened(int fd) {
    if (fd >= FDS_MAX)
        return;
    pthread_mutex_lock(&lock);
    sent[fd] = (struct sent){ .len = 0 };
    pthread_mutex_unlock(&lock);
}

static void count_requests(struct sent *socket, const char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != REQUEST_MARK[socket->matched])
            socket->matched = 0;
        socket->matched += bytes[i] == REQUEST_MARK[socket->matched];
        if (socket->matched == sizeof REQUEST_MARK - 1) {
            socket->matched = 0;
            socket->requests++;
        }
    }
}

void recorder_sent(int fd, const char *bytes, size_t len) {
    if (fd >= FDS_MAX || file_name() == NULL)
        return;
    pthread_mutex_lock(&lock);
    size_t left = REQUEST_LINE_MAX - 1 - sent[fd].len;
    size_t taken = len < left ? len : left;
    memcpy(sent[fd].bytes + sent[fd].len, bytes, taken);
    sent[fd].len += taken;
    sent[fd].bytes[sent[fd].len] = '\0';
    count_requests(&sent[fd], bytes, len);
    pthread_mutex_unlock(&lock);
}

/* The body follows the header and is as long as Content-Length says, since another reply may follow. */
static void find_body(struct recorded_exchange *exchange, const char *end) {
    static const char name[] = "\r\nContent-Length:";
    const char *header_end = strstr(exchange->headers, "\r\n\r\n");
    const char *length = strcasestr(exchange->headers, name);
    if (header_end == NULL || length == NULL || length > header_end)
        return;
    size_t announced = strtoul(length + sizeof name - 1, NULL, 10);
    exchange->body = header_end + 4;
    exchange->body_len = (size_t)(end - exchange->body) < announced ? (size_t)(end - exchange->body) : announced;
}

/* The first that is not 100 Continue; NULL: none. */
static const char *find_final_reply(const char *bytes) {
    static const char version[] = "HTTP/1.1 ";
    const char *reply = bytes;
    while ((reply = strstr(reply, version)) != NULL && reply[sizeof version - 1] == '1')
        reply++;
    return reply;
}

static void record_first(const struct sent *socket, const char *reply, const char *end) {
    char request[REQUEST_LINE_MAX], *rest = NULL;
    snprintf(request, sizeof request, "%.*s", (int)strcspn(socket->bytes, "\r\n"), socket->bytes);
    const char *method = strtok_r(request, " ", &rest), *path = strtok_r(NULL, " ", &rest);
    struct recorded_exchange exchange = { .method = method == NULL ? "" : method,
                                          .path = path == NULL ? "" : path,
                                          .status = strtol(reply + strlen("HTTP/1.1 "), NULL, 10),
                                          .headers = reply };
    find_body(&exchange, end);
    recorder_add(&exchange);
}

void recorder_received(int fd, const char *bytes, size_t len) {
    if (fd >= FDS_MAX || file_name() == NULL)
        return;
    pthread_mutex_lock(&lock);
    struct sent *socket = &sent[fd];
    const char *reply = find_final_reply(bytes);
    if (reply != NULL && !socket->is_out_of_step && socket->len > 0)
        record_first(socket, reply, bytes + len);
    bool is_one = reply != NULL && find_final_reply(reply + 1) == NULL;
    if (socket->requests > 1 || (socket->len > 0 && !is_one))
        socket->is_out_of_step = true;
    socket->len = 0;
    socket->requests = 0;
    pthread_mutex_unlock(&lock);
}
