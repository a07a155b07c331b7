#include "instant.h"
#include "response.h"
#include "samples.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_NS (2 * NS_PER_S)
#define TEXT_MAX (RESPONSE_BODY_KEPT)

static bool wait_for(int fd, short events, int64_t until_ns) {
    int64_t left = until_ns - instant_now();
    struct pollfd poll_fd = { .fd = fd, .events = events };
    return left > 0 && poll(&poll_fd, 1, (int)(left / NS_PER_MS) + 1) == 1;
}

static bool ask(int fd, const struct target *target, const char *path, int64_t until_ns) {
    char request[2 * TARGET_TEXT_SIZE + 128];
    int error = 0;
    socklen_t size = sizeof error;
    if (!wait_for(fd, POLLOUT, until_ns) || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
        return false;
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/plain\r\nConnection: close\r\n\r\n",
                       path, target->host);
    return send(fd, request, (size_t)len, MSG_NOSIGNAL) == len;
}

static bool receive(int fd, struct response *response, int64_t until_ns) {
    char buffer[16 * 1024];
    while (response->state != RESPONSE_DONE && response->state != RESPONSE_BROKEN) {
        if (!wait_for(fd, POLLIN, until_ns))
            return false;
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got < 0)
            return false;
        if (got == 0)
            response_close(response);
        else
            response_feed(response, buffer, (size_t)got);
    }
    return response->state == RESPONSE_DONE && response->status == 200;
}

static bool get(const struct target *target, const char *path, struct response *response) {
    int64_t until = instant_now() + WAIT_NS;
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    (void)connect(fd, (const struct sockaddr *)&target->address,
                  target->address_len); /* what came of it is asked when it is ready */
    bool got = ask(fd, target, path, until) && receive(fd, response, until);
    close(fd);
    return got;
}

/* ---- the text ---- */

static struct metric *find(struct metrics *metrics, const char *name) {
    for (size_t i = 0; i < metrics->count; i++)
        if (strcmp(metrics->items[i].name, name) == 0)
            return &metrics->items[i];
    return NULL;
}

static void keep(struct metrics *metrics, const char *name, double value, bool first) {
    struct metric *metric = find(metrics, name);
    if (metric == NULL && first) {
        struct metric *items = realloc(metrics->items, (metrics->count + 1) * sizeof *items);
        if (items == NULL)
            return;
        metrics->items = items;
        metric = &items[metrics->count++];
        *metric = (struct metric){ .before = value };
        snprintf(metric->name, sizeof metric->name, "%s", name);
    }
    if (metric != NULL)
        metric->after = value;
}

/* "name{labels} value [timestamp]"; buckets of histograms are left out: there are many, and sum and count say enough. */
static void read_line(struct metrics *metrics, char *line, bool first) {
    char *value = strrchr(line, '}');
    value = value != NULL ? value + 1 : strchr(line, ' ');
    if (line[0] == '#' || value == NULL || strstr(line, "_bucket{") != NULL)
        return;
    char *end;
    double number = strtod(value, &end);
    if (end == value || (size_t)(value - line) >= sizeof metrics->items->name)
        return;
    *value = '\0';
    keep(metrics, line, number, first);
}

void metrics_read(struct metrics *metrics, const struct target *target, const char *url, bool first) {
    struct target elsewhere;
    char error[256];
    const char *path = "/metrics";
    if (!first && !metrics->known)
        return;
    if (url != NULL) {
        if (!target_init(&elsewhere, url, error, sizeof error))
            return;
        target = &elsewhere;
        path = elsewhere.prefix[0] == '\0' ? path : elsewhere.prefix;
    }
    if (target->tls)
        return;
    struct response response = { .body = NULL };
    response_init(&response);
    if (get(target, path, &response) && response.body != NULL) {
        char *rest = response.body;
        for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
            read_line(metrics, line, first);
        metrics->known = metrics->count > 0;
    }
    response_fini(&response);
}

void metrics_fini(struct metrics *metrics) {
    free(metrics->items);
    *metrics = (struct metrics){ .items = NULL };
}
