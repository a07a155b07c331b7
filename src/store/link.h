/*
 * link: one connection to PostgreSQL as a state machine that never waits, always in libpq's pipeline mode.
 *
 *     CLOSED ---> CONNECTING ---> IDLE <---> BUSY
 *       ^             |            |          |
 *       +-------------+------------+----------+   lost, late, or closed
 *
 * Its owner, one thread at a time, opens it, gives it one round trip at a time, polls its socket for what link_events returns,
 * and calls link_progress when poll returns or link_deadline has passed. A round trip is one query, or several that only read:
 * one Sync ends it, so that its statements are one transaction. When it has ended or is lost, link_take_ended returns its
 * queries, each with its outcome, and link_judge says of each what comes next.
 *
 * From the top down: worker.c and db.c own links; link.c sends and receives; link_open.c opens and closes; db_hosts.c
 * chooses among hosts; db_url.c parses the URL; link_refusal.c says what a refusal means to a query; db_errors.c maps an SQLSTATE
 * to a status. Each calls only those that follow it.
 */
#ifndef JWTD_STORE_LINK_H
#define JWTD_STORE_LINK_H

#include "db_errors.h"
#include "statement.h"

#include <libpq-fe.h>

#define LINK_QUERIES_MAX 32 /* of one round trip */
#define LINK_PARTS_MAX (LINK_QUERIES_MAX + 4)
#define LINK_ADDRESS_SIZE 64
#define POOLER_CURE "behind a pooler in transaction mode, such as PgBouncer, set database.prepared = false"

enum link_state { LINK_CLOSED, LINK_CONNECTING, LINK_IDLE, LINK_BUSY };

/* One command of a round trip. */
struct link_part {
    enum link_part_kind { PART_SETTINGS, PART_PREPARE, PART_LOCK, PART_STATEMENT } kind;
    const struct db_statement *statement;
    struct db_query *query;
};

struct link {
    struct db_options options;
    enum link_state state;
    PGconn *connection;                   /* NULL: CLOSED */
    char address[LINK_ADDRESS_SIZE];      /* numeric, of the URL's one host; "": none is known, or there are several hosts */
    bool has_answered;                    /* this connection, a statement */
    const struct db_statement **prepared; /* on this connection */
    size_t prepared_count, prepared_capacity;

    /* CONNECTING */
    PostgresPollingStatusType awaits;
    int64_t connect_deadline_us;
    struct db_query setup; /* what is left to set when the connection is open */

    /* BUSY */
    struct db_query *queries[LINK_QUERIES_MAX];
    unsigned query_count;
    struct link_part parts[LINK_PARTS_MAX];
    unsigned part_count, current_part;
    bool wants_write;

    struct db_query *ended[LINK_QUERIES_MAX];
    unsigned ended_count;

    int64_t retry_us;    /* no new connection before this moment */
    int64_t backoff_us;  /* the last pause; 0: the last statement was answered, or none was tried */
    unsigned first_host; /* of several, the one that the next connection tries first */
    bool was_lost;       /* the last connection; for the metrics */
    bool refuses_standby, refuses_read_only;
};

/* Copies the options, borrows the url. CLOSED. */
void link_init(struct link *link, const struct db_options *options);
void link_fini(struct link *link);

/* ---- link_open.c ---- */

void link_set_state(struct link *link, enum link_state state);
bool link_may_open(const struct link *link, int64_t now_us); /* it is CLOSED, and no pause is left */
/* CONNECTING; or CLOSED, with a pause, when that failed at once. It fails at the latest at the deadline. With an address, which
 * the owner may copy from an open link of the same URL, the host's name is not resolved; without one, that may take as long as
 * the resolver does. An open link knows its address, a CLOSED one has forgotten it. */
void link_open(struct link *link, int64_t now_us, int64_t deadline_us);
void link_continue_opening(struct link *link); /* the socket is ready: CONNECTING still, IDLE, or CLOSED with a pause */
void link_fail_opening(struct link *link, const char *reason); /* CLOSED with a pause; the next one begins one host further */
void link_close(struct link *link);                            /* no query may be under way */

/* No connection for a while; one warning per outage, which ends with the next statement that any connection is answered. */
void link_back_off(struct link *link, const char *reason);
void link_note_success(struct link *link); /* a statement was answered */

/* ---- link.c ---- */

bool link_is_prepared(const struct link *link, const struct db_statement *statement);

/* Whether an IDLE link still is: when its server has ended it, that can be read by now, and it is CLOSED. Before each link_send,
 * so that a statement does not fail because the server was restarted. */
bool link_is_alive(struct link *link);

/* Sends one round trip on an IDLE link: one query; or several, each of which only_reads and is prepared already. BUSY, or CLOSED
 * with all of them ended. */
void link_send(struct link *link, struct db_query *const *queries, unsigned count);

short link_events(const struct link *link);          /* for poll; 0 when CLOSED */
int64_t link_sent_us(const struct link *link);       /* BUSY: when its round trip was sent */
int64_t link_deadline(const struct link *link);      /* INT64_MAX: nothing is under way */
void link_progress(struct link *link);               /* the socket is ready, or may be */
void link_expire(struct link *link, int64_t now_us); /* link_deadline has passed: CLOSED, with all queries ended */

/* The queries of the round trip that has ended since the last call, each with status, was_rerun and rows set; returns their
 * count.
 */
unsigned link_take_ended(struct link *link, struct db_query *queries[LINK_QUERIES_MAX]);

enum link_verdict {
    VERDICT_DONE,
    VERDICT_PAUSE, /* run it again, from not_before_us on */
    VERDICT_ALONE, /* another one of the same round trip has failed: run it again, alone */
    VERDICT_REOPEN /* run it again, on this link, which is CLOSED now */
};
enum link_verdict link_judge(struct link *link, struct db_query *query);

/* Whether a query whose outcome is unknown, or which this connection cannot run, is run again on another connection. */
bool link_may_rerun(const struct link *link, const struct db_query *query);

/* Counts a try that has failed without having done anything. True: there is another, of six in all, and while the deadline leaves
 * time for the pause before it. */
bool link_count_failed_try(struct db_query *query);

/* ---- link_refusal.c ---- */

/* Sets status and remedy of a query of which the server has refused one statement: its own, or one in front of it. What its
 * statement does not expect is logged, at LOG_DEBUG when it is tried again. */
void link_refuse(const struct link *link, struct db_query *query, const struct db_statement *refused, const PGresult *refusal);

/* ---- db_url.c ---- */

PQconninfoOption *db_parse_url(const char *url); /* NULL for a url that is not valid (db.h), and when out of memory; else for
                                                    PQconninfoFree */

/* ---- db_hosts.c ---- */

const char *db_option(const PQconninfoOption *options, const char *keyword); /* NULL: not set */

/* The lists of a URL with several hosts, the `first` one (counted beyond the last from the beginning again) in front; NULL: there
 * is one host, or one port for all. False: out of memory. */
struct db_hosts {
    char *host, *hostaddr, *port;
};
bool db_order_hosts(const PQconninfoOption *parsed, unsigned first, struct db_hosts *hosts) MUST_CHECK;
void db_free_hosts(struct db_hosts *hosts);

/* Sets the address of the link from its open connection; "" when there are several hosts, since the next connection may be to
 * another one of them. */
void link_note_address(struct link *link);

/* Whether the server still is what target_session_attrs required when the connection was opened. A former primary reports with
 * the reply to a statement that it is one no longer (since PostgreSQL 14); what is read there afterwards may be out of date. */
void link_note_wanted_role(struct link *link);
bool link_has_wanted_role(const struct link *link) MUST_CHECK;

#endif
