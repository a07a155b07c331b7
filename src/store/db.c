#include "jwtd/db.h"

#include "db_internal.h"
#include "db_values.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES_MAX 6
#define PAUSE_MAX_US 20000u

/* What one db_run is about. */
struct call {
    const struct db_statement *lock; /* NULL: none */
    const struct db_statement *statement;
    const char *const *parameters;
    int64_t deadline_us;
};

struct db *db_create(const struct db_options *options) {
    struct db *db = calloc(1, sizeof *db);
    if (db != NULL)
        db->options = *options;
    return db;
}

void db_destroy(struct db *db) {
    db_disconnect(db);
    free(db);
}

void db_release(struct db *db) {
    PQclear(db->rows.result);
    db->rows.result = NULL;
}

bool db_was_rerun(const struct db *db) {
    return db->was_rerun;
}

/* ---- one exchange with the server ---- */

static enum status flush(struct db *db, int64_t deadline_us) {
    int left;
    while ((left = PQflush(db->connection)) == 1)
        if (!db_wait(db, true, deadline_us))
            return STATUS_DEADLINE_EXCEEDED;
    return left == 0 ? STATUS_OK : STATUS_DATABASE_UNAVAILABLE;
}

static enum status await_result(struct db *db, int64_t deadline_us, PGresult **result) {
    while (PQisBusy(db->connection)) {
        if (!db_wait(db, false, deadline_us))
            return STATUS_DEADLINE_EXCEEDED;
        if (PQconsumeInput(db->connection) == 0)
            return STATUS_DATABASE_UNAVAILABLE;
    }
    *result = PQgetResult(db->connection);
    return STATUS_OK;
}

static bool is_refusal(const PGresult *result) {
    ExecStatusType outcome = PQresultStatus(result);
    return outcome != PGRES_TUPLES_OK && outcome != PGRES_COMMAND_OK;
}

/* Of several results the first refusal counts, else the last one: after a refusal come only results of what was skipped. */
static void keep_result(struct db *db, PGresult *result) {
    if (db->rows.result != NULL && is_refusal(db->rows.result)) {
        PQclear(result);
        return;
    }
    PQclear(db->rows.result);
    db->rows.result = result;
}

/* Reads to the end of the answer: a NULL, or, in a pipeline, where a NULL only parts two statements, the mark of the end. */
static enum status receive(struct db *db, int64_t deadline_us) {
    bool is_pipeline = PQpipelineStatus(db->connection) != PQ_PIPELINE_OFF;
    for (;;) {
        PGresult *result;
        enum status status = await_result(db, deadline_us, &result);
        if (status != STATUS_OK)
            return status;
        if (result == NULL && (!is_pipeline || PQstatus(db->connection) != CONNECTION_OK))
            break;
        if (result == NULL)
            continue;
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            break;
        }
        keep_result(db, result);
    }
    bool is_whole = !is_pipeline || PQexitPipelineMode(db->connection) == 1;
    return is_whole && db->rows.result != NULL ? STATUS_OK : STATUS_DATABASE_UNAVAILABLE;
}

