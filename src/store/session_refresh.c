#include "jwtd/macros.h"
#include "jwtd/sessions.h"

#include "sql.h"
#include "statement.h"

#include <assert.h>

/* ---- reading rows ---- */

/* The columns that `rotate` and `resolve_stale` have in common, and those of each alone. */
enum {
    REFRESHED_USER,
    REFRESHED_GENERATION,
    REFRESHED_ROLES,
    REFRESHED_EXPIRES_IN,
    REFRESHED_COLUMNS,
    ROTATED_RETRY = REFRESHED_COLUMNS,
    ROTATED_COLUMNS,
    RESOLVED_OUTCOME = REFRESHED_COLUMNS,
    RESOLVED_IS_ELSEWHERE,
    RESOLVED_RETRIES_ELSEWHERE,
    RESOLVED_PAUSE,
    RESOLVED_COLUMNS
};

static enum status read_refreshed(const struct db_rows *rows, struct arena *arena, struct refreshed *refreshed) {
    refreshed->user_id = db_uuid(rows, 0, REFRESHED_USER);
    refreshed->generation = (uint32_t)db_integer(rows, 0, REFRESHED_GENERATION);
    refreshed->roles_json = db_copy_text(rows, 0, REFRESHED_ROLES, arena);
    refreshed->expires_in_s = db_integer(rows, 0, REFRESHED_EXPIRES_IN);
    return refreshed->roles_json.bytes != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

/* No row: there is no such session. No user: nothing moved. */
static enum status read_rotated(const struct db_rows *rows, struct arena *arena, void *result) {
    struct refreshed *refreshed = result;
    if (db_row_count(rows) == 0)
        return STATUS_OK;
    if (db_is_null(rows, 0, REFRESHED_USER)) {
        refreshed->was_unused = !db_is_null(rows, 0, ROTATED_RETRY);
        refreshed->generation = (uint32_t)db_integer(rows, 0, ROTATED_RETRY);
        return STATUS_OK;
    }
    refreshed->result = SESSION_ROTATED;
    return read_refreshed(rows, arena, refreshed);
}

/* What `resolve_stale` finds, but for "changed": the row was changed between the two statements, so that `rotate` would match
 * now, or the token was used by then and cannot be answered as it would have been before. */
static const struct {
    const char *name;
    enum session_refresh result;
    bool must_revoke; /* the token was used before */
} outcomes[] = {
    { "retried", SESSION_RETRIED, false },   { "replaced", SESSION_REPLACED, false }, { "too_soon", SESSION_TOO_SOON, false },
    { "reused", SESSION_REUSED, false },     { "ended", SESSION_ENDED, false },       { "expired", SESSION_EXPIRED, false },
    { "overtaken", SESSION_RETRIED, false }, { "used", SESSION_REUSED, true },
};

/* revoked_now stands for must_revoke until the session is revoked. */
static enum status set_outcome(struct text name, struct refreshed *refreshed) {
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
        if (!text_equal(name, text_of(outcomes[i].name)))
            continue;
        refreshed->result = outcomes[i].result;
        refreshed->revoked_now = outcomes[i].must_revoke;
        return STATUS_OK;
    }
    return STATUS_DATABASE_UNAVAILABLE;
}

/* No row: there is no such session. */
static enum status read_resolved(const struct db_rows *rows, struct arena *arena, void *result) {
    struct refreshed *refreshed = result;
    if (db_row_count(rows) == 0)
        return STATUS_OK;
    refreshed->is_elsewhere = db_boolean(rows, 0, RESOLVED_IS_ELSEWHERE);
    refreshed->retries_elsewhere = (uint32_t)db_integer(rows, 0, RESOLVED_RETRIES_ELSEWHERE);
    refreshed->pause_ms = db_integer(rows, 0, RESOLVED_PAUSE);
    enum status status = set_outcome(db_text(rows, 0, RESOLVED_OUTCOME), refreshed);
    return status == STATUS_OK ? read_refreshed(rows, arena, refreshed) : status;
}

/* ---- statements ---- */

/* clang-format off */

