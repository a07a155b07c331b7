/*
 * db: statements for PostgreSQL: how one is asked, run and read. libpq is known in src/store/ only.
 *
 * A struct db_query is one statement with its parameters on its way to the database and its rows on the way back. Whoever wants
 * something asks: a function of a table (users.h, sessions.h, ...) writes the statement, its parameters and the place of its
 * result into the query. The query is then run: by an executor, which drives several connections in pipeline mode for all
 * requests (db_executor.h), or by db_run on a connection of the caller's own, which waits. At last db_take reads the rows into
 * the result, on the thread that goes on with them; it may ask the next statement, when what was read decides that there is one.
 *
 * Each statement that writes is one transaction, those that only read may share one, and all are idempotent (ids are made before,
 * updates are conditional). So a statement is run again once after a lost connection, and, six times in all, after serialization
 * failures and deadlocks, always within the deadline. PostgreSQL's messages are logged, never returned: one line for a statement
 * that was refused in its last try (database_error), at LOG_DEBUG those of the tries before. Every statement ends with
 * STATUS_OK, STATUS_DATABASE_UNAVAILABLE, STATUS_DEADLINE_EXCEEDED, STATUS_OUT_OF_MEMORY, STATUS_BAD_REQUEST (text that the
 * database cannot hold), or STATUS_INTERNAL (an error of this program), besides those of the function that asked.
 *
 * A connection is opened when it is first needed and again, with back-off and jitter, after it was lost; a hang-up is noticed
 * before the next statement is sent, so that no request fails because the server was restarted. Nothing waits beyond a deadline,
 * but for the resolution of host names, which libpq does without one, while all queries of the thread wait. The name of a single
 * host is resolved only while the thread has no open connection, and after one could not be opened or used; otherwise the next
 * connection has the address of an open one. Those of several hosts are resolved for each connection. When a statement misses its
 * deadline the connection is closed (on the server, statement_timeout ends the statement; it is set at connection, or with each
 * transaction when nothing may be kept in the session). Of several hosts, the next connection begins one host further whenever
 * one could not be opened, and a connection is closed when its server no longer is what target_session_attrs requires.
 */
#ifndef JWTD_DB_H
#define JWTD_DB_H

#include "jwtd/arena.h"
#include "jwtd/lanes.h"
#include "jwtd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct config;
struct db;
struct log_context;

struct db_options {
    const char *url;              /* libpq URL or conninfo; "" reads the PG* variables */
    int64_t statement_timeout_ms; /* 0: none */
    int64_t connect_timeout_ms;
    bool unprepared; /* for a pooler in transaction mode: nothing is kept in the session */
};

enum db_use { DB_FOR_SERVICE, DB_FOR_COMMAND, DB_FOR_MIGRATION /* without statement timeout */ };

/* Borrows config->database.url. */
struct db_options db_options_from_config(const struct config *config, enum db_use use);

/* ---- a query ---- */

struct db_statement;
struct db_query;
struct pg_result;

#define DB_PARAMETERS_MAX 12
#define DB_PARAMETER_TEXTS_SIZE 256

/* The result of a statement, in text form. */
struct db_rows {
    struct pg_result *result; /* NULL: none */
};

/* Belongs to one thread at a time: the one that asks and takes, or, from its submission until it is done, the one that runs it.
 * Zeroed, it asks nothing. */
struct db_query {
    /* set by the function that asks */
    const struct db_statement *statement;      /* NULL: nothing is asked */
    const char *parameters[DB_PARAMETERS_MAX]; /* NUL-terminated, NULL for SQL NULL; they live until the query is taken */
    void *result;                              /* what the statement's reader fills */
    /* NULL; or called by db_take with the outcome of the statement, which it may replace. It may ask the next statement. */
    enum status (*then)(struct db_query *query, enum status status);
    int state; /* of `then` */

    bool is_probe; /* nobody's request: not counted among those that an outage refuses */

    /* set before something is asked, by who will run it: the change context (change_context.h), which statements that change
     * state take as a parameter; it lives until the query is taken. NULL: there is none */
    const char *change;

