/* What it means to a query that the server refuses it. */
#include "audit_lock.h"
#include "link.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/migrations.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define REPEAT_US (60 * CLOCK_US_PER_S)

/* Of any statement that remembers an Idempotency-Key or that an administrator asks (migrations/0019_acting_administrators.sql).
 */
static const struct {
    const char *constraint;
    enum status status;
} expected_of_any[] = {
    { "idempotency_keys_pkey", STATUS_IDEMPOTENCY_IN_PROGRESS },
    { "administrator_has_session", STATUS_INVALID_TOKEN },
    { "administrator_has_role", STATUS_INSUFFICIENT_SCOPE },
};

/* What a refusal means to this statement; STATUS_OK: what it always means. */
static enum status expected_status(const struct db_statement *statement, const char *sqlstate, const char *constraint) {
    if (constraint != NULL && statement->expected.constraint != NULL && strcmp(constraint, statement->expected.constraint) == 0)
        return statement->expected.status;
    for (size_t i = 0; constraint != NULL && i < ARRAY_LEN(expected_of_any); i++)
        if (strcmp(constraint, expected_of_any[i].constraint) == 0)
            return expected_of_any[i].status;
    return db_classify_sqlstate(sqlstate).status == STATUS_DEADLINE_EXCEEDED ? statement->when_locked : STATUS_OK;
}

/* What is missing in a schema that is not migrated: tables, columns, functions, constraints (db_errors.c). */
static const char *const of_schema[] = { "42P01", "42703", "428C9", "42883", "42704", "42P10", "42804" };

static bool is_of_schema(const char *sqlstate) {
    for (size_t i = 0; sqlstate != NULL && i < ARRAY_LEN(of_schema); i++)
        if (strcmp(sqlstate, of_schema[i]) == 0)
            return true;
    return false;
}

static bool is_of_rights(const char *sqlstate) {
    return sqlstate != NULL && strcmp(sqlstate, "42501") == 0;
}

/* Every statement fails then, twice a second those of the periodic tasks: one is enough, and another a minute later. */
static bool is_repetition(const char *sqlstate) {
    static _Atomic int64_t next_us;
    int64_t now_us = clock_monotonic_us(), due_us = atomic_load(&next_us);
    return is_of_schema(sqlstate) && (now_us < due_us || !atomic_compare_exchange_strong(&next_us, &due_us, now_us + REPEAT_US));
}

#define REASONS 16

/* A right that is missing fails a statement for as long as it is missing: each reason, which names the table, is logged once,
 * and again when it has not come for a minute. */
static bool is_known_reason(const char *message) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static struct {
        char message[128]; /* cut off */
        int64_t last_us;
    } reasons[REASONS];
    int64_t now_us = clock_monotonic_us();
    size_t place = 0;
    if (message == NULL)
        return false;
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < REASONS; i++) {
        bool is_same = strncmp(reasons[i].message, message, sizeof reasons[i].message - 1) == 0;
        place = is_same || (reasons[i].last_us < reasons[place].last_us) ? i : place;
        if (is_same)
            break;
    }
    bool is_same = strncmp(reasons[place].message, message, sizeof reasons[place].message - 1) == 0;
    bool is_known = is_same && now_us - reasons[place].last_us < REPEAT_US;
    (void)snprintf(reasons[place].message, sizeof reasons[place].message, "%s", message);
    reasons[place].last_us = now_us;
    pthread_mutex_unlock(&mutex);
    return is_known;
}

/* A server that shuts down says so on each connection: what comes of it is an outage, or nothing. */
static bool is_farewell(const char *sqlstate) {
    return sqlstate != NULL && strncmp(sqlstate, "57P", 3) == 0;
}

/* Partitions are made and removed in a moment: what is locked then is tried again, and no connection waits for it. */
static enum db_remedy remedy_of(struct db_query *query, const struct db_statement *refused, const struct db_error *error) {
    bool is_locked_audit = audit_is_lock(refused) && error->status == STATUS_DEADLINE_EXCEEDED;
    if (error->remedy != REMEDY_RETRY && !is_locked_audit)
        return error->remedy;
    return link_count_failed_try(query) ? REMEDY_RETRY : REMEDY_NONE;
}

/* Of several tries the last one has a line. */
static enum log_level level_of(const struct link *link, const struct db_query *query, const struct db_error *error,
                               const char *sqlstate, const char *message) {
    bool has_other_line = query->remedy == REMEDY_RETRY || (query->remedy == REMEDY_RECONNECT && link_may_rerun(link, query));
    if (has_other_line || is_farewell(sqlstate) || is_repetition(sqlstate) ||
        (is_of_rights(sqlstate) && is_known_reason(message)))
        return LOG_DEBUG;
    return error->remedy == REMEDY_NONE ? LOG_ERROR : LOG_WARN;
}

static const char *cure_of(const char *sqlstate) {
    if (is_of_schema(sqlstate))
        return "run jwtd migrate as the owner of the tables";
    if (is_of_rights(sqlstate))
        return RIGHTS_CURE;
    /* a prepared statement that is not there, or is there already */
    if (sqlstate != NULL && (strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "42P05") == 0))
        return POOLER_CURE;
    return NULL;
}

/* The message of a data exception (class 22) quotes the value, so it is left out of the log. */
void link_refuse(const struct link *link, struct db_query *query, const struct db_statement *refused, const PGresult *refusal) {
    const struct db_statement *statement = query->statement;
    const char *sqlstate = PQresultErrorField(refusal, PG_DIAG_SQLSTATE);
    const char *constraint = PQresultErrorField(refusal, PG_DIAG_CONSTRAINT_NAME);
    const char *message = PQresultErrorField(refusal, PG_DIAG_MESSAGE_PRIMARY);
    query->remedy = REMEDY_NONE;
    query->status = expected_status(statement, sqlstate, constraint);
    if (query->status != STATUS_OK)
        return;
    struct db_error error = db_classify_sqlstate(sqlstate);
    query->status = error.status;
    query->remedy = (int)remedy_of(query, refused, &error);
    if (sqlstate != NULL && strncmp(sqlstate, "22", 2) == 0)
        message = NULL;
    log_set_context(query->log);
    log_event(level_of(link, query, &error, sqlstate, message), "database_error",
              "statement=%s sqlstate=%s constraint=%s message=%s cure=%s", statement->name, sqlstate, constraint, message,
              cure_of(sqlstate));
    log_set_context(NULL);
}