/* Of the first two statements, each of which takes as many as it needs from the front. */
enum {
    REFRESH_SESSION /* $1 */,
    REFRESH_GENERATION /* $2, the one that is presented */,
    REFRESH_IDLE_MS /* $3 */,
    REFRESH_IP /* $4 */,
    REFRESH_RETRY_WINDOW_MS /* $5 */,
    ROTATE_PARAMETERS,
    REFRESH_RETRY = ROTATE_PARAMETERS /* $6, what `rotate` has found */,
    RESOLVE_PARAMETERS
};

/*
 * "generation <= $2" and not "=": a token newer than the row is genuine (by its MAC), and the database has lost the write in a
 * failover. Accepting it ends no session, and the older token of the two is still recognised as used. The parent of the new generation
 * is the one before it, whatever the retry columns hold: they are about another successor. The sum must not overflow: the planner may
 * evaluate it before any condition is checked.
 *
 * The last column is for a token that is stale, from the row as it was before this statement: NULL if the token had been used, else
 * the generation that a retry returns, or 0 if it returns none.
 */
static const struct db_statement rotate = {
    .name = "sessions_rotate",
    .parameters = ROTATE_PARAMETERS,
    .columns = ROTATED_COLUMNS,
    .read = read_rotated,
    .sql = "WITH rotated AS ("
           "   UPDATE sessions s"
           "   SET generation = least($2, " GENERATION_MAX " - 1) + 1,"
           "     rotated_at = now(),"
           "     retried_after = '0',"
           "     last_used_at = now(),"
           "     last_used_day = " TODAY ","
           "     rotated_from = " NETWORK_OF("$4")
           "   FROM users u"
           "   WHERE s.id = $1"
           "     AND u.id = s.user_id"
           "     AND s.generation <= $2"
           "     AND $2 < " GENERATION_MAX
           "     AND u.disabled_at IS NULL"
           "     AND " LIVE("$3")
           "   RETURNING s.user_id,"
           "     s.generation,"
           "     array_to_json(u.roles)::text AS roles,"
           "     floor(extract(epoch FROM least(s.expires_at - now(), $3 * interval '1 millisecond')))::bigint AS expires_in"
           " )"
           " SELECT r.user_id,"
           "   r.generation,"
           "   r.roles,"
           "   r.expires_in,"
           "   CASE"
           "     WHEN s.generation <= $2 THEN 0"
           "     WHEN $2 <> " PARENT " THEN NULL"
           "     WHEN s.rotated_at >= now() - $5 * interval '1 millisecond' THEN s.generation"
           "     ELSE 0"
           "   END"
           " FROM sessions s LEFT JOIN rotated r ON true"
           " WHERE s.id = $1",
};

/*
 * Why `rotate` matched no row, decided under the row's lock. For the parent the same successor is returned as before, or, when the
 * window has passed, a new one; but not within a window of the last time that the old one was returned, since one tab may be about to
 * store that while another refreshes. A session whose generations are used up must end.
 *
 * A token that had not been used when `rotate` ran is no reuse, whatever has been committed since: the successor that it would have
 * been answered with is returned ("overtaken") if that is the parent now, which may be retried. Who got it is not known any more.
 */
static const struct db_statement resolve_stale = {
    .name = "sessions_resolve_stale",
    .parameters = RESOLVE_PARAMETERS,
    .columns = RESOLVED_COLUMNS,
    .read = read_resolved,
    .sql = "WITH found AS ("
           "   SELECT s.id, s.user_id, s.generation, array_to_json(u.roles)::text AS roles, s.retries_elsewhere,"
           "     coalesce($2 = " PARENT " AND s.rotated_from <> " NETWORK_OF("$4") ", false) AS is_elsewhere,"
           "     least(s.expires_at, s.last_used_at + $3 * interval '1 millisecond') - now() AS retried_left,"
           "     least(s.expires_at - now(), $3 * interval '1 millisecond') AS replaced_left,"
           "     s.rotated_at + s.retried_after + $5 * interval '1 millisecond' - now() AS pause,"
           "     CASE"
           "       WHEN s.revoke_reason = 'reuse' THEN 'reused'"
           "       WHEN s.revoked_at IS NOT NULL OR u.disabled_at IS NOT NULL THEN 'ended'"
           "       WHEN s.expires_at <= now() OR s.last_used_at <= now() - $3 * interval '1 millisecond' THEN 'expired'"
           "       WHEN $2 >= " GENERATION_MAX " THEN 'expired'"
           "       WHEN s.generation <= $2 THEN 'changed'"
           "       WHEN $2 <> " PARENT " AND $6 = " PARENT " THEN 'overtaken'"
           "       WHEN $2 <> " PARENT " AND $6 IS NOT NULL THEN 'changed'"
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
           "     last_used_day = " TODAY ","
           "     rotated_from = " NETWORK_OF("$4") ","
           "     retries_elsewhere = s.retries_elsewhere + is_elsewhere::integer"
           "   FROM found"
           "   WHERE s.id = found.id AND outcome = 'replaced'"
           " )"
           " SELECT user_id,"
           "   CASE outcome WHEN 'replaced' THEN generation + 1 WHEN 'overtaken' THEN $6 ELSE generation END,"
           "   roles,"
           "   floor(extract(epoch FROM CASE outcome WHEN 'replaced' THEN replaced_left ELSE retried_left END))::bigint,"
           "   outcome,"
           "   is_elsewhere,"
           "   retries_elsewhere + is_elsewhere::integer,"
           "   ceil(extract(epoch FROM pause) * 1000)::bigint"
           " FROM found",
};

