/* The statements that change a user and may revoke sessions. */
#include "jwtd/users.h"

#include "sql.h"
#include "user_rows.h"

/* ---- reading rows ---- */

/* One row for each session that was revoked, and at least one if the user was changed; the second column is the session. */
static enum status read_changed(const struct db_rows *rows, struct arena *arena, void *result) {
    struct changed_user *changed = result;
    if (db_row_count(rows) > 0)
        changed->change = USER_CHANGED;
    return db_copy_uuids(rows, 1, arena, &changed->revoked.ids, &changed->revoked.count);
}

/* One row for each session that was revoked, and at least one if the session was opened. */
static enum status read_opened(const struct db_rows *rows, struct arena *arena, void *result) {
    struct opened_session *opened = result;
    opened->done = db_row_count(rows) > 0;
    opened->refresh_expires_in_s = opened->done ? db_integer(rows, 0, 0) : 0;
    return db_copy_uuids(rows, 1, arena, &opened->revoked.ids, &opened->revoked.count);
}

/* ---- statements ---- */

/* clang-format off */

const struct db_statement users_lock_by_id = {
    .name = "users_lock_by_id",
    .parameters = 1,
    .sql = "SELECT FROM users WHERE id = $1 FOR UPDATE",
};

enum {
    PASSWORD_ID /* $1 */,
    PASSWORD_VERSION /* $2 */,
    PASSWORD_HASH /* $3 */,
    PASSWORD_KEPT_SESSION /* $4 */,
    PASSWORD_IP /* $5 */,
    PASSWORD_CHANGE /* $6 */,
    PASSWORD_PARAMETERS
};

/*
 * The WITH queries of a change: `changed`, `to_revoke`, and what follows from them. If the reply to a first run was lost, the version has
 * been incremented: a row that already has the new hash (which is salted, so of this request) counts as changed. `remembered` is for
 * REMEMBER_KEY.
 */
#define PASSWORD_CHANGED(remembered) \
    " changed AS (" \
    "   UPDATE users" \
    "   SET password_hash = $3, password_version = $2::bigint + 1, password_changed_at = now()," \
    "     password_change_required = false, has_password = true, updated_at = now()" \
    "   WHERE id = $1 AND (disabled_at IS NULL OR $6::jsonb ->> 'actor' LIKE 'shell:%')" \
    "     AND (password_version = $2 OR (password_version = $2 + 1 AND password_hash = $3))" \
    "   RETURNING id" \
    " )," \
    " to_revoke AS (" \
    "   SELECT id, 'password_changed' AS reason" \
    "   FROM sessions" \
    "   WHERE user_id IN (SELECT id FROM changed)" \
    "     AND id <> $4" \
    "     AND (revoked_at IS NULL OR " RECENTLY_REVOKED ")" \
        NEWEST_FIRST \
    "   FOR UPDATE" \
    " )," \
    REVOKE_AND_PUBLISH("to_revoke") "," \
    NOTE_EVENTS("$6", EVENT("password_changed", OF_USER, \
                            "changed WHERE EXISTS (SELECT FROM users WHERE id = $1 AND password_version = $2)") \
                      " UNION ALL " SESSIONS_ENDED) "," \
    REMEMBER_KEY("$6", remembered, "changed") "," \
    " deleted AS (" \
    "   DELETE FROM known_addresses" \
    "   WHERE user_id IN (SELECT id FROM changed)" \
    "     AND ($5::inet IS NULL OR network <> " NETWORK_OF("$5") ")" \
    " )," \
    " known AS (" \
    "   INSERT INTO known_addresses (user_id, network, last_login_day)" \
    "   SELECT id, " NETWORK_OF("$5") ", current_date" \
    "   FROM changed" \
    "   WHERE $5::inet IS NOT NULL" \
    "   ON CONFLICT (user_id, network) DO UPDATE SET last_login_day = excluded.last_login_day" \
    " )"

static const struct db_statement change_password = {
    .name = "users_change_password",
    .audit = AUDIT_ADDS,
    .parameters = PASSWORD_PARAMETERS,
    .columns = 2,
    .lock = &users_lock_by_id,
    .read = read_changed,
    .sql = "WITH" PASSWORD_CHANGED(THE_USER)
           " SELECT changed.id, to_revoke.id"
           " FROM changed LEFT JOIN to_revoke ON true",
};

enum {
    AT_LOGIN_TTL_MS = PASSWORD_PARAMETERS /* $7; those before are of the change itself */,
    AT_LOGIN_USER_AGENT /* $8 */,
    AT_LOGIN_IDLE_MS /* $9 */,
    AT_LOGIN_PARAMETERS
};

