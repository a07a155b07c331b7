/*
 * follower: the thread of a verifier. It keeps a connection to the service's feed open, hands what comes to `feed`, and fetches
 * the published keys. libcurl is known here only.
 *
 * The feed sends something every second. When nothing was read for FOLLOWER_SILENCE_S, since it was silent or this process was
 * stopped (what then lies in the socket is old, and must not count as fresh), the connection is closed and another one made.
 * Connections follow each other after a pause: a random part of the service's `retry:` (1 s unless it says so, up to
 * FOLLOWER_PAUSE_MAX_S) when the one before had been through its snapshot, else twice as long after each failure, up to
 * FOLLOWER_PAUSE_MAX_S, half of it random; and not before Retry-After. Keys are fetched at the start, every FOLLOWER_KEYS_S, and
 * on request, at most once a second.
 *
 * No proxy of the environment is used and no redirection followed, since credentials are sent; certificates are checked.
 */
#ifndef JWTD_VERIFY_FOLLOWER_H
#define JWTD_VERIFY_FOLLOWER_H

#include "feed.h"

#include <stdbool.h>
#include <stddef.h>

#define FOLLOWER_SILENCE_S 5
#define FOLLOWER_PAUSE_MAX_S 10
#define FOLLOWER_RETRY_AFTER_MAX_S 30
#define FOLLOWER_KEYS_S 300

struct follower;

/* The callbacks are called by the thread. */
struct follower_options {
    const char *url; /* of the service, https://host[:port][/prefix] */
    const char *name, *secret;
    const char *ca_file;                                  /* NULL: the system's */
    bool plain_http;                                      /* http:// also to other machines */
    int64_t max_stale_s;                                  /* a connection that leaves the feed staler for so long is given up */
    struct feed *feed;                                    /* borrowed; fed by the thread only */
    void (*on_progress)(void *context);                   /* something came of the feed */
    bool (*on_keys)(void *context, struct text jwks);     /* false: they cannot be read; the callee keeps what is wrong */
    void (*on_feed_problem)(void *context, const char *); /* "": it is followed again */
    void (*on_keys_problem)(void *context, const char *);
    void *context;
};

/* Copies the strings. NULL, with the reason in `error`. */
struct follower *follower_start(const struct follower_options *options, char *error, size_t error_size);

/* Stops the thread, and wipes the copy of the secret. */
void follower_stop(struct follower *follower);

/* Any thread; waits for nothing. */
void follower_request_keys(struct follower *follower);

#endif
