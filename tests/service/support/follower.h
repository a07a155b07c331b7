/*
 * follower: a client of GET /auth/revocations on a connection of its own: reads the header of the reply, the chunked body and the
 * events in it, as RFC 9112 section 7.1 and the HTML standard ("Server-sent events") say. One thread at a time. Everything that
 * is not in order fails the test.
 */
#ifndef JWTD_TEST_FOLLOWER_H
#define JWTD_TEST_FOLLOWER_H

#include "service.h"

#include <stdbool.h>
#include <stddef.h>

struct stream_event {
    char name[32]; /* "" for a comment */
    char data[512];
    char comment[64];
};

struct follower {
    int fd;
    bool has_header, has_ended; /* the last chunk, or the close of the connection, has come */
    bool ended_in_order;        /* by the last chunk */
    char last_id[96];           /* Last-Event-ID */
    int retry_ms;
    char received[16384]; /* of the connection, not parsed yet */
    size_t received_len;
    char body[16384]; /* of the chunks, not parsed yet */
    size_t body_len, chunk_left;
    bool is_behind_chunk;
};

/* Whose credentials follower_open sends from now on; the servers that it asks have them. */
void follower_set_service(struct service service);

/* Connects and asks; `last_id` and `query` ("heartbeat=1") may be NULL. Does not wait for the reply. */
struct follower *follower_open(const struct server *server, const char *last_id, const char *query);
void follower_close(struct follower *follower); /* also when it has ended */

/* Waits for the next event or comment, for at most `wait_ms`. False: none came, or the stream has ended. */
bool follower_next(struct follower *follower, int wait_ms, struct stream_event *event);

/* The same without waiting, from what has been received before. */
bool follower_take(struct follower *follower, struct stream_event *event);

/* Receives what there is now, without waiting. False: the connection has been closed. */
bool follower_receive(struct follower *follower);

/* Reads up to snapshot-complete, within 10 s for each event; returns how many sessions came, and whether it was resumed. */
unsigned follower_await_snapshot(struct follower *follower, bool *is_resumed);

/* Reads until the revocation of this session has come, for at most `wait_ms`; false: it did not come. */
bool follower_await_session(struct follower *follower, const char *session_id, int wait_ms);

/* Whether the event is the revocation of this session. */
bool event_is_of_session(const struct stream_event *event, const char *session_id);

#endif
