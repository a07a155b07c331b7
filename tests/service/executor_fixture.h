/*
 * What the tests of the executor share: queries that are submitted without waiting, and counted when they are done. Each one's
 * rows are read on the test's thread.
 */
#ifndef JWTD_EXECUTOR_FIXTURE_H
#define JWTD_EXECUTOR_FIXTURE_H

#include "../../src/store/statement.h"

#include "jwtd/clock.h"
#include "jwtd/db_executor.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MS INT64_C(1000) /* in microseconds */

/* One query. It stays in one place from its submission until it is done. */
struct task {
    struct db_query query;
    char text[64]; /* of $1 */
    int64_t submitted_us, ended_us;
    atomic_uint done; /* how often */

    /* by task_take */
    enum status status;
    int64_t value, transaction, backend; /* of a row: $1; when its transaction began; the process of the server */
};

/* Statements with one parameter and a row of three columns as above. */
extern const struct db_statement read_value, read_other_value; /* $1 is a number; they only read */
extern const struct db_statement read_name;                    /* 1: the connection is called $1; else 0; only reads */
extern const struct db_statement divide;                       /* 1 / $1; only reads */
extern const struct db_statement slow_read, slow_write;        /* take $1 seconds, of which the value is the whole part */
extern const struct db_statement write_value;                  /* changes nothing, but is not marked as one that only reads */

extern const struct db_statement touch;    /* locks the row of a user: $1 is the e-mail address; without a row of its own */
extern const struct db_statement conflict; /* fails, and is to be run again */

/* One at a time, at a URL, or at the database of the tests. Closing it waits for all that was submitted. */
struct db_executor *open_executor(const char *url, unsigned threads, unsigned connections);
struct db_executor *start_executor(unsigned threads, unsigned connections);
void close_executor(struct db_executor *executor);

/* In the light lane, due in 5 s. The value is printed into $1. */
void submit(struct db_executor *executor, struct task *task, const struct db_statement *statement, const char *value);
void submit_number(struct db_executor *executor, struct task *task, const struct db_statement *statement, int64_t value);
void submit_due(struct db_executor *executor, struct task *task, const struct db_statement *statement, const char *value,
                int64_t turn_us, int64_t deadline_us); /* both from now */

/* While it runs, the connection has this name. */
void submit_named(struct db_executor *executor, struct task *task, const struct db_statement *statement, const char *value,
                  const char *application_name);

bool is_done(const struct task *task);
/* Waits until all are done, and reads them; the test fails if that takes 20 s, or one was done twice. */
void await_tasks(struct task *tasks, size_t count);
void await_task(struct task *task);

void assert_value(const struct task *task, int64_t value);                        /* it has succeeded, with this value */
void assert_ended_after(const struct task *task, int64_t us, enum status status); /* and at most 300 ms later */
bool same_transaction(const struct task *a, const struct task *b);

/* In a transaction of the test's own connection, which sql("COMMIT") ends. */
void lock_row(const char *email);

/* Waits until so many connections wait for a lock; fails after 3 s. They differ from what was sent while a statement is on its
 * way. */
void await_blocked(int64_t wanted);

/* Submits and awaits one; it must succeed. Returns what it took. */
int64_t run_task(struct db_executor *executor, const struct db_statement *statement, const char *value);

/* The 99th of a hundred, after sorting the array. */
int64_t percentile_99(int64_t *values, size_t count);

#endif
