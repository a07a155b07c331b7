/* One round trip: what was sent is flushed, and all results of the server are received, within a deadline. */
#include "db_internal.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define POLL_MAX_MS 60000

bool db_wait(const struct db *db, bool for_write, int64_t deadline_us) {
    struct pollfd socket = { .fd = PQsocket(db->connection), .events = for_write ? POLLOUT : POLLIN };
    for (;;) {
        int64_t left_us = deadline_us - clock_monotonic_us();
        if (left_us <= 0)
            return false;
        int64_t left_ms = (left_us + 999) / 1000;
        int ready = poll(&socket, 1, left_ms > POLL_MAX_MS ? POLL_MAX_MS : (int)left_ms);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return true;
    }
}

void db_release(struct db *db) {
    PQclear(db->rows.result);
    db->rows.result = NULL;
}

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

/* Reads to the end of the answer: a NULL, or, in a pipeline, where a NULL only separates two statements, the mark of the end. */
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

static bool is_expected(const struct db_statement *statement, const char *constraint) {
    return constraint != NULL && statement->expected.constraint != NULL &&
           strcmp(constraint, statement->expected.constraint) == 0;
}

/* The message of a data exception (class 22) quotes the value, so it is left out of the log. */
static enum status classify_refusal(const struct db *db, const struct db_statement *statement, enum db_remedy *remedy) {
    const PGresult *refusal = db->rows.result;
    const char *sqlstate = PQresultErrorField(refusal, PG_DIAG_SQLSTATE);
    const char *constraint = PQresultErrorField(refusal, PG_DIAG_CONSTRAINT_NAME);
    const char *message = PQresultErrorField(refusal, PG_DIAG_MESSAGE_PRIMARY);
    if (is_expected(statement, constraint)) {
        *remedy = REMEDY_NONE;
        return statement->expected.status;
    }
    struct db_error error = db_classify_sqlstate(sqlstate);
    *remedy = error.remedy;
    if (sqlstate != NULL && strncmp(sqlstate, "22", 2) == 0)
        message = NULL;
    log_event(error.remedy == REMEDY_NONE ? LOG_ERROR : LOG_WARN, "database_error",
              "statement=%s sqlstate=%s constraint=%s message=%s", statement->name, sqlstate, constraint, message);
    return error.status;
}

enum status db_round_trip(struct db *db, int sent, const struct db_statement *statement, int64_t deadline_us,
                          enum db_remedy *remedy) {
    *remedy = REMEDY_RECONNECT;
    enum status status = sent == 1 ? flush(db, deadline_us) : STATUS_DATABASE_UNAVAILABLE;
    if (status == STATUS_OK)
        status = receive(db, deadline_us);
    if (status == STATUS_OK) {
        *remedy = REMEDY_NONE;
        return is_refusal(db->rows.result) ? classify_refusal(db, statement, remedy) : STATUS_OK;
    }
    bool is_late = status == STATUS_DEADLINE_EXCEEDED;
    log_event(LOG_WARN, is_late ? "database_too_slow" : "database_connection_lost", "statement=%s reason=%s", statement->name,
              is_late ? "" : PQerrorMessage(db->connection));
    return status;
}
