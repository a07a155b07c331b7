/* A connection of the caller's own: a link that is driven until its query has ended. */
#include "db_blocking.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define POLL_MAX_MS 60000

struct db {
    struct link link;
    atomic_bool is_in_use; /* by a thread; asserts that it is one at a time */
    struct db_failure failure;
};

/* libpq must not be used by two threads at once on one connection, and does not notice. */
static void begin_use(struct db *db) {
    bool was_in_use = atomic_exchange_explicit(&db->is_in_use, true, memory_order_acquire);
    assert(!was_in_use);
}

static void end_use(struct db *db) {
    atomic_store_explicit(&db->is_in_use, false, memory_order_release);
}

struct db *db_create(const struct db_options *options) {
    struct db *db = calloc(1, sizeof *db);
    if (db != NULL)
        link_init(&db->link, options);
    return db;
}

void db_destroy(struct db *db) {
    begin_use(db);
    link_fini(&db->link);
    free(db);
}

/* ---- waiting ---- */

static int milliseconds_until(int64_t deadline_us) {
    int64_t left_us = deadline_us - clock_monotonic_us();
    if (left_us <= 0)
        return 0;
    return left_us >= INT64_C(1000) * POLL_MAX_MS ? POLL_MAX_MS : (int)((left_us + 999) / 1000);
}

/* False: the deadline has passed. */
static bool await(PGconn *connection, short events, int64_t deadline_us) {
    struct pollfd socket = { .fd = PQsocket(connection), .events = events };
    for (;;) {
        int ready = poll(&socket, 1, milliseconds_until(deadline_us));
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return true;
        if (clock_monotonic_us() >= deadline_us)
            return false;
    }
}

/* Until no more is under way on the link in this state. */
static void drive(struct link *link, enum link_state state) {
    while (link->state == state) {
        int64_t deadline_us = link_deadline(link);
        if (await(link->connection, link_events(link), deadline_us))
            link_progress(link);
        else
            link_expire(link, clock_monotonic_us());
    }
}

/* ---- running ---- */

/* An IDLE link: its own one, if the server has not ended it, or a new one. */
static enum status connect_link(struct link *link, int64_t deadline_us) {
    int64_t now_us = clock_monotonic_us();
    if (!link_is_alive(link) && link_may_open(link, now_us))
        link_open(link, now_us, deadline_us);
    drive(link, LINK_CONNECTING);
    drive(link, LINK_BUSY); /* its setup */
    return link->state == LINK_IDLE ? STATUS_OK : STATUS_DATABASE_UNAVAILABLE;
}

static enum link_verdict run_once(struct link *link, struct db_query *query) {
    struct db_query *ended[LINK_QUERIES_MAX];
    query->remedy = REMEDY_NONE;
    query->status = STATUS_DEADLINE_EXCEEDED;
    if (clock_monotonic_us() >= query->deadline_us)
        return VERDICT_DONE;
    query->status = connect_link(link, query->deadline_us);
    if (query->status != STATUS_OK)
        return VERDICT_DONE;
    link_send(link, &query, 1);
    drive(link, LINK_BUSY);
    unsigned count = link_take_ended(link, ended);
    assert(count == 1 && ended[0] == query);
    return link_judge(link, query);
}

static void pause_until(int64_t moment_us) {
    int64_t left_us = moment_us - clock_monotonic_us();
    if (left_us > 0)
        nanosleep(&(struct timespec){ .tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000 }, NULL);
}

static void run(struct link *link, struct db_query *query) {
    enum link_verdict verdict;
    db_begin_run(query);
    while ((verdict = run_once(link, query)) != VERDICT_DONE) {
        assert(verdict != VERDICT_ALONE);
        if (verdict == VERDICT_PAUSE)
            pause_until(query->not_before_us < query->deadline_us ? query->not_before_us : query->deadline_us);
    }
}

enum status db_run(const struct db_call *call, struct db_query *query) {
    enum status status;
    begin_use(call->db);
    query->deadline_us = call->deadline_us;
    do {
        run(&call->db->link, query);
        status = db_take(query, call->arena);
    } while (db_is_asked(query));
    end_use(call->db);
    return status;
}

