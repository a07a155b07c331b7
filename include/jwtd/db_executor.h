/*
 * db_executor: runs the queries of all requests, on a few threads that each drive several connections in libpq's pipeline mode.
 *
 * A thread takes all that waits, sends it, and returns what has arrived; it never waits for one query. A connection is given one
 * round trip at a time: either several statements that only read, which share a transaction (one that fails makes those behind it
 * run again, alone), or one that writes. So nothing waits behind a statement that waits for a row's lock, and each commit is
 * flushed beside those of other connections. Statements that write use all connections of a thread but one, which is kept for
 * those that read, and these spread over half of them at most; with one connection both share it. Connections are opened when
 * there is something to send, but for one, with which each thread begins.
 *
 * While no connection can be had for a kind of statement (all are lost, and the pauses of their back-off have not passed) its
 * queries end at once with STATUS_DATABASE_UNAVAILABLE. One whose turn comes after its turn_deadline_us is not sent and ends with
 * STATUS_DEADLINE_EXCEEDED.
 */
#ifndef JWTD_DB_EXECUTOR_H
#define JWTD_DB_EXECUTOR_H

#include "jwtd/admission.h"
#include "jwtd/db.h"

struct db_executor;

struct db_executor_options {
    const struct db_options *connection; /* borrowed */
    unsigned threads;                    /* at least 1; no more are started than two connections each allow */
    unsigned connections;                /* of all threads, at least 1 */
    unsigned queue_limit;
};

/* NULL if out of memory, or if a thread cannot be started; the reason is logged. */
struct db_executor *db_executor_create(const struct db_executor_options *options);

/* Waits until every submitted query is done. No other call may follow. NULL is ignored. */
void db_executor_destroy(struct db_executor *executor);

/* Its queue: a place must be reserved for each query. */
struct admission *db_executor_admission(struct db_executor *executor);

/* The place was refused, and the request is answered 503: for the count of an outage. Any thread. */
void db_executor_note_refusal(void);

/* Submits what is asked, with turn_deadline_us, deadline_us, lane and done set. The query, its parameters and the place of its
 * result belong to the executor until `done` is called, on a thread of its own. `done` must not wait; it may submit the query
 * again, with a place reserved by admission_reserve_next. Any thread. */
void db_executor_submit(struct db_executor *executor, struct db_query *query);

#endif
