#include "follower.h"

#include "raw.h"

#include "jwtd/clock.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SNAPSHOT_WAIT_MS 10000

static struct service sibling;

void follower_set_service(struct service service) {
    sibling = service;
}

struct follower *follower_open(const struct server *server, const char *last_id, const char *query) {
    struct follower *follower = calloc(1, sizeof *follower);
    char request[1024];
    ck_assert_ptr_nonnull(follower);
    follower->fd = raw_connect(server);
    if (last_id != NULL)
        snprintf(follower->last_id, sizeof follower->last_id, "%s", last_id);
    int len = snprintf(request, sizeof request,
                       "GET /auth/revocations%s%s HTTP/1.1\r\nHost: x\r\n%s\r\nAccept: text/event-stream\r\n%s%s%s\r\n",
                       query != NULL ? "?" : "", query != NULL ? query : "", sibling.authorization,
                       last_id != NULL ? "Last-Event-ID: " : "", last_id != NULL ? last_id : "", last_id != NULL ? "\r\n" : "");
    ck_assert(len > 0 && (size_t)len < sizeof request);
    raw_send(follower->fd, request, (size_t)len);
    return follower;
}

void follower_close(struct follower *follower) {
    close(follower->fd);
    free(follower);
}

static void drop(char *buffer, size_t *len, size_t count) {
    ck_assert_uint_le(count, *len);
    memmove(buffer, buffer + count, *len - count);
    *len -= count;
}

/* The line up to its end mark, which is cut off; NULL: it is not complete. */
static char *line_of(char *buffer, size_t len, const char *mark, size_t *line_len) {
    char *end = memmem(buffer, len, mark, strlen(mark));
    if (end == NULL)
        return NULL;
    *end = '\0';
    *line_len = (size_t)(end - buffer) + strlen(mark);
    return buffer;
}

/* ---- the reply and its chunks ---- */