enum status db_run_statement(const struct db_call *call, const struct db_statement *statement, const char *const *parameters,
                             void *result) {
    struct db_query query = { .statement = NULL };
    db_ask(&query, statement, parameters, result);
    return db_run(call, &query);
}

/* ---- scripts ---- */

enum status db_connect(struct db *db, int64_t deadline_us) {
    begin_use(db);
    db->failure = (struct db_failure){ .message = "" };
    enum status status = connect_link(&db->link, deadline_us);
    end_use(db);
    return status;
}

static bool is_refusal(const PGresult *result) {
    ExecStatusType outcome = PQresultStatus(result);
    return outcome != PGRES_TUPLES_OK && outcome != PGRES_COMMAND_OK;
}

/* Of several results the first refusal counts, else the last one. */
static PGresult *newer_result(PGresult *kept, PGresult *result) {
    if (kept != NULL && is_refusal(kept)) {
        PQclear(result);
        return kept;
    }
    PQclear(kept);
    return result;
}

static enum status receive_script(PGconn *connection, int64_t deadline_us, PGresult **result) {
    for (;;) {
        while (PQisBusy(connection)) {
            if (!await(connection, POLLIN, deadline_us))
                return STATUS_DEADLINE_EXCEEDED;
            if (PQconsumeInput(connection) == 0)
                return STATUS_DATABASE_UNAVAILABLE;
        }
        PGresult *next = PQgetResult(connection);
        if (next == NULL)
            return *result != NULL ? STATUS_OK : STATUS_DATABASE_UNAVAILABLE;
        *result = newer_result(*result, next);
    }
}

static enum status send_script(PGconn *connection, int64_t deadline_us, const char *script) {
    int left = 0;
    if (PQexitPipelineMode(connection) != 1 || PQsendQuery(connection, script) != 1)
        return STATUS_DATABASE_UNAVAILABLE;
    while ((left = PQflush(connection)) == 1)
        if (!await(connection, POLLOUT, deadline_us))
            return STATUS_DEADLINE_EXCEEDED;
    return left == 0 ? STATUS_OK : STATUS_DATABASE_UNAVAILABLE;
}

static void copy_field(char *text, size_t size, const char *field) {
    (void)snprintf(text, size, "%s", field != NULL ? field : "");
}

static enum status judge_script(struct db *db, const char *name, const PGresult *result) {
    if (!is_refusal(result))
        return STATUS_OK;
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    struct db_error error = db_classify_sqlstate(sqlstate);
    copy_field(db->failure.sqlstate, sizeof db->failure.sqlstate, sqlstate);
    copy_field(db->failure.role, sizeof db->failure.role, PQuser(db->link.connection));
    copy_field(db->failure.message, sizeof db->failure.message, message);
    log_event(error.remedy == REMEDY_NONE ? LOG_ERROR : LOG_WARN, "database_error", "statement=%s sqlstate=%s message=%s", name,
              sqlstate, message);
    return error.status;
}

static enum status run_script(struct db *db, int64_t deadline_us, const char *name, const char *script, size_t *rows) {
    PGconn *connection = db->link.connection;
    PGresult *result = NULL;
    enum status status = send_script(connection, deadline_us, script);
    if (status == STATUS_OK)
        status = receive_script(connection, deadline_us, &result);
    if (status == STATUS_OK)
        status = judge_script(db, name, result);
    else
        log_event(LOG_WARN, "database_connection_lost", "statement=%s reason=%s", name, PQerrorMessage(connection));
    if (status == STATUS_OK && PQenterPipelineMode(connection) != 1)
        status = STATUS_DATABASE_UNAVAILABLE;
    *rows = status == STATUS_OK ? (size_t)PQntuples(result) : 0;
    PQclear(result);
    return status;
}

enum status db_run_script(struct db *db, int64_t deadline_us, const char *name, const char *script, size_t *rows) {
    enum status status = STATUS_DATABASE_UNAVAILABLE;
    *rows = 0;
    begin_use(db);
    db->failure = (struct db_failure){ .message = "" };
    if (db->link.state == LINK_IDLE)
        status = run_script(db, deadline_us, name, script, rows);
    if (status != STATUS_OK)
        link_close(&db->link); /* and with it any open transaction */
    end_use(db);
    return status;
}

const struct db_failure *db_failure(const struct db *db) {
    return &db->failure;
}
