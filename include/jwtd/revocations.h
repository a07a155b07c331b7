/*
 * revocations: reads the revocations of other instances: from an append-only table, written by the same statement that revokes,
 * which every instance polls twice a second. It is polled, since LISTEN does not work behind PgBouncer in transaction mode.
 *
 * Reading a row twice is harmless, so each pass overlaps the one before by more than a statement can last. That does not close
 * the gap between the time in a row and its commit: a commit may wait for a standby without limit, and clocks step. So what was
 * written by transactions that were running at the last reading is read as well, by transaction number
 * (revocations_read_late). Times serve the first pass after a start, and a failover, after which transaction numbers may be lower
 * than before: a pass follows when another server answers than before, and every few seconds besides, since it costs time to read
 * many rows again.
 *
 * A pass reads from the oldest to the newest row in pages, so that each statement is short and memory bounded however many there
 * are. What is committed behind its cursor meanwhile is left to the next pass, which must begin before the moment at which this
 * one began.
 */
#ifndef JWTD_REVOCATIONS_H
#define JWTD_REVOCATIONS_H

#include "jwtd/db.h"
#include "jwtd/revocation_feed.h"

#define REVOCATIONS_PAGE 10000
#define TRANSACTION_TEXT_SIZE 24

/* The position of a pass: behind a row, by its time and its number. */
struct revocations_page_position {
    int64_t window_s;    /* of a pass that has not read a page */
    char revoked_at[40]; /* empty: it has not */
    int64_t id;
};

/* The beginning of a pass over what was revoked since `window_s` seconds ago. */
struct revocations_page_position revocations_pages_from(int64_t window_s);

/* Adds the next REVOCATIONS_PAGE rows to `feed` and moves the cursor behind them; *is_last: there are no more. On failure the
 * cursor stays, and the same page may be read again. */
enum status revocations_read_page(const struct db_call *call, struct revocations_page_position *cursor,
                                  struct revocation_feed *feed, bool *is_last) MUST_CHECK;

/* Where the next reading of late commits begins, and the position of one that takes several pages. Zeroed: there was none. */
struct revocations_horizon {
    char from[TRANSACTION_TEXT_SIZE]; /* the oldest transaction that was running at the last reading, as PostgreSQL writes it;
                                         empty: none */
    char next[TRANSACTION_TEXT_SIZE]; /* the same of the reading that has begun */
    int64_t server;                   /* when it was started; 0: there was no reading */
    char transaction[TRANSACTION_TEXT_SIZE]; /* the last one of the pages that were read; empty: none was */
    int64_t id;
    struct revocation_cursor known; /* what the last complete reading can be resumed from, by a follower who has it all; zeroed:
                                       there was none */
    struct revocation_cursor next_known; /* the same of the reading that has begun */
};

/* Adds up to REVOCATIONS_PAGE revocations that were written by transactions from the horizon on, whenever they were committed,
 * and moves the horizon; *is_last: there are no more. The first reading only sets the horizon, and must come before the first
 * page of the first pass: what is committed before that is in the pass, everything else is found by this. On failure nothing
 * moves. When another server answers than before, or the same after a restart, numbers of transactions begin anew:
 * *is_other_server, and the next reading is a first one. */
enum status revocations_read_late(const struct db_call *call, struct revocations_horizon *horizon, struct revocation_feed *feed,
                                  bool *is_last, bool *is_other_server) MUST_CHECK;

#endif
