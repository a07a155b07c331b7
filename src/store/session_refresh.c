#include "jwtd/macros.h"
#include "jwtd/sessions.h"

#include "sql.h"
#include "statement.h"

#include <assert.h>

/* ---- reading rows ---- */

/* The columns that `rotate` and `resolve_stale` have in common, and those of the latter alone. */
enum {
    REFRESHED_USER,
    REFRESHED_GENERATION,
    REFRESHED_ROLES,
    REFRESHED_EXPIRES_IN,
    ROTATED_COLUMNS,
    RESOLVED_OUTCOME = ROTATED_COLUMNS,
    RESOLVED_IS_ELSEWHERE,
    RESOLVED_RETRIES_ELSEWHERE,
    RESOLVED_PAUSE,
    RESOLVED_COLUMNS
};

/* The outcome of a refresh. The last two are not returned to the caller. */
enum outcome {
    OUTCOME_RETURNED = SESSION_EXPIRED, /* up to here: as enum session_refresh */
    OUTCOME_USED,                       /* the token was used before: the session must be revoked */
    OUTCOME_CHANGED                     /* `rotate` would match now: the row was changed between the two statements */
};

struct resolution {
    struct refreshed *refreshed;
    int outcome; /* enum session_refresh or enum outcome */
};

static enum status read_refreshed(const struct db_rows *rows, struct arena *arena, struct refreshed *refreshed) {
    refreshed->user_id = db_uuid(rows, 0, REFRESHED_USER);
    refreshed->generation = (uint32_t)db_integer(rows, 0, REFRESHED_GENERATION);
    refreshed->roles_json = db_copy_text(rows, 0, REFRESHED_ROLES, arena);
    refreshed->expires_in_s = db_integer(rows, 0, REFRESHED_EXPIRES_IN);
    return refreshed->roles_json.bytes != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

/* No row: nothing moved. */
static enum status read_rotated(const struct db_rows *rows, struct arena *arena, void *result) {
    struct resolution *resolution = result;
    if (db_row_count(rows) == 0)
        return STATUS_OK;
    resolution->outcome = SESSION_ROTATED;
    return read_refreshed(rows, arena, resolution->refreshed);
}

static const struct {
    const char *name;
    int outcome;
} outcomes[] = {
    { "retried", SESSION_RETRIED }, { "replaced", SESSION_REPLACED }, { "too_soon", SESSION_TOO_SOON },
    { "reused", SESSION_REUSED },   { "ended", SESSION_ENDED },       { "expired", SESSION_EXPIRED },
    { "changed", OUTCOME_CHANGED }, { "used", OUTCOME_USED },
};

static int outcome_of(struct text name) {
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
        if (text_equal(name, text_of(outcomes[i].name)))
            return outcomes[i].outcome;
    return OUTCOME_CHANGED;
}

/* No row: there is no such session. */
static enum status read_resolved(const struct db_rows *rows, struct arena *arena, void *result) {
    struct resolution *resolution = result;
    struct refreshed *refreshed = resolution->refreshed;
    resolution->outcome = SESSION_ENDED;
    if (db_row_count(rows) == 0)
        return STATUS_OK;
    resolution->outcome = outcome_of(db_text(rows, 0, RESOLVED_OUTCOME));
    refreshed->is_elsewhere = db_boolean(rows, 0, RESOLVED_IS_ELSEWHERE);
    refreshed->retries_elsewhere = (uint32_t)db_integer(rows, 0, RESOLVED_RETRIES_ELSEWHERE);
    refreshed->pause_ms = db_integer(rows, 0, RESOLVED_PAUSE);
    return read_refreshed(rows, arena, refreshed);
}

/* ---- statements ---- */

/* clang-format off */

/* Of all three statements, each of which takes as many as it needs from the front. */
enum {
    REFRESH_SESSION /* $1 */,
    REFRESH_GENERATION /* $2, the one that is presented */,
    REVOKE_PARAMETERS,
    REFRESH_IDLE_MS = REVOKE_PARAMETERS /* $3 */,
    REFRESH_IP /* $4 */,
    ROTATE_PARAMETERS,
    REFRESH_RETRY_WINDOW_MS = ROTATE_PARAMETERS /* $5 */,
    RESOLVE_PARAMETERS
};

/*
 * "generation <= $2" and not "=": a token newer than the row is genuine (by its MAC), and the database has lost the write in a
 * failover. Accepting it ends no session, and the older token of the two is still recognised as used. The parent of the new generation
 * is the one before it, whatever the retry columns hold: they are about another successor. The sum must not overflow: the planner may
 * evaluate it before any condition is checked.
 */
static const struct db_statement rotate = {
    .name = "sessions_rotate",
    .parameters = ROTATE_PARAMETERS,
    .columns = ROTATED_COLUMNS,
    .read = read_rotated,
    .sql = "UPDATE sessions s"
           " SET generation = least($2, " GENERATION_MAX " - 1) + 1,"
           "   rotated_at = now(),"
           "   retried_after = '0',"
           "   last_used_at = now(),"
           "   rotated_from = " NETWORK_OF("$4")
           " FROM users u"
           " WHERE s.id = $1"
           "   AND u.id = s.user_id"
           "   AND s.generation <= $2"
           "   AND $2 < " GENERATION_MAX
           "   AND u.disabled_at IS NULL"
           "   AND " LIVE("$3")
           " RETURNING s.user_id,"
           "   s.generation,"
           "   array_to_json(u.roles)::text,"
           "   floor(extract(epoch FROM least(s.expires_at - now(), $3 * interval '1 millisecond')))::bigint",
};

/*
 * Why `rotate` matched no row, decided under the row's lock. For the parent the same successor is returned as before, or, when the
 * window has passed, a new one; but not within a window of the last time that the old one was returned, since one tab may be about to
 * store that while another refreshes. A session whose generations are used up must end.
 */
static const struct db_statement resolve_stale = {
    .name = "sessions_resolve_stale",
    .parameters = RESOLVE_PARAMETERS,
    .columns = RESOLVED_COLUMNS,
    .read = read_resolved,
    .sql = "WITH found AS ("
           "   SELECT s.id, s.user_id, s.generation, array_to_json(u.roles)::text AS roles, s.retries_elsewhere,"
           "     coalesce(s.rotated_from <> " NETWORK_OF("$4") ", false) AS is_elsewhere,"
           "     least(s.expires_at, s.last_used_at + $3 * interval '1 millisecond') - now() AS retried_left,"
           "     least(s.expires_at - now(), $3 * interval '1 millisecond') AS replaced_left,"
           "     s.rotated_at + s.retried_after + $5 * interval '1 millisecond' - now() AS pause,"
           "     CASE"
           "       WHEN s.revoke_reason = 'reuse' THEN 'reused'"
           "       WHEN s.revoked_at IS NOT NULL OR u.disabled_at IS NOT NULL THEN 'ended'"
           "       WHEN s.expires_at <= now() OR s.last_used_at <= now() - $3 * interval '1 millisecond' THEN 'expired'"
           "       WHEN $2 >= " GENERATION_MAX " THEN 'expired'"
           "       WHEN s.generation <= $2 THEN 'changed'"
           "       WHEN $2 <> " PARENT " THEN 'used'"
           "       WHEN s.rotated_at >= now() - $5 * interval '1 millisecond' THEN 'retried'"
           "       WHEN s.rotated_at + s.retried_after >= now() - $5 * interval '1 millisecond' THEN 'too_soon'"
           "       WHEN s.generation >= " GENERATION_MAX " THEN 'expired'"
           "       ELSE 'replaced'"
           "     END AS outcome"
           "   FROM sessions s JOIN users u ON u.id = s.user_id"
           "   WHERE s.id = $1"
           "   FOR UPDATE OF s"
           " ),"
           " retried AS ("
           "   UPDATE sessions s"
           "   SET retried_after = greatest(s.retried_after, now() - s.rotated_at),"
           "     retries_elsewhere = s.retries_elsewhere + is_elsewhere::integer"
           "   FROM found"
           "   WHERE s.id = found.id AND outcome = 'retried'"
           " ),"
           " replaced AS ("
           "   UPDATE sessions s"
           "   SET generation = found.generation + 1,"
           "     retry_generation = $2::integer,"
           "     retry_successor = found.generation + 1,"
           "     rotated_at = now(),"
           "     retried_after = '0',"
           "     last_used_at = now(),"
           "     rotated_from = " NETWORK_OF("$4") ","
           "     retries_elsewhere = s.retries_elsewhere + is_elsewhere::integer"
           "   FROM found"
           "   WHERE s.id = found.id AND outcome = 'replaced'"
           " )"
           " SELECT user_id,"
           "   generation + (outcome = 'replaced')::integer,"
           "   roles,"
           "   floor(extract(epoch FROM CASE outcome WHEN 'replaced' THEN replaced_left ELSE retried_left END))::bigint,"
           "   outcome,"
           "   is_elsewhere,"
           "   retries_elsewhere + is_elsewhere::integer,"
           "   ceil(extract(epoch FROM pause) * 1000)::bigint"
           " FROM found",
};

/* Checked again under the row's lock. */
static const struct db_statement revoke_reused = {
    .name = "sessions_revoke_reused",
    .parameters = REVOKE_PARAMETERS,
    .columns = 1,
    .read = db_read_found,
    .sql = "WITH to_revoke AS ("
           "   SELECT id, 'reuse' AS reason"
           "   FROM sessions s"
           "   WHERE id = $1 AND revoked_at IS NULL AND generation > $2 AND " PARENT " <> $2"
           "   FOR UPDATE"
           " ),"
             REVOKE_AND_PUBLISH("to_revoke")
           " SELECT id FROM revoked",
};

/* clang-format on */

/* ---- calls ---- */

/* If the reply to a first run was lost, that run may have revoked the session. */
static enum status revoke(const struct db_call *call, const char *const *parameters, struct refreshed *refreshed) {
    enum status status = db_run(call, &revoke_reused, parameters, &refreshed->revoked_now);
    if (status == STATUS_OK && db_was_rerun(call->db))
        refreshed->revoked_now = true;
    return status;
}

/*
 * When a statement ran a second time after a lost connection, its first run may have been committed, and be the use of the
 * presented token: that is never taken for reuse. The client receives 503, and what it presents next decides.
 */
static enum status resolve_stale_token(const struct db_call *call, const char *const *parameters, bool was_rerun,
                                       struct refreshed *refreshed) {
    struct resolution resolution = { .refreshed = refreshed };
    enum status status = db_run(call, &resolve_stale, parameters, &resolution);
    if (status != STATUS_OK)
        return status;
    was_rerun = was_rerun || db_was_rerun(call->db);
    if (resolution.outcome == OUTCOME_CHANGED || (resolution.outcome == OUTCOME_USED && was_rerun))
        return STATUS_DATABASE_UNAVAILABLE;
    if (resolution.outcome == OUTCOME_USED) {
        refreshed->result = SESSION_REUSED;
        return revoke(call, parameters, refreshed);
    }
    assert(resolution.outcome <= OUTCOME_RETURNED);
    refreshed->result = (enum session_refresh)resolution.outcome;
    return STATUS_OK;
}

enum status sessions_refresh(const struct db_call *call, const struct session_credential *credential, const char *ip,
                             const struct session_limits *limits, struct refreshed *refreshed) {
    const char *const parameters[RESOLVE_PARAMETERS] = {
        [REFRESH_SESSION] = UUID_PARAMETER(&credential->session_id),
        [REFRESH_GENERATION] = INTEGER_PARAMETER(credential->generation),
        [REFRESH_IDLE_MS] = INTEGER_PARAMETER(limits->idle_ms),
        [REFRESH_IP] = ip,
        [REFRESH_RETRY_WINDOW_MS] = INTEGER_PARAMETER(limits->retry_window_ms),
    };
    assert(credential->generation > 0);
    struct resolution rotated = { .refreshed = refreshed, .outcome = OUTCOME_CHANGED };
    *refreshed = (struct refreshed){ .result = SESSION_ENDED };
    enum status status = db_run(call, &rotate, parameters, &rotated);
    if (status != STATUS_OK)
        return status;
    if (rotated.outcome != SESSION_ROTATED)
        return resolve_stale_token(call, parameters, db_was_rerun(call->db), refreshed);
    refreshed->result = SESSION_ROTATED;
    return STATUS_OK;
}
