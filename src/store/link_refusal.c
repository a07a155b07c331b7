/* What it means to a query that the server refuses it. */
#include "link.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <string.h>

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

/* The message of a data exception (class 22) quotes the value, so it is left out of the log. */
void link_refuse(struct db_query *query, const PGresult *refusal) {
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
    query->remedy = (int)error.remedy;
    if (sqlstate != NULL && strncmp(sqlstate, "22", 2) == 0)
        message = NULL;
    log_event(error.remedy == REMEDY_NONE ? LOG_ERROR : LOG_WARN, "database_error",
              "statement=%s sqlstate=%s constraint=%s message=%s", statement->name, sqlstate, constraint, message);
}
