#include "jwtd/idempotency_keys.h"

#include "cleanup_tables.h"
#include "sql.h"
#include "statement.h"

enum { FOUND_IS_SAME, FOUND_USER, FOUND_SESSION, FOUND_COLUMNS };

static enum status read_remembered(const struct db_rows *rows, struct arena *arena, void *result) {
    struct remembered_request *remembered = result;
    (void)arena;
    remembered->found = db_row_count(rows) == 1;
    if (remembered->found) {
        remembered->is_same = db_boolean(rows, 0, FOUND_IS_SAME);
        remembered->user_id = db_uuid(rows, 0, FOUND_USER);
        remembered->session_id = db_uuid(rows, 0, FOUND_SESSION);
    }
    return STATUS_OK;
}

/* clang-format off */

enum { FIND_DIGEST /* $1 */, FIND_FINGERPRINT /* $2 */, FIND_PARAMETERS };

/* A statement of its own, so that the one behind it sees what was committed meanwhile. The first column is computed first. */
static const struct db_statement await_change = {
    .name = "idempotency_keys_await_change",
    .parameters = 1,
    .sql = "SELECT set_config('lock_timeout', '1s', true), pg_advisory_xact_lock_shared(" LOCK_OF_KEY("$1") ")",
};

static const struct db_statement find = {
    .name = "idempotency_keys_find",
    .parameters = FIND_PARAMETERS,
    .columns = FOUND_COLUMNS,
    .lock = &await_change,
    .when_locked = STATUS_IDEMPOTENCY_IN_PROGRESS,
    .read = read_remembered,
    .sql = "SELECT fingerprint = decode($2, 'hex'), user_id, session_id"
           " FROM idempotency_keys"
           " WHERE digest = decode($1, 'hex')",
};

static const struct db_statement delete_old = {
    .name = "idempotency_keys_delete_old",
    .parameters = 1,
    .columns = 1,
    .read = db_read_integer,
    .sql = "WITH old AS ("
           "   SELECT digest"
           "   FROM idempotency_keys"
           "   WHERE created_at < now() - interval '" TEXT_OF_MACRO(IDEMPOTENCY_KEEP_HOURS) " hours'"
           "   ORDER BY created_at"
           "   LIMIT $1"
           "   FOR UPDATE SKIP LOCKED"
           " ),"
           " deleted AS ("
           "   DELETE FROM idempotency_keys"
           "   WHERE digest IN (SELECT digest FROM old)"
           "   RETURNING digest"
           " )"
           " SELECT count(*) FROM deleted",
};

/* clang-format on */

void idempotency_keys_find(struct db_query *query, const char *digest, const char *fingerprint,
                           struct remembered_request *remembered) {
    const char *const parameters[FIND_PARAMETERS] = { [FIND_DIGEST] = digest, [FIND_FINGERPRINT] = fingerprint };
    *remembered = (struct remembered_request){ .found = false };
    db_ask(query, &find, parameters, remembered);
}

enum status idempotency_keys_delete_old(const struct db_call *call, const struct cleanup_rules *rules, int64_t *deleted) {
    const char *parameter = INTEGER_PARAMETER(rules->batch);
    return db_run_statement(call, &delete_old, &parameter, deleted);
}
