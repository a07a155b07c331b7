#include "jwtd/sessions.h"

#include "sql.h"
#include "statement.h"

#include <assert.h>
#include <string.h>

/* ---- reading rows ---- */

static enum status read_opened(const struct db_rows *rows, struct arena *arena, void *result) {
    struct opened_session *opened = result;
    (void)arena;
    opened->done = db_row_count(rows) == 1;
    if (opened->done) {
        opened->refresh_expires_in_s = db_integer(rows, 0, 0);
        opened->live_sessions = db_integer(rows, 0, 1);
    }
    return STATUS_OK;
}

static enum status read_ids(const struct db_rows *rows, struct arena *arena, void *result) {
    struct session_ids *ids = result;
    return db_copy_uuids(rows, 0, arena, &ids->ids, &ids->count);
}

static enum status read_revoked(const struct db_rows *rows, struct arena *arena, void *result) {
    struct revoked_session *revoked = result;
    (void)arena;
    revoked->found = db_row_count(rows) == 1;
    revoked->is_new = revoked->found && db_boolean(rows, 0, 0);
    return STATUS_OK;
}

enum { LISTED_ID, LISTED_CREATED_AT, LISTED_LAST_USED_AT, LISTED_EXPIRES_AT, LISTED_IP, LISTED_USER_AGENT, LISTED_COLUMNS };

