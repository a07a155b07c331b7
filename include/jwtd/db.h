/*
 * db: connections to PostgreSQL, each driven with a deadline. libpq is known in src/store/ only.
 *
 * A struct db is one connection and belongs to one thread at a time: of the database pool, of a periodic task, of a command. It
 * connects when it is first needed and again, with back-off and jitter, after the connection was lost; an open connection is
 * checked for a hang-up before each statement, so that no request fails because the server was restarted. All waiting is by poll
 * until the deadline of the call, but for the resolution of host names, which libpq does without one. When a statement misses its
 * deadline the connection is closed (on the server, statement_timeout ends the statement; it is set at connection, or with each
 * transaction when nothing may be kept in the session). Of several hosts, the next connection begins one host further whenever
 * one did not answer in time, and a connection is closed when its server no longer is what target_session_attrs requires.
 *
 * The functions on the tables (users.h, sessions.h, ...) run one statement or two; each statement is one transaction and
 * idempotent (ids are made before, updates are conditional). So a statement is run again once after a lost connection, and, six
 * times in all, after serialization failures and deadlocks, always within the deadline. PostgreSQL's messages are logged, never
 * returned. Every call returns STATUS_OK, STATUS_DATABASE_UNAVAILABLE, STATUS_DEADLINE_EXCEEDED, STATUS_OUT_OF_MEMORY,
 * STATUS_BAD_REQUEST (text that the database cannot hold), or STATUS_INTERNAL (an error of this program), besides those of its
 * own header. Texts that are passed as parameters are NUL-terminated.
 */
#ifndef JWTD_DB_H
#define JWTD_DB_H

#include "jwtd/arena.h"
#include "jwtd/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct config;
struct db;

struct db_options {
    const char *url;              /* libpq URL or conninfo; "" reads the PG* variables */
    int64_t statement_timeout_ms; /* 0: none */
    int64_t connect_timeout_ms;
    bool unprepared; /* for a pooler in transaction mode: nothing is kept in the session */
};

enum db_use { DB_FOR_SERVICE, DB_FOR_COMMAND, DB_FOR_MIGRATION /* without statement timeout */ };

/* Borrows config->database.url. */
struct db_options db_options_from_config(const struct config *config, enum db_use use);

/* Copies the options, borrows the url. Does not connect. NULL if out of memory. */
struct db *db_create(const struct db_options *options);
void db_destroy(struct db *db); /* not NULL; closes the connection */

/* First argument of every function that runs statements. */
struct db_call {
    struct db *db;
    int64_t deadline_us; /* of clock_monotonic_us */
    struct arena *arena; /* of what the call returns; may be NULL if that has no pointers */
};

/* 0; or, while the connection is lost, the moment before which no other is tried, of clock_monotonic_us. */
int64_t db_unhealthy_until(const struct db *db);

/* Tries to connect, for at most connect_timeout_ms. */
void db_recover(struct db *db);

/* Whether libpq can parse a URL or conninfo string, and no part of a password may be in it where libpq does not expect one, since
 * libpq would quote it in its messages: false for an "@" in a value of a URL, a port that is no number, and "://" or "password="
 * in a value. No connection is opened with one that is not valid. False with errno ENOMEM: out of memory. */
bool db_url_is_valid(const char *url) MUST_CHECK;
#define DB_URL_ERROR                                                                                                             \
    "is neither a URL (with @ : / ? # % of user and password as %XX) nor a list of key=value words that libpq understands"

/* Prints a URL or conninfo string as "key=value" words, with every password replaced by "***"; "***" alone for one that is not
 * valid. */
void db_print_url(const char *url, FILE *out);

#endif
