/*
 * revocation_feed: the revocations that still matter, in the order in which this instance has learnt of them, for followers that
 * follow them (GET /auth/revocations).
 *
 * An append-only list in memory. A follower is a position in it: the number of its next revocation; nothing is kept for each
 * follower. What is revoked is in the list once, however often it was read from the database, and leaves it when no token of the
 * session can be valid any more: `until`, which is the life of an access token and REVOKED_SESSIONS_MARGIN_S after this instance
 * has read it, by the retention clock (clock.h). A follower that is behind by more has missed nothing that matters. A session
 * takes 64 bytes, 72 with its place in the index, and the list has at most twice as many places as revocations: 100,000 take 7 to
 * 14 MB.
 *
 * A cursor is what a follower may come back with, to any instance of the same database. It says: everything is known that was
 * written by transactions before `transaction` or revoked before `read_at_s`. Ids and numbers of transactions are assigned before
 * the commit, and a commit may wait for a standby without limit. So `transaction` is the oldest that was running at a reading
 * (revocations_read_late): no earlier one can commit any more. After a failover numbers may be lower than before, and another
 * transaction may have one that is known. Therefore the time as well: what a follower is sent again is all that was written from
 * `transaction` on, and all that was revoked after REVOCATION_FEED_OVERLAP_S before `read_at_s`, by the database's clock. A
 * revocation may be sent twice.
 *
 * The thread that reads the database adds and publishes; any number of threads read. One mutex guards the list: for the copying
 * of a few revocations, for a pass over the list when a follower comes back (a millisecond for 100,000), and for some
 * milliseconds when the list grows. /auth/verify does not use it.
 */
#ifndef JWTD_REVOCATION_FEED_H
#define JWTD_REVOCATION_FEED_H

#include "jwtd/revoked_sessions.h"
#include "jwtd/status.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REVOCATION_FEED_OVERLAP_S 5 /* two clocks of the database, before and after a failover, may differ by so much */

struct revocation_feed;

/* Borrows the set, to which each session is added as well. NULL: no memory or descriptor, as errno says. */
struct revocation_feed *revocation_feed_create(struct revoked_sessions *set, int64_t access_ttl_s);
void revocation_feed_destroy(struct revocation_feed *feed); /* NULL is allowed */

/* ---- for the thread that reads the database ---- */

struct feed_revocation {
    struct uuid session_id, user_id;
    struct text reason;   /* a word; bytes that JSON would escape become "_" */
    uint64_t transaction; /* that has written it; 0: unknown */
    int64_t revoked_at_s; /* by the database's clock */
    int64_t read_at_s;    /* by the wall clock of this instance, as `until` is */
};

/* To the set, and to the list unless the session is in it. `now_s` is of the retention clock (clock.h), since a step of the wall
 * clock must not empty either. STATUS_OUT_OF_MEMORY: it is missing in one of them or both. */
enum status revocation_feed_add(struct revocation_feed *feed, const struct feed_revocation *revocation, int64_t now_s) MUST_CHECK;

struct revocation_cursor {
    struct uuid database;
    uint64_t transaction;
    int64_t read_at_s;
};

/* Everything of which the cursor says that it is known has been added. */
void revocation_feed_publish(struct revocation_feed *feed, const struct revocation_cursor *cursor);

/* Drops what has expired by the retention clock, and makes revocation_feed_changed_fd readable if anything was added since the
 * last call, or there is anything else that is new for followers. */
void revocation_feed_announce(struct revocation_feed *feed, bool has_other_changes, int64_t now_s);

/* ---- for followers; any thread ---- */

/* What is returned of a revocation. */
struct revocation_entry {
    struct uuid session_id, user_id;
    const char *reason; /* lives as long as the feed */
    uint64_t transaction;
    int64_t revoked_at_s, until_s;
};

/* Copies up to `max` revocations from *position on, without those that a follower who comes back with `after` has been sent
 * (NULL: without none), and moves it behind them; returns how many. A position before the first one that is left is moved to it:
 * 0 is the beginning. */
size_t revocation_feed_read(struct revocation_feed *feed, uint64_t *position, const struct revocation_cursor *after,
                            struct revocation_entry *entries, size_t max);

/* Where the next revocation will be added. */
uint64_t revocation_feed_end(struct revocation_feed *feed);

/* Replaces *cursor by the last published one, if a follower at this position has been sent all that it speaks of. */
void revocation_feed_advance(struct revocation_feed *feed, uint64_t position, struct revocation_cursor *cursor);

/* A descriptor (eventfd) that is readable after an announcement; for one thread, which reads it. */
int revocation_feed_changed_fd(const struct revocation_feed *feed);

/* How many followers there are. While there are any, the database is read more often. */
void revocation_feed_add_followers(struct revocation_feed *feed, int change);
bool revocation_feed_has_followers(const struct revocation_feed *feed);

/* ---- a reading before its time ---- */

/* What is called by revocation_feed_wake_reader. Before other threads use the feed. */
void revocation_feed_set_waker(struct revocation_feed *feed, void (*wake)(void *context), void *context);

/* After a revocation by this instance: has the database read at once if there are followers. Any thread. */
void revocation_feed_wake_reader(const struct revocation_feed *feed);

/* ---- the text of a cursor ---- */

#define REVOCATION_CURSOR_SIZE 80

/* "DATABASE.TRANSACTION.SECONDS"; opaque to clients. Returns `text`. */
const char *revocation_cursor_text(const struct revocation_cursor *cursor, char text[REVOCATION_CURSOR_SIZE]);

/* Any bytes. False, with *cursor as it was, for what is no such text. */
bool revocation_cursor_parse(struct text text, struct revocation_cursor *cursor) MUST_CHECK;

/* Whether a follower that comes back with this cursor can be resumed: it is of the same database as the last published one, and
 * not of its future. */
bool revocation_feed_knows(struct revocation_feed *feed, const struct revocation_cursor *cursor);

#endif