/* The kept session is the one that is opened. */
static const struct db_statement change_password_at_login = {
    .name = "users_change_password_at_login",
    .audit = AUDIT_ADDS,
    .parameters = AT_LOGIN_PARAMETERS,
    .columns = 2,
    .lock = &users_lock_by_id,
    .read = read_opened,
    .sql = "WITH" PASSWORD_CHANGED("id, $4::uuid") ","
           " opened AS ("
           "   INSERT INTO sessions (id, user_id, last_used_day, expires_at, ip, user_agent)"
           "   SELECT $4, id, " TODAY ", now() + $7 * interval '1 millisecond', $5::inet, $8"
           "   FROM changed"
           "   ON CONFLICT (id) DO UPDATE SET last_used_at = now()"
           "   RETURNING floor(extract(epoch FROM least(expires_at - now(), $9 * interval '1 millisecond')))::bigint AS expires_in"
           " )"
           " SELECT opened.expires_in, to_revoke.id"
           " FROM opened LEFT JOIN to_revoke ON true",
};

enum { DELETE_ID /* $1 */, DELETE_VERSION /* $2 */, DELETE_CHANGE /* $3 */, DELETE_PARAMETERS };

static const struct db_statement delete_user = {
    .name = "users_delete",
    .audit = AUDIT_ADDS,
    .parameters = DELETE_PARAMETERS,
    .columns = 2,
    .lock = &users_lock_by_id,
    .expected = { USERS_LAST_ADMINISTRATOR, STATUS_LAST_ADMIN },
    .read = read_changed,
    .sql = "WITH deleted AS ("
           "   DELETE FROM users"
           "   WHERE id = $1 AND password_version = $2 AND disabled_at IS NULL"
           "   RETURNING id"
           " ),"
             PUBLISH_DELETED("$3", "'user_deleted'")
           " SELECT deleted.id, published.id"
           " FROM deleted LEFT JOIN published ON true",
};

/* The revocations that the first run of a deletion, whose reply was lost, has published. */
static const struct db_statement find_deletion = {
    .name = "users_find_deletion",
    .parameters = 1,
    .columns = 2,
    .only_reads = true,
    .read = read_changed,
    .sql = "SELECT user_id, session_id"
           " FROM revocations"
           " WHERE user_id = $1 AND reason = 'user_deleted' AND " RECENTLY_REVOKED,
};

/* clang-format on */

/* ---- functions ---- */

static void set_password_parameters(struct db_query *query, const struct password_change *wanted, const char **parameters) {
    parameters[PASSWORD_ID] = db_uuid_parameter(query, &wanted->user.id);
    parameters[PASSWORD_VERSION] = db_integer_parameter(query, wanted->user.password_version);
    parameters[PASSWORD_HASH] = wanted->new_hash;
    parameters[PASSWORD_KEPT_SESSION] = db_uuid_parameter(query, &wanted->kept_session);
    parameters[PASSWORD_IP] = db_text_parameter(query, wanted->ip);
    parameters[PASSWORD_CHANGE] = query->change;
}

void users_change_password(struct db_query *query, const struct password_change *wanted, struct changed_user *changed) {
    const char *parameters[PASSWORD_PARAMETERS];
    set_password_parameters(query, wanted, parameters);
    *changed = (struct changed_user){ .change = USER_STALE };
    db_ask(query, &change_password, parameters, changed);
}

void users_change_password_at_login(struct db_query *query, const struct password_change *wanted, const char *user_agent,
                                    const struct session_limits *limits, struct opened_session *opened) {
    const char *parameters[AT_LOGIN_PARAMETERS];
    set_password_parameters(query, wanted, parameters);
    parameters[AT_LOGIN_TTL_MS] = db_integer_parameter(query, limits->ttl_ms);
    parameters[AT_LOGIN_USER_AGENT] = user_agent;
    parameters[AT_LOGIN_IDLE_MS] = db_integer_parameter(query, limits->idle_ms);
    *opened = (struct opened_session){ .done = false };
    db_ask(query, &change_password_at_login, parameters, opened);
}

/* If the reply to a first run was lost, that run may have deleted the user. */
static enum status ask_deletion(struct db_query *query, enum status status) {
    struct changed_user *changed = query->result;
    if (status != STATUS_OK || changed->change != USER_STALE || !query->was_rerun)
        return status;
    const char *id = query->parameters[DELETE_ID];
    db_ask(query, &find_deletion, &id, changed);
    return STATUS_OK;
}

void users_delete(struct db_query *query, const struct checked_user *checked, struct changed_user *changed) {
    const char *const parameters[DELETE_PARAMETERS] = {
        [DELETE_ID] = db_uuid_parameter(query, &checked->id),
        [DELETE_VERSION] = db_integer_parameter(query, checked->password_version),
        [DELETE_CHANGE] = query->change,
    };
    *changed = (struct changed_user){ .change = USER_STALE };
    db_ask(query, &delete_user, parameters, changed);
    query->then = ask_deletion;
}
