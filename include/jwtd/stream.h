/*
 * stream: a reply that does not end by itself (text/event-stream): what a route says about it.
 *
 * A step of the route answers with reply_stream and the state of this follower. From then on the streams' thread
 * (src/http/streams.h) calls the functions here, one at a time, each with that state: `begin` first, then `write` whenever there
 * may be something to send, and `end` once. None of them may wait.
 */
#ifndef JWTD_STREAM_H
#define JWTD_STREAM_H

#include "jwtd/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_PART_SIZE 4096

struct stream_part {
    size_t len;     /* what was written; 0: there is nothing for now */
    int64_t due_us; /* when there is something, if nothing is announced before (clock_monotonic_us) */
    bool is_last;   /* the stream ends behind it */
};

struct stream_kind {
    /* A descriptor (eventfd) that is readable when there is something new for all followers; the streams' thread reads it. */
    int (*changed_fd)(const struct services *services);
    void (*begin)(const struct services *services, void *state);
    void (*end)(const struct services *services, void *state);
    /* Writes the next part of the stream, at most STREAM_PART_SIZE bytes. Called again at once while it returns any. */
    struct stream_part (*write)(const struct services *services, void *state, char buffer[STREAM_PART_SIZE], int64_t now_us);
    /* Writes what is sent last when the service stops; returns its length. */
    size_t (*write_last_part)(void *state, char buffer[STREAM_PART_SIZE]);
};

/* Answers 200 with a stream of the route's kind. `state` is in the request's arena, which lives as long as the stream. A request
 * by HEAD receives the header only, and the state is not used. When there are server.max_streams already, 503 is sent instead,
 * and 503 when the service stops. */
enum step_result reply_stream(struct request *request, void *state);

#endif