enum { REUSED_SESSION /* $1 */, REUSED_GENERATION /* $2 */, REUSED_PARAMETERS };

/* Checked again under the row's lock, since a failover may have come between. Its events are the caller's: a thief must not keep the
 * session because the audit cannot be written. */
static const struct db_statement revoke_reused = {
    .name = "sessions_revoke_reused",
    .parameters = REUSED_PARAMETERS,
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

/* ---- functions ---- */

/* If the reply to a first run was lost, that run may have revoked the session. */
static enum status end_revocation(struct db_query *query, enum status status) {
    bool *revoked_now = query->result;
    *revoked_now = *revoked_now || query->was_rerun;
    return status;
}

/*
 * When a statement ran a second time after a lost connection, its first run may have been committed, and be the use of the
 * presented token: that is never taken for reuse. The client receives 503, and what it presents next decides. `state` is whether
 * `rotate` ran a second time.
 */
static enum status revoke_if_used(struct db_query *query, enum status status) {
    struct refreshed *refreshed = query->result;
    bool was_rerun = query->state != 0 || query->was_rerun;
    if (status != STATUS_OK || !refreshed->revoked_now)
        return status;
    if (was_rerun)
        return STATUS_DATABASE_UNAVAILABLE;
    const char *const parameters[REUSED_PARAMETERS] = {
        [REUSED_SESSION] = query->parameters[REFRESH_SESSION],
        [REUSED_GENERATION] = query->parameters[REFRESH_GENERATION],
    };
    db_ask(query, &revoke_reused, parameters, &refreshed->revoked_now);
    query->then = end_revocation;
    return STATUS_OK;
}

static enum status resolve_if_stale(struct db_query *query, enum status status) {
    const struct refreshed *refreshed = query->result;
    if (status != STATUS_OK || refreshed->result == SESSION_ROTATED)
        return status;
    query->state = query->was_rerun ? 1 : 0;
    query->parameters[REFRESH_RETRY] = refreshed->was_unused ? db_integer_parameter(query, refreshed->generation) : NULL;
    query->statement = &resolve_stale;
    query->then = revoke_if_used;
    return STATUS_OK;
}

void sessions_refresh(struct db_query *query, const struct session_credential *credential, const char *ip,
                      const struct session_limits *limits, struct refreshed *refreshed) {
    const char *const parameters[ROTATE_PARAMETERS] = {
        [REFRESH_SESSION] = db_uuid_parameter(query, &credential->session_id),
        [REFRESH_GENERATION] = db_integer_parameter(query, credential->generation),
        [REFRESH_IDLE_MS] = db_integer_parameter(query, limits->idle_ms),
        [REFRESH_IP] = db_text_parameter(query, ip),
        [REFRESH_RETRY_WINDOW_MS] = db_integer_parameter(query, limits->retry_window_ms),
    };
    assert(credential->generation > 0);
    *refreshed = (struct refreshed){ .result = SESSION_ENDED };
    db_ask(query, &rotate, parameters, refreshed);
    query->then = resolve_if_stale;
}
