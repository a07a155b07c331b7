/* What the files of the connection share: db.c runs statements, db_connect.c makes and keeps the connection, db_errors.c judges. */
#ifndef JWTD_STORE_DB_INTERNAL_H
#define JWTD_STORE_DB_INTERNAL_H

#include "jwtd/db.h"

#include <libpq-fe.h>

#define DB_PREPARED_MAX 64

struct db_rows {
    PGresult *result;
};

struct db {
    struct db_options options;
    PGconn *connection; /* NULL: none */
    const struct db_statement *prepared[DB_PREPARED_MAX];
    size_t prepared_count;
    struct db_rows rows;
    int64_t retry_us;   /* no new connection before this moment */
    int64_t backoff_us; /* 0: the last attempt succeeded */
    char sqlstate[6];   /* of the last failure; empty: none */
};

/* db_connect.c */
enum status db_connect(struct db *db, int64_t deadline_us) MUST_CHECK; /* a usable connection, new or kept */
void db_disconnect(struct db *db);
/* Waits until the socket can be read (or written). False: the deadline has passed. */
bool db_wait(const struct db *db, bool for_write, int64_t deadline_us) MUST_CHECK;

/* db_errors.c */
enum db_remedy {
    REMEDY_NONE,     /* tell the caller */
    REMEDY_RETRY,    /* run the statement again: it did nothing */
    REMEDY_RECONNECT /* run it again on another connection: its outcome is unknown, and it is idempotent */
};

struct db_verdict {
    enum status status;
    enum db_remedy remedy;
};

/* What an SQLSTATE of five characters means; NULL or "" is a lost connection. */
struct db_verdict db_judge(const char *sqlstate);

#endif