    /* set by who runs it */
    /* NULL; or what PostgreSQL calls the connection while it runs this, in its log and in pg_stat_activity (application_name):
     * printable ASCII, at most 63 bytes, which live until the query is done. Then it shares its round trip with no other. */
    const char *application_name;
    const struct log_context *log;        /* NULL; or what the lines about it are about (log.h), which lives until it is done */
    int64_t turn_deadline_us;             /* of clock_monotonic_us: when this has passed before it was sent, it is not sent */
    int64_t deadline_us;                  /* by when its outcome is known */
    struct lane_job job;                  /* its lane, of an executor's queue; the rest is the executor's */
    void (*done)(struct db_query *query); /* on the executor's thread, which does not touch the query after it */
    void *context;                        /* of `done` */

    /* the outcome */
    enum status status;
    int64_t first_sent_us; /* clock_monotonic_us; 0: it was not sent */
    bool was_rerun;        /* a second time after a lost connection, so that the first run may have been committed */
    struct db_rows rows;

    /* of src/store/ */
    int64_t sent_us, not_before_us;
    int remedy; /* enum db_remedy */
    unsigned tries;
    size_t texts_len;
    char texts[DB_PARAMETER_TEXTS_SIZE];
};

/* Whether a statement is asked and not taken yet. */
static inline bool db_is_asked(const struct db_query *query) {
    return query->statement != NULL;
}

/* The name of its statement. One is asked. */
const char *db_query_name(const struct db_query *query);

/* Reads the rows of a query that is done into its result, copying into the arena (NULL: the result has no pointers) what outlives
 * them, and releases them. Returns the outcome of the statement, or STATUS_OUT_OF_MEMORY; on failure the result is undefined. If
 * db_is_asked after that, the result is not complete until that statement, too, has been run and taken. */
enum status db_take(struct db_query *query, struct arena *arena) MUST_CHECK;

/* Releases the rows of a query that is not going to be taken. */
void db_discard(struct db_query *query); /* NULL is ignored */

/* ---- a connection of the caller's own ---- */

/* Belongs to one thread at a time: of a periodic task, of a command. Copies the options, borrows the url. Does not connect. NULL
 * if out of memory. */
struct db *db_create(const struct db_options *options);
void db_destroy(struct db *db); /* not NULL; closes the connection */

/* First argument of every function that runs statements and waits for them. */
struct db_call {
    struct db *db;
    int64_t deadline_us; /* of clock_monotonic_us */
    struct arena *arena; /* of what the call returns; may be NULL if that has no pointers */
    const char *change;  /* as that of a query, for functions with a call */
};

/* Runs and takes what the query asks, until nothing more is asked. */
enum status db_run(const struct db_call *call, struct db_query *query) MUST_CHECK;

/* ---- URLs ---- */

/* Whether libpq can parse a URL or conninfo string, and no part of a password may be in it where libpq does not expect one, since
 * libpq would quote it in its messages: false for an "@" in a value of a URL, a port that is no number, and "://" or "password="
 * in a value. No connection is opened with one that is not valid. False with errno ENOMEM: out of memory. */
bool db_url_is_valid(const char *url) MUST_CHECK;
#define DB_URL_ERROR                                                                                                             \
    "is neither a URL (with @ : / ? # % of user and password as %XX) nor a list of key=value words that libpq understands"

/* Whether each value of a valid one that must be one of a few words, such as that of sslmode, or a number, such as that of
 * connect_timeout, is one; libpq would find that out with the first connection. False: `error` says what it must be. */
#define DB_URL_PROBLEM_SIZE 160
bool db_url_check_words(const char *url, char error[DB_URL_PROBLEM_SIZE]) MUST_CHECK;

/* Both checks of database.url, which config_load does not make. False: a line to `errors` says what is wrong, without any part of
 * the URL. */
bool db_check_config(const struct config *config, FILE *errors) MUST_CHECK;

/* Whether a password is in database.url that every user who reaches the configuration's file may read there. */
bool db_password_is_exposed(const struct config *config);

/* Prints a URL or conninfo string as "key=value" words, with every password replaced by "***"; "***" alone for one that is not
 * valid. */
void db_print_url(const char *url, FILE *out);

#endif
