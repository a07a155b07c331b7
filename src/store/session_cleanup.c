/* The deletion of sessions that have ended. */
#include "cleanup_tables.h"
#include "statement.h"

/* clang-format off */

enum { ENDED_BATCH /* $1 */, ENDED_IDLE_MS /* $2 */, ENDED_TTL_MS /* $3 */, ENDED_PARAMETERS };

/*
 * Idle and expired ones are found by the day of their last use, which is indexed, since the time itself is not
 * (0002_sessions.sql); SKIP LOCKED, so that this waits for no other transaction.
 */
static const struct db_statement delete_ended = {
    .name = "sessions_delete_ended",
    .parameters = ENDED_PARAMETERS,
    .columns = 1,
    .read = db_read_integer,
    .sql = "WITH revoked AS ("
           "   SELECT id"
           "   FROM sessions"
           "   WHERE revoked_at < now() - interval '1 day'"
           "   LIMIT $1"
           "   FOR UPDATE SKIP LOCKED"
           " ),"
           " unused AS ("
           "   SELECT id"
           "   FROM sessions"
           "   WHERE last_used_day <= ((now() - least($3::bigint, $2::bigint) * interval '1 millisecond' - interval '1 day')"
           "                           AT TIME ZONE 'UTC')::date"
           "     AND least(expires_at, last_used_at + $2 * interval '1 millisecond') < now() - interval '1 day'"
           "   LIMIT $1"
           "   FOR UPDATE SKIP LOCKED"
           " ),"
           " deleted AS ("
           "   DELETE FROM sessions"
           "   WHERE id IN (SELECT id FROM revoked UNION SELECT id FROM unused LIMIT $1)"
           "   RETURNING id"
           " )"
           " SELECT count(*) FROM deleted",
};

/* clang-format on */

enum status sessions_delete_ended(const struct db_call *call, const struct cleanup_rules *rules, int64_t *deleted) {
    const char *const parameters[ENDED_PARAMETERS] = {
        [ENDED_BATCH] = INTEGER_PARAMETER(rules->batch),
        [ENDED_IDLE_MS] = INTEGER_PARAMETER(rules->sessions->idle_ms),
        [ENDED_TTL_MS] = INTEGER_PARAMETER(rules->sessions->ttl_ms),
    };
    return db_run_statement(call, &delete_ended, parameters, deleted);
}
