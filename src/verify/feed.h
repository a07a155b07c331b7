/*
 * feed: what the service's feed of revocations has said (GET /auth/revocations; docs/siblings.md has its format): the sessions
 * that are revoked, and how old that knowledge is.
 *
 * One thread feeds it; any thread asks. Knowledge is complete up to a moment when a connection has been through its snapshot, or
 * through what was missed since Last-Event-ID, and the service then says how stale it is itself (`: stale-for SECONDS`): then up
 * to so many seconds before that. Nothing else counts, neither an open connection nor an event. Knowledge is never forgotten:
 * after a lost connection it only grows older.
 *
 * How long a session is kept does not depend on this machine's wall clock, which may be wrong and be set: for as long as lies
 * between `event_timestamp` and `until`, by a clock that is never set.
 *
 * A known event that cannot be read ends the connection, since a revocation might be in it; an event of another name is ignored.
 */
#ifndef JWTD_VERIFY_FEED_H
#define JWTD_VERIFY_FEED_H

#include "jwtd/status.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stdbool.h>
#include <stdint.h>

#define FEED_SESSIONS_MAX 4000000 /* about 200 MB; with more the feed is refused, and grows stale */

struct feed;

struct feed_options {
    int64_t max_life_s; /* of a token, which bounds how long a session is kept */
    int64_t leeway_s;   /* for how much longer than the service says it is kept */
    void (*on_key_revoked)(void *context, struct text kid);
    void *context;
};

struct feed *feed_create(const struct feed_options *options); /* NULL if out of memory */
void feed_destroy(struct feed *feed);

/* ---- by the thread that feeds it ---- */

void feed_begin_connection(struct feed *feed);

/* Bytes of the connection, at a time of clock_boot_us. False: it is to be closed, feed_reason says why. */
bool feed_take(struct feed *feed, struct text bytes, int64_t boot_us) MUST_CHECK;

const char *feed_reason(const struct feed *feed);
const char *feed_last_event_id(const struct feed *feed); /* at most SSE_ID_MAX bytes; "": none */
int64_t feed_retry_ms(const struct feed *feed);          /* the pause that the service has sent; -1: none */
bool feed_is_followed(const struct feed *feed); /* whether this connection has been through its snapshot, and said its age */

/* ---- by any thread ---- */

bool feed_has_revoked(struct feed *feed, const struct uuid *session_id);

/* INT64_MAX: nothing was ever complete. */
int64_t feed_stale_us(const struct feed *feed, int64_t boot_us);

#endif