/* STATUS_OK, or what the refusal means. Data exceptions (class 22) quote the value, so their message is left out. */
static enum status judge_result(const struct db *db, const char *name, enum db_remedy *remedy) {
    if (!is_refusal(db->rows.result))
        return STATUS_OK;
    const char *sqlstate = PQresultErrorField(db->rows.result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(db->rows.result, PG_DIAG_MESSAGE_PRIMARY);
    struct db_verdict verdict = db_judge(sqlstate);
    *remedy = verdict.remedy;
    if (sqlstate != NULL && strncmp(sqlstate, "22", 2) == 0)
        message = NULL;
    if (verdict.status != STATUS_EMAIL_TAKEN)
        log_event(verdict.remedy == REMEDY_NONE ? LOG_ERROR : LOG_WARN, "database_error", "statement=%s sqlstate=%s message=%s",
                  name, sqlstate, message);
    return verdict.status;
}

/* `sent` is what libpq's send function gave. Unless the server refuses, *remedy is for a connection that cannot be used again. */
static enum status exchange(struct db *db, int sent, int64_t deadline_us, const char *name, enum db_remedy *remedy) {
    *remedy = REMEDY_RECONNECT;
    enum status status = sent == 1 ? flush(db, deadline_us) : STATUS_DATABASE_UNAVAILABLE;
    if (status == STATUS_OK)
        status = receive(db, deadline_us);
    if (status == STATUS_OK)
        return judge_result(db, name, remedy);
    log_event(LOG_WARN, status == STATUS_DEADLINE_EXCEEDED ? "database_too_slow" : "database_connection_lost",
              "statement=%s reason=%s", name, status == STATUS_DEADLINE_EXCEEDED ? "" : PQerrorMessage(db->connection));
    return status;
}

/* ---- one statement of the program ---- */

static bool is_prepared(const struct db *db, const struct db_statement *statement) {
    for (size_t i = 0; i < db->prepared_count; i++)
        if (db->prepared[i] == statement)
            return true;
    return false;
}

static enum status prepare(struct db *db, const struct db_statement *statement, int64_t deadline_us, enum db_remedy *remedy) {
    if (statement == NULL || db->options.unprepared || is_prepared(db, statement))
        return STATUS_OK;
    if (db->prepared_count == DB_PREPARED_MAX)
        return STATUS_INTERNAL;
    int sent = PQsendPrepare(db->connection, statement->name, statement->sql, statement->parameters, NULL);
    enum status status = exchange(db, sent, deadline_us, statement->name, remedy);
    if (status == STATUS_OK)
        db->prepared[db->prepared_count++] = statement;
    db_release(db);
    return status;
}

static int send_statement(struct db *db, const struct db_statement *statement, const char *const *parameters) {
    if (db->options.unprepared)
        return PQsendQueryParams(db->connection, statement->sql, statement->parameters, NULL, parameters, NULL, NULL, 0);
    return PQsendQueryPrepared(db->connection, statement->name, statement->parameters, parameters, NULL, NULL, 0);
}

/* What db_connect sets for a session, for one transaction. It needs no limit to its idleness: its end is sent along with it. */
static bool send_settings(struct db *db) {
    static const struct db_statement settings = {
        "transaction_settings",
        "SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true),"
        " set_config('statement_timeout', $1, true), set_config('lock_timeout', $1, true)",
        1
    };
    char timeout_text[INTEGER_TEXT_SIZE];
    const char *parameter = integer_text(db->options.statement_timeout_ms, timeout_text);
    return send_statement(db, &settings, &parameter) == 1;
}

/* The statements of a pipeline up to its end are one transaction, and each sees what was committed before it began. */
static int send_call(struct db *db, const struct call *call) {
    if (call->lock == NULL && !db->options.unprepared)
        return send_statement(db, call->statement, call->parameters);
    bool sent = PQenterPipelineMode(db->connection) == 1 && (!db->options.unprepared || send_settings(db)) &&
                (call->lock == NULL || send_statement(db, call->lock, call->parameters) == 1) &&
                send_statement(db, call->statement, call->parameters) == 1 && PQpipelineSync(db->connection) == 1;
    return sent ? 1 : 0;
}

static enum status run_once(struct db *db, const struct call *call, enum db_remedy *remedy) {
    *remedy = REMEDY_NONE;
    if (clock_monotonic_us() >= call->deadline_us)
        return STATUS_DEADLINE_EXCEEDED;
    enum status status = db_connect(db, call->deadline_us);
    if (status == STATUS_OK)
        status = prepare(db, call->lock, call->deadline_us, remedy);
    if (status == STATUS_OK)
        status = prepare(db, call->statement, call->deadline_us, remedy);
    if (status != STATUS_OK)
        return status;
    return exchange(db, send_call(db, call), call->deadline_us, call->statement->name, remedy);
}

/* Two transactions that met once do not meet again at once. */
static void pause_before_retry(void) {
    usleep(1000 + randombytes_uniform(PAUSE_MAX_US));
}

static void note_success(struct db *db) {
    if (db->backoff_us != 0)
        log_event(LOG_INFO, "database_available", "host=%s", PQhost(db->connection));
    db->backoff_us = 0;
}

/*
 * A connection that cannot be used again is given up: a late answer may still be on its way, and nobody could tell it from the
 * next one's. When the next connection is no better (a server that is read-only, say), the following statements do not ask for
 * more of them.
 */
static bool may_run_again(struct db *db, enum status status, enum db_remedy remedy) {
    if (remedy == REMEDY_RETRY) {
        pause_before_retry();
        return true;
    }
    if (remedy == REMEDY_NONE)
        return false;
    db_disconnect(db);
    if (status == STATUS_DEADLINE_EXCEEDED)
        return false;
    if (db->was_rerun || db->backoff_us != 0) {
        db_back_off(db, "no connection is usable");
        return false;
    }
    db->was_rerun = true;
    return true;
}

static enum status run(struct db *db, const struct call *call, const struct db_rows **rows) {
    enum status status = STATUS_INTERNAL;
    *rows = NULL;
    db->was_rerun = false;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        enum db_remedy remedy;
        db_release(db);
        status = run_once(db, call, &remedy);
        if (status == STATUS_OK) {
            note_success(db);
            *rows = &db->rows;
            return STATUS_OK;
        }
        if (!may_run_again(db, status, remedy))
            break;
    }
    db_release(db);
    return status;
}

enum status db_run(struct db *db, int64_t deadline_us, const struct db_statement *statement, const char *const *parameters,
                   const struct db_rows **rows) {
    struct call call = { NULL, statement, parameters, deadline_us };
    return run(db, &call, rows);
}

enum status db_run_locked(struct db *db, int64_t deadline_us, const struct db_statement *lock,
                          const struct db_statement *statement, const char *const *parameters, const struct db_rows **rows) {
    struct call call = { lock, statement, parameters, deadline_us };
    return run(db, &call, rows);
}

enum status db_run_script(struct db *db, int64_t deadline_us, const char *name, const char *script, const struct db_rows **rows) {
    enum db_remedy remedy;
    *rows = NULL;
    db_release(db);
    if (db->connection == NULL)
        return STATUS_DATABASE_UNAVAILABLE;
    enum status status = exchange(db, PQsendQuery(db->connection, script), deadline_us, name, &remedy);
    if (status == STATUS_OK)
        *rows = &db->rows;
    else
        db_disconnect(db); /* and with it any open transaction */
    return status;
}

enum status db_ping(struct db *db, int64_t deadline_us) {
    static const struct db_statement ping = { "ping", "SELECT 1", 0 };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &ping, NULL, &rows);
    db_release(db);
    return status;
}