static bool take_header(struct follower *follower) {
    size_t len;
    char *header = line_of(follower->received, follower->received_len, "\r\n\r\n", &len);
    if (header == NULL)
        return false;
    ck_assert_msg(strncmp(header, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", header);
    ck_assert_msg(strcasestr(header, "\r\nContent-Type: text/event-stream\r\n") != NULL, "%s", header);
    ck_assert_msg(strcasestr(header, "\r\nCache-Control: no-store\r\n") != NULL, "%s", header);
    ck_assert_msg(strcasestr(header, "\r\nTransfer-Encoding: chunked\r\n") != NULL, "%s", header);
    ck_assert_msg(strcasestr(header, "\r\nX-Accel-Buffering: no") != NULL, "%s", header);
    ck_assert_msg(strcasestr(header, "\r\nX-Request-Id: ") != NULL, "%s", header);
    drop(follower->received, &follower->received_len, len);
    return follower->has_header = true;
}

static bool take_chunk_head(struct follower *follower) {
    size_t len;
    char *line = line_of(follower->received, follower->received_len, "\r\n", &len), *end;
    if (line == NULL)
        return false;
    if (follower->is_behind_chunk) {
        ck_assert_str_eq(line, "");
    } else {
        follower->chunk_left = strtoul(line, &end, 16);
        ck_assert_msg(*line != '\0' && *end == '\0', "chunk %s", line);
        follower->has_ended = follower->ended_in_order = follower->chunk_left == 0;
    }
    follower->is_behind_chunk = false;
    drop(follower->received, &follower->received_len, len);
    return !follower->has_ended;
}

static bool take_chunk_bytes(struct follower *follower) {
    size_t space = sizeof follower->body - follower->body_len - 1;
    size_t taken = follower->chunk_left < follower->received_len ? follower->chunk_left : follower->received_len;
    taken = taken < space ? taken : space;
    memcpy(follower->body + follower->body_len, follower->received, taken);
    follower->body_len += taken;
    follower->chunk_left -= taken;
    follower->is_behind_chunk = follower->chunk_left == 0;
    drop(follower->received, &follower->received_len, taken);
    return taken > 0;
}

static void unframe(struct follower *follower) {
    if (!follower->has_header && !take_header(follower))
        return;
    while (!follower->has_ended && (follower->chunk_left > 0 ? take_chunk_bytes(follower) : take_chunk_head(follower)))
        ;
}

bool follower_receive(struct follower *follower) {
    size_t space = sizeof follower->received - follower->received_len - 1;
    ssize_t got = space > 0 ? recv(follower->fd, follower->received + follower->received_len, space, MSG_DONTWAIT) : 1;
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        follower->has_ended = true;
        return false;
    }
    if (got > 0 && space > 0)
        follower->received_len += (size_t)got;
    unframe(follower);
    return true;
}

/* ---- the events ---- */

static const char *value_of(const char *line, const char *name) {
    size_t len = strlen(name);
    return strncmp(line, name, len) == 0 && strncmp(line + len, ": ", 2) == 0 ? line + len + 2 : NULL;
}

static void read_field(struct follower *follower, const char *line, struct stream_event *event) {
    const char *value;
    if (line[0] == ':')
        snprintf(event->comment, sizeof event->comment, "%s", line + 1 + (line[1] == ' '));
    else if ((value = value_of(line, "event")) != NULL)
        snprintf(event->name, sizeof event->name, "%s", value);
    else if ((value = value_of(line, "data")) != NULL)
        snprintf(event->data, sizeof event->data, "%s", value);
    else if ((value = value_of(line, "id")) != NULL)
        snprintf(follower->last_id, sizeof follower->last_id, "%s", value);
    else if ((value = value_of(line, "retry")) != NULL)
        follower->retry_ms = (int)strtol(value, NULL, 10);
    else
        ck_abort_msg("a line that means nothing: %s", line);
}

bool follower_take(struct follower *follower, struct stream_event *event) {
    size_t len, line_len;
    char *block = line_of(follower->body, follower->body_len, "\n\n", &len), *line;
    if (block == NULL) {
        unframe(follower);
        block = line_of(follower->body, follower->body_len, "\n\n", &len);
    }
    if (block == NULL)
        return false;
    *event = (struct stream_event){ .name = "" };
    block[len - 2] = '\n';
    for (char *at = block; at < block + len - 1; at += line_len) {
        line = line_of(at, (size_t)(block + len - 1 - at), "\n", &line_len);
        ck_assert_ptr_nonnull(line);
        read_field(follower, line, event);
    }
    drop(follower->body, &follower->body_len, len);
    return true;
}

bool follower_next(struct follower *follower, int wait_ms, struct stream_event *event) {
    int64_t until_us = clock_monotonic_us() + wait_ms * INT64_C(1000);
    for (;;) {
        if (follower_take(follower, event)) {
            if (event->name[0] != '\0' || event->comment[0] != '\0')
                return true;
            continue; /* retry alone */
        }
        int64_t left_us = until_us - clock_monotonic_us();
        struct pollfd readable = { .fd = follower->fd, .events = POLLIN };
        if (follower->has_ended || left_us <= 0)
            return false;
        if (poll(&readable, 1, (int)(left_us / 1000) + 1) == 1)
            follower_receive(follower);
    }
}

unsigned follower_await_snapshot(struct follower *follower, bool *is_resumed) {
    struct stream_event event;
    unsigned count = 0, said;
    while (follower_next(follower, SNAPSHOT_WAIT_MS, &event)) {
        if (strcmp(event.name, "snapshot-complete") == 0) {
            char resumed[8];
            ck_assert_int_eq(sscanf(event.data, "{\"sessions\":%u,\"resumed\":%5[a-z]}", &said, resumed), 2);
            ck_assert_uint_eq(said, count);
            *is_resumed = strcmp(resumed, "true") == 0;
            return count;
        }
        count += strcmp(event.name, "session-revoked") == 0;
    }
    ck_abort_msg("no snapshot-complete after %u sessions; ended: %d", count, follower->has_ended);
}

bool event_is_of_session(const struct stream_event *event, const char *session_id) {
    return strcmp(event->name, "session-revoked") == 0 && strstr(event->data, session_id) != NULL;
}

bool follower_await_session(struct follower *follower, const char *session_id, int wait_ms) {
    int64_t until_us = clock_monotonic_us() + wait_ms * INT64_C(1000);
    struct stream_event event;
    while (clock_monotonic_us() < until_us)
        if (follower_next(follower, (int)((until_us - clock_monotonic_us()) / 1000) + 1, &event) &&
            event_is_of_session(&event, session_id))
            return true;
        else if (follower->has_ended)
            return false;
    return false;
}