static enum status read_session(const struct db_rows *rows, size_t row, struct arena *arena, struct session *session) {
    *session = (struct session){
        .id = db_uuid(rows, row, LISTED_ID),
        .created_at = db_copy_time(rows, row, LISTED_CREATED_AT, arena),
        .last_used_at = db_copy_time(rows, row, LISTED_LAST_USED_AT, arena),
        .expires_at = db_copy_time(rows, row, LISTED_EXPIRES_AT, arena),
        .ip = db_copy_text(rows, row, LISTED_IP, arena),
        .user_agent = db_copy_text(rows, row, LISTED_USER_AGENT, arena),
    };
    bool is_complete =
        session->created_at.bytes != NULL && session->last_used_at.bytes != NULL && session->expires_at.bytes != NULL;
    return is_complete ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

static enum status read_list(const struct db_rows *rows, struct arena *arena, void *result) {
    struct session_list *list = result;
    list->count = db_row_count(rows);
    list->sessions = arena_alloc(arena, list->count * sizeof *list->sessions);
    enum status status = list->sessions != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
    for (size_t row = 0; status == STATUS_OK && row < list->count; row++)
        status = read_session(rows, row, arena, &list->sessions[row]);
    return status;
}

/* ---- statements ---- */

/* clang-format off */

/* So far below SESSIONS_PER_USER that concurrent logins cannot exceed it unnoticed. */
#define COUNTED_SESSIONS 50

enum {
    OPEN_SESSION /* $1 */,
    OPEN_IDLE_MS /* $2 */,
    OPEN_USER /* $3 */,
    OPEN_PASSWORD_VERSION /* $4 */,
    OPEN_TTL_MS /* $5 */,
    OPEN_IP /* $6 */,
    OPEN_USER_AGENT /* $7 */,
    OPEN_CHANGE /* $8 */,
    OPEN_PARAMETERS
};

/*
 * FOR SHARE: a password change either waits for this session, and revokes it, or is seen here. Counted are the sessions that may be
 * live, and no more than COUNTED_SESSIONS of them.
 */
static const struct db_statement open_session = {
    .name = "sessions_open",
    .parameters = OPEN_PARAMETERS,
    .columns = 2,
    .read = read_opened,
    .sql = "WITH owner AS ("
           "   SELECT id"
           "   FROM users"
           "   WHERE id = $3 AND password_version = $4 AND disabled_at IS NULL AND NOT password_change_required"
           "   FOR SHARE"
           " ),"
           " known AS ("
           "   INSERT INTO known_addresses (user_id, network, last_login_day)"
           "   SELECT id, " NETWORK_OF("$6") ", current_date"
           "   FROM owner"
           "   WHERE $6 IS NOT NULL"
           "     AND NOT EXISTS (SELECT FROM known_addresses k"
           "                     WHERE k.user_id = $3 AND k.network = " NETWORK_OF("$6")
           "                       AND k.last_login_day = current_date)"
           "   ON CONFLICT (user_id, network) DO UPDATE SET last_login_day = excluded.last_login_day"
           " ),"
             REMEMBER_KEY("$8", "id, $1::uuid", "owner")
           " INSERT INTO sessions (id, user_id, last_used_day, expires_at, ip, user_agent)"
           " SELECT $1, id, " TODAY ", now() + $5 * interval '1 millisecond', $6, $7"
           " FROM owner"
           " ON CONFLICT (id) DO UPDATE SET last_used_at = now()"
           " RETURNING floor(extract(epoch FROM least(expires_at - now(), $2 * interval '1 millisecond')))::bigint,"
           "   (SELECT count(*) FROM (SELECT FROM sessions"
           "                          WHERE user_id = $3 AND revoked_at IS NULL"
           "                          LIMIT " TEXT_OF_MACRO(COUNTED_SESSIONS) ") AS counted)",
};

enum { EXCESS_USER /* $1 */, EXCESS_IDLE_MS /* $2 */, EXCESS_PARAMETERS };

/*
 * Each of several concurrent logins counts without the others; but the last of these statements sees all of them, so that in the end
 * no more than SESSIONS_PER_USER live. It waits for none: a session that is locked is being deleted by another of these statements, or
 * else it is refreshed or ended at this moment, and the next login counts it. Only those to be deleted are locked: to lock the hundred
 * that stay would write each of them. They are deleted rather than revoked, since that writes no index. "= ANY" and no join: a join's
 * plan, when made while the table was empty, reads a whole index.
 */
static const struct db_statement delete_excess = {
    .name = "sessions_delete_excess",
    .parameters = EXCESS_PARAMETERS,
    .columns = 1,
    .read = read_ids,
    .sql = "WITH excess AS ("
           "   SELECT id"
           "   FROM sessions"
           "   WHERE id = ANY (ARRAY(SELECT id FROM sessions"
           "                         WHERE user_id = $1 AND " LIVE("$2")
                                     NEWEST_FIRST
           "                         OFFSET " TEXT_OF_MACRO(SESSIONS_PER_USER) "))"
           "   FOR UPDATE SKIP LOCKED"
           " ),"
           " deleted AS ("
           "   DELETE FROM sessions"
           "   WHERE id = ANY (ARRAY(SELECT id FROM excess))"
           "   RETURNING id, user_id"
           " ),"
           " published AS ("
           "   INSERT INTO revocations (session_id, user_id, reason)"
           "   SELECT id, user_id, 'limit' FROM deleted"
           " )"
           " SELECT id FROM deleted",
};

enum {
    LOGOUT_SESSION /* $1 */,
    LOGOUT_IDLE_MS /* $2 */,
    LOGOUT_GENERATION /* $3 */,
    LOGOUT_CHANGE /* $4 */,
    LOGOUT_PARAMETERS
};

/*
 * A valid credential ($1, $3): of a live session of a user who is not disabled; a refresh token ($3 is not NULL) is also the current
 * one, its parent, or newer than the row, which lost it in a failover. $2 is the idle limit.
 */
#define CREDENTIAL_IS_VALID \
    "(" LIVE("$2") \
    " AND EXISTS (SELECT FROM users u WHERE u.id = s.user_id AND u.disabled_at IS NULL)" \
    " AND ($3::integer IS NULL OR s.generation <= $3::integer OR " PARENT " = $3::integer))"

/* Those revoked within the last minute are returned again, whatever the credential: they have ended, and are not changed. */
static const struct db_statement log_out = {
    .name = "sessions_log_out",
    .audit = AUDIT_ADDS,
    .parameters = LOGOUT_PARAMETERS,
    .columns = 1,
    .read = read_ids,
    .sql = "WITH to_revoke AS ("
           "   SELECT id, 'logout' AS reason"
           "   FROM sessions s"
           "   WHERE id = $1 AND (" RECENTLY_REVOKED " OR " CREDENTIAL_IS_VALID ")"
           "   FOR UPDATE"
           " ),"
             REVOKE_AND_PUBLISH("to_revoke") ","
             NOTE_EVENTS("$4", SESSIONS_ENDED)
           " SELECT id FROM to_revoke",
};

/* The credential is checked twice: before any lock is taken, so that an invalid one costs nothing, and again under the locks. */
static const struct db_statement log_out_everywhere = {
    .name = "sessions_log_out_everywhere",
    .audit = AUDIT_ADDS,
    .parameters = LOGOUT_PARAMETERS,
    .columns = 1,
    .read = read_ids,
    .sql = "WITH locked AS ("
           "   SELECT id, revoked_at IS NULL AS is_live, id = $1 AND " CREDENTIAL_IS_VALID " AS is_valid"
           "   FROM sessions s"
           "   WHERE user_id = (SELECT user_id FROM sessions s"
           "                    WHERE id = $1 AND (" RECENTLY_REVOKED " OR " CREDENTIAL_IS_VALID "))"
           "     AND (revoked_at IS NULL OR " RECENTLY_REVOKED ")"
               NEWEST_FIRST
           "   FOR UPDATE"
           " ),"
           " to_revoke AS ("
           "   SELECT id, 'logout' AS reason"
           "   FROM locked"
           "   WHERE is_live AND (SELECT bool_or(is_valid) FROM locked)"
           " ),"
             REVOKE_AND_PUBLISH("to_revoke") ","
             NOTE_EVENTS("$4", SESSIONS_ENDED)
           " SELECT id FROM locked"
           " WHERE NOT is_live OR id IN (SELECT id FROM to_revoke)",
};

enum { REVOKE_SESSION /* $1 */, REVOKE_REASON /* $2 */, REVOKE_USER /* $3 */, REVOKE_CHANGE /* $4 */, REVOKE_PARAMETERS };

static const struct db_statement revoke_of_user = {
    .name = "sessions_revoke_of_user",
    .audit = AUDIT_ADDS,
    .parameters = REVOKE_PARAMETERS,
    .columns = 1,
    .read = read_revoked,
    .sql = "WITH to_revoke AS ("
           "   SELECT id, $2 AS reason, revoked_at IS NULL AS is_new"
           "   FROM sessions"
           "   WHERE id = $1 AND user_id = $3 AND (revoked_at IS NULL OR " RECENTLY_REVOKED ")"
           "   FOR UPDATE"
           " ),"
             REVOKE_AND_PUBLISH("to_revoke") ","
             NOTE_EVENTS("$4", SESSIONS_ENDED) ","
             REMEMBER_KEY("$4", "user_id, id", "revoked")
           " SELECT is_new FROM to_revoke",
};

enum { LIST_USER /* $1 */, LIST_IDLE_MS /* $2 */, LIST_CURRENT /* $3 */, LIST_PARAMETERS };

static const struct db_statement list_live = {
    .name = "sessions_list",
    .parameters = LIST_PARAMETERS,
    .columns = LISTED_COLUMNS,
    .only_reads = true,
    .read = read_list,
    .sql = "SELECT id, created_at, shown_use, least(expires_at, shown_use + $2 * interval '1 millisecond'), host(ip), user_agent"
           " FROM sessions,"
           "   LATERAL (SELECT CASE WHEN id = $3 THEN date_trunc('hour', last_used_at, 'UTC')"
           "                   ELSE last_used_at END AS shown_use) AS shown"
           " WHERE user_id = $1 AND " LIVE("$2")
             NEWEST_FIRST
           " LIMIT " TEXT_OF_MACRO(SESSIONS_PER_USER),
};

/* clang-format on */

/* ---- functions ---- */

static enum status trim(struct db_query *query, enum status status) {
    struct opened_session *opened = query->result;
    if (status != STATUS_OK || opened->live_sessions < COUNTED_SESSIONS)
        return status;
    const char *const parameters[EXCESS_PARAMETERS] = {
        [EXCESS_USER] = query->parameters[OPEN_USER],
        [EXCESS_IDLE_MS] = query->parameters[OPEN_IDLE_MS],
    };
    db_ask(query, &delete_excess, parameters, &opened->revoked);
    return STATUS_OK;
}

void sessions_open(struct db_query *query, const struct new_session *session, const struct session_limits *limits,
                   struct opened_session *opened) {
    const char *const parameters[OPEN_PARAMETERS] = {
        [OPEN_SESSION] = db_uuid_parameter(query, &session->id),
        [OPEN_IDLE_MS] = db_integer_parameter(query, limits->idle_ms),
        [OPEN_USER] = db_uuid_parameter(query, &session->user_id),
        [OPEN_PASSWORD_VERSION] = db_integer_parameter(query, session->password_version),
        [OPEN_TTL_MS] = db_integer_parameter(query, limits->ttl_ms),
        [OPEN_IP] = db_text_parameter(query, session->ip),
        [OPEN_USER_AGENT] = session->user_agent,
        [OPEN_CHANGE] = query->change,
    };
    assert(session->user_agent == NULL || strlen(session->user_agent) <= SESSION_USER_AGENT_MAX);
    *opened = (struct opened_session){ .done = false };
    db_ask(query, &open_session, parameters, opened);
    query->then = trim;
}

void sessions_log_out(struct db_query *query, const struct session_credential *credential, const struct session_limits *limits,
                      bool everywhere, struct session_ids *revoked) {
    const char *const parameters[LOGOUT_PARAMETERS] = {
        [LOGOUT_SESSION] = db_uuid_parameter(query, &credential->session_id),
        [LOGOUT_IDLE_MS] = db_integer_parameter(query, limits->idle_ms),
        [LOGOUT_GENERATION] = credential->generation == 0 ? NULL : db_integer_parameter(query, credential->generation),
        [LOGOUT_CHANGE] = query->change,
    };
    *revoked = (struct session_ids){ .count = 0 };
    db_ask(query, everywhere ? &log_out_everywhere : &log_out, parameters, revoked);
}

/* One that was revoked before is not found; unless the reply to a first run was lost, which has then revoked it. */
static enum status judge_revoked(struct db_query *query, enum status status) {
    struct revoked_session *revoked = query->result;
    if (status == STATUS_OK)
        revoked->found = revoked->is_new || (revoked->found && query->was_rerun);
    return status;
}

void sessions_revoke_of_user(struct db_query *query, const struct uuid *session_id, const struct uuid *user_id,
                             const char *reason, struct revoked_session *revoked) {
    const char *const parameters[REVOKE_PARAMETERS] = {
        [REVOKE_SESSION] = db_uuid_parameter(query, session_id),
        [REVOKE_REASON] = reason,
        [REVOKE_USER] = db_uuid_parameter(query, user_id),
        [REVOKE_CHANGE] = query->change,
    };
    *revoked = (struct revoked_session){ .found = false };
    db_ask(query, &revoke_of_user, parameters, revoked);
    query->then = judge_revoked;
}

void sessions_list(struct db_query *query, const struct uuid *user_id, const struct uuid *current,
                   const struct session_limits *limits, struct session_list *list) {
    const char *const parameters[LIST_PARAMETERS] = {
        [LIST_USER] = db_uuid_parameter(query, user_id),
        [LIST_IDLE_MS] = db_integer_parameter(query, limits->idle_ms),
        [LIST_CURRENT] = db_uuid_parameter(query, current),
    };
    *list = (struct session_list){ .count = 0 };
    db_ask(query, &list_live, parameters, list);
}
