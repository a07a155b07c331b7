/*
 * What the files of the connection share. From the top down: db.c prepares and runs statements, and retries them; db_connect.c
 * opens, checks and closes the connection; db_url.c parses its URL; db_hosts.c chooses among hosts; round_trip.c sends and
 * receives; db_errors.c maps an SQLSTATE to a status. Each calls only those that follow it in this list.
 */
#ifndef JWTD_STORE_DB_INTERNAL_H
#define JWTD_STORE_DB_INTERNAL_H

#include "db_errors.h"
#include "statement.h"

#include <libpq-fe.h>
#include <stdatomic.h>

struct db_rows {
    PGresult *result;
};

struct db {
    struct db_options options;
    PGconn *connection;                   /* NULL: none */
    const struct db_statement **prepared; /* on this connection */
    size_t prepared_count, prepared_capacity;
    struct db_rows rows;
    int64_t retry_us;   /* no new connection before this moment */
    int64_t backoff_us; /* the last pause; 0: the last statement was answered, or none was tried */
    bool was_rerun;
    atomic_bool is_in_use; /* by a thread; asserts that it is one at a time */
    unsigned first_host;   /* of several, the one that the next connection tries first */
    bool refuses_standby, refuses_read_only;
};

/* db_connect.c */
enum status db_connect(struct db *db, int64_t deadline_us) MUST_CHECK; /* a usable connection, new or kept */
void db_disconnect(struct db *db);
/* No connection for a while; one warning per outage, which ends with the next statement that any connection is answered. */
void db_back_off(struct db *db, const char *reason);
void db_note_success(struct db *db); /* a statement was answered */

/* db_url.c: NULL for a url that is not valid (db.h), and when out of memory; else for PQconninfoFree. */
PQconninfoOption *db_parse_url(const char *url);

/* db_hosts.c */
const char *db_option(const PQconninfoOption *options, const char *keyword); /* NULL: not set */

/* The lists of a URL with several hosts, the `first` one (counted beyond the last from the beginning again) in front; NULL: there
 * is one host, or one port for all. False: out of memory. */
struct db_hosts {
    char *host, *hostaddr, *port;
};
bool db_order_hosts(const PQconninfoOption *parsed, unsigned first, struct db_hosts *hosts) MUST_CHECK;
void db_free_hosts(struct db_hosts *hosts);

/* Whether the server still is what target_session_attrs required when the connection was opened. A former primary reports with
 * the reply to a statement that it is one no longer (since PostgreSQL 14); what is read there afterwards may be out of date. */
void db_note_wanted_role(struct db *db);
bool db_has_wanted_role(const struct db *db) MUST_CHECK;

/* round_trip.c */
void db_release(struct db *db); /* ends the life of the rows */
/* Waits until the socket can be read (or written). False: the deadline has passed. */
bool db_wait(const struct db *db, bool for_write, int64_t deadline_us) MUST_CHECK;
/* `sent` is what a send function of libpq returned for `statement`. The result stays until db_release. On failure *remedy says
 * whether the connection can still be used. */
enum status db_round_trip(struct db *db, int sent, const struct db_statement *statement, int64_t deadline_us,
                          enum db_remedy *remedy) MUST_CHECK;

/* db.c: several statements at once, on the connection that there is and on no other; never run again. The rows of the last. On
 * failure the connection is closed. */
enum status db_run_script(struct db *db, int64_t deadline_us, const char *name, const char *script,
                          const struct db_rows **rows) MUST_CHECK;

#endif
