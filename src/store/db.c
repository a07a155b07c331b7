#include "jwtd/db.h"

#include "db_internal.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES_MAX 6
#define PAUSE_MAX_US 20000u

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
    if (db->rows.result != NULL)
        PQclear(db->rows.result);
    db->rows.result = NULL;
}

static enum status flush(struct db *db, int64_t deadline_us) {
    int left;
    while ((left = PQflush(db->connection)) == 1) {
        if (!db_wait(db, true, deadline_us))
            return STATUS_DEADLINE_EXCEEDED;
    }
    return left == 0 ? STATUS_OK : STATUS_DATABASE_UNAVAILABLE;
}

/* Keeps the first result, which is the only one of an extended query, and reads on to the end of the answer. */
static enum status receive(struct db *db, int64_t deadline_us) {
    PGresult *result;
    do {
        while (PQisBusy(db->connection)) {
            if (!db_wait(db, false, deadline_us))
                return STATUS_DEADLINE_EXCEEDED;
            if (PQconsumeInput(db->connection) == 0)
                return STATUS_DATABASE_UNAVAILABLE;
        }
        result = PQgetResult(db->connection);
        if (db->rows.result == NULL)
            db->rows.result = result;
        else
            PQclear(result);
    } while (result != NULL);
    return db->rows.result != NULL ? STATUS_OK : STATUS_DATABASE_UNAVAILABLE;
}

static enum status exchange(struct db *db, int sent, int64_t deadline_us) {
    if (sent == 0)
        return STATUS_DATABASE_UNAVAILABLE;
    enum status status = flush(db, deadline_us);
    return status == STATUS_OK ? receive(db, deadline_us) : status;
}

/* What the server made of the statement: STATUS_OK, or db->sqlstate says what was wrong. */
static enum status judge_result(struct db *db, const struct db_statement *statement, enum db_remedy *remedy) {
    ExecStatusType outcome = PQresultStatus(db->rows.result);
    if (outcome == PGRES_TUPLES_OK || outcome == PGRES_COMMAND_OK)
        return STATUS_OK;
    const char *sqlstate = PQresultErrorField(db->rows.result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(db->rows.result, PG_DIAG_MESSAGE_PRIMARY);
    struct db_verdict verdict = db_judge(sqlstate);
    *remedy = verdict.remedy;
    if (verdict.status != STATUS_EMAIL_TAKEN)
        log_event(LOG_WARN, "database_error", "statement=%s sqlstate=%s message=%s", statement->name, sqlstate, message);
    return verdict.status;
}

static bool is_prepared(const struct db *db, const struct db_statement *statement) {
    for (size_t i = 0; i < db->prepared_count; i++) {
        if (db->prepared[i] == statement)
            return true;
    }
    return false;
}

static enum status prepare(struct db *db, const struct db_statement *statement, int64_t deadline_us, enum db_remedy *remedy) {
    if (is_prepared(db, statement))
        return STATUS_OK;
    if (db->prepared_count == DB_PREPARED_MAX)
        return STATUS_INTERNAL;
    *remedy = REMEDY_RECONNECT;
    int sent = PQsendPrepare(db->connection, statement->name, statement->sql, statement->parameters, NULL);
    enum status status = exchange(db, sent, deadline_us);
    if (status == STATUS_OK)
        status = judge_result(db, statement, remedy);
    if (status == STATUS_OK)
        db->prepared[db->prepared_count++] = statement;
    db_release(db);
    return status;
}

static enum status run_once(struct db *db, int64_t deadline_us, const struct db_statement *statement,
                            const char *const *parameters, enum db_remedy *remedy) {
    *remedy = REMEDY_NONE;
    enum status status = db_connect(db, deadline_us);
    if (status == STATUS_OK)
        status = prepare(db, statement, deadline_us, remedy);
    if (status != STATUS_OK)
        return status;
    *remedy = REMEDY_RECONNECT;
    int sent = PQsendQueryPrepared(db->connection, statement->name, statement->parameters, parameters, NULL, NULL, 0);
    status = exchange(db, sent, deadline_us);
    return status == STATUS_OK ? judge_result(db, statement, remedy) : status;
}

/* Two transactions that met once do not meet again at once. */
static void pause_before_retry(void) {
    usleep(1000 + randombytes_uniform(PAUSE_MAX_US));
}

enum status db_run(struct db *db, int64_t deadline_us, const struct db_statement *statement, const char *const *parameters,
                   const struct db_rows **rows) {
    enum status status = STATUS_INTERNAL;
    bool has_reconnected = false;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        enum db_remedy remedy;
        db_release(db);
        status = run_once(db, deadline_us, statement, parameters, &remedy);
        if (status == STATUS_OK)
            break;
        /* a late answer may still be on its way: nobody could tell it from the next one's */
        if (remedy == REMEDY_RECONNECT)
            db_disconnect(db);
        bool again = remedy == REMEDY_RETRY || (remedy == REMEDY_RECONNECT && !has_reconnected);
        if (!again || status == STATUS_DEADLINE_EXCEEDED || clock_monotonic_us() >= deadline_us)
            break;
        has_reconnected = has_reconnected || remedy == REMEDY_RECONNECT;
        if (remedy == REMEDY_RETRY)
            pause_before_retry();
    }
    *rows = status == STATUS_OK ? &db->rows : NULL;
    return status;
}

enum status db_ping(struct db *db, int64_t deadline_us) {
    static const struct db_statement ping = { "ping", "SELECT 1", 0 };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &ping, NULL, &rows);
    db_release(db);
    return status;
}
