/* The statements that change a user, most of which revoke sessions. */
#include "jwtd/users.h"

#include "sql.h"
#include "user_rows.h"

/* ---- reading rows ---- */

struct changed {
    bool done;
    struct session_ids *revoked;
};

/* One row for each session that was revoked, and at least one if the user was changed; the second column is the session. */
static enum status read_changed(const struct db_rows *rows, struct arena *arena, void *result) {
    struct changed *changed = result;
    changed->done = db_row_count(rows) > 0;
    return db_copy_uuids(rows, 1, arena, &changed->revoked->ids, &changed->revoked->count);
}

struct changed_user {
    bool done;
    struct user *user;
};

static enum status read_changed_user(const struct db_rows *rows, struct arena *arena, void *result) {
    struct changed_user *changed = result;
    changed->done = db_row_count(rows) == 1;
    return changed->done ? user_read(rows, 0, arena, changed->user) : STATUS_OK;
}

/* ---- statements ---- */

/* clang-format off */

/*
 * A login that is under way locks the user FOR SHARE. A change that waited for it must see its session, so the lock is a
 * statement of its own in front of the change.
 */
static const struct db_statement lock_by_id = {
    .name = "users_lock_by_id",
    .parameters = 1,
    .sql = "SELECT FROM users WHERE id = $1 FOR UPDATE",
};

static const struct db_statement lock_by_email = {
    .name = "users_lock_by_email",
    .parameters = 1,
    .sql = "SELECT FROM users WHERE email_canonical = $1 FOR UPDATE",
};

enum { EMAIL_ID /* $1 */, EMAIL_VERSION /* $2 */, EMAIL_TYPED /* $3 */, EMAIL_CANONICAL /* $4 */, EMAIL_PARAMETERS };

static const struct db_statement change_email = {
    .name = "users_change_email",
    .parameters = EMAIL_PARAMETERS,
    .columns = USER_COLUMN_COUNT,
    .expected = { "users_email_canonical_key", STATUS_EMAIL_TAKEN },
    .read = read_changed_user,
    .sql = "UPDATE users"
           " SET email = $3, email_canonical = $4, updated_at = now()"
           " WHERE id = $1 AND password_version = $2 AND disabled_at IS NULL"
           " RETURNING " USER_COLUMNS,
};

enum {
    PASSWORD_ID /* $1 */,
    PASSWORD_VERSION /* $2 */,
    PASSWORD_HASH /* $3 */,
    PASSWORD_KEPT_SESSION /* $4 */,
    PASSWORD_IP /* $5 */,
    PASSWORD_PARAMETERS
};

/*
 * If the reply to a first run was lost, the version has been incremented: a row that already has the new hash (which is salted, so of
 * this request) counts as changed.
 */
static const struct db_statement change_password = {
    .name = "users_change_password",
    .parameters = PASSWORD_PARAMETERS,
    .columns = 2,
    .lock = &lock_by_id,
    .read = read_changed,
    .sql = "WITH changed AS ("
           "   UPDATE users"
           "   SET password_hash = $3, password_version = $2::bigint + 1, updated_at = now()"
           "   WHERE id = $1 AND disabled_at IS NULL"
           "     AND (password_version = $2 OR (password_version = $2 + 1 AND password_hash = $3))"
           "   RETURNING id"
           " ),"
           " to_revoke AS ("
           "   SELECT id, 'password_changed' AS reason"
           "   FROM sessions"
           "   WHERE user_id IN (SELECT id FROM changed)"
           "     AND id <> $4"
           "     AND (revoked_at IS NULL OR " RECENTLY_REVOKED ")"
               NEWEST_FIRST
           "   FOR UPDATE"
           " ),"
             REVOKE_AND_PUBLISH("to_revoke") ","
           " deleted AS ("
           "   DELETE FROM known_addresses"
           "   WHERE user_id IN (SELECT id FROM changed)"
           "     AND ($5::inet IS NULL OR network <> " NETWORK_OF("$5") ")"
           " ),"
           " known AS ("
           "   INSERT INTO known_addresses (user_id, network, last_login_day)"
           "   SELECT id, " NETWORK_OF("$5") ", current_date"
           "   FROM changed"
           "   WHERE $5::inet IS NOT NULL"
           "   ON CONFLICT (user_id, network) DO UPDATE SET last_login_day = excluded.last_login_day"
           " )"
           " SELECT changed.id, to_revoke.id"
           " FROM changed LEFT JOIN to_revoke ON true",
};

enum { DELETE_ID /* $1 */, DELETE_VERSION /* $2 */, DELETE_PARAMETERS };

/* The sessions are deleted by the cascade at the end of the statement. */
static const struct db_statement delete_user = {
    .name = "users_delete",
    .parameters = DELETE_PARAMETERS,
    .columns = 2,
    .lock = &lock_by_id,
    .read = read_changed,
    .sql = "WITH deleted AS ("
           "   DELETE FROM users"
           "   WHERE id = $1 AND password_version = $2 AND disabled_at IS NULL"
           "   RETURNING id"
           " ),"
           " published AS ("
           "   INSERT INTO revocations (session_id, user_id, reason)"
           "   SELECT s.id, s.user_id, 'user_deleted'"
           "   FROM sessions s JOIN deleted ON s.user_id = deleted.id"
           "   WHERE s.revoked_at IS NULL"
           "   RETURNING session_id"
           " )"
           " SELECT deleted.id, published.session_id"
           " FROM deleted LEFT JOIN published ON true",
};

/* The revocations that the first run of a deletion, whose reply was lost, has published. */
static const struct db_statement find_deletion = {
    .name = "users_find_deletion",
    .parameters = 1,
    .columns = 2,
    .read = read_changed,
    .sql = "SELECT user_id, session_id"
           " FROM revocations"
           " WHERE user_id = $1 AND reason = 'user_deleted' AND " RECENTLY_REVOKED,
};

enum { ROLES_EMAIL /* $1 */, ROLES_JSON /* $2 */, ROLES_PARAMETERS };

static const struct db_statement set_roles = {
    .name = "users_set_roles",
    .parameters = ROLES_PARAMETERS,
    .columns = 1,
    .lock = &lock_by_email,
    .read = db_read_found,
    .sql = "UPDATE users"
           " SET roles = ARRAY(SELECT json_array_elements_text($2::json)), updated_at = now()"
           " WHERE email_canonical = $1"
           " RETURNING id",
};

enum { DISABLE_EMAIL /* $1 */, DISABLE_IS_DISABLED /* $2 */, DISABLE_PARAMETERS };

static const struct db_statement set_disabled = {
    .name = "users_set_disabled",
    .parameters = DISABLE_PARAMETERS,
    .columns = 1,
    .lock = &lock_by_email,
    .read = db_read_found,
    .sql = "WITH changed AS ("
           "   UPDATE users"
           "   SET disabled_at = CASE WHEN $2::boolean THEN coalesce(disabled_at, now()) END, updated_at = now()"
           "   WHERE email_canonical = $1"
           "   RETURNING id"
           " ),"
           " to_revoke AS ("
           "   SELECT id, 'user_disabled' AS reason"
           "   FROM sessions"
           "   WHERE user_id IN (SELECT id FROM changed)"
           "     AND $2::boolean"
           "     AND (revoked_at IS NULL OR " RECENTLY_REVOKED ")"
               NEWEST_FIRST
           "   FOR UPDATE"
           " ),"
             REVOKE_AND_PUBLISH("to_revoke")
           " SELECT id FROM changed",
};

/* clang-format on */

/* ---- calls ---- */

enum status users_change_email(const struct db_call *call, const struct checked_user *checked, struct email_forms email,
                               struct user *user, enum user_change *change) {
    const char *const parameters[EMAIL_PARAMETERS] = {
        [EMAIL_ID] = UUID_PARAMETER(&checked->id),
        [EMAIL_VERSION] = INTEGER_PARAMETER(checked->password_version),
        [EMAIL_TYPED] = email.typed.bytes,
        [EMAIL_CANONICAL] = email.canonical.bytes,
    };
    struct changed_user changed = { .user = user };
    enum status status = db_run(call, &change_email, parameters, &changed);
    *change = USER_STALE;
    if (status == STATUS_EMAIL_TAKEN) {
        *change = USER_EMAIL_TAKEN;
        return STATUS_OK;
    }
    if (status == STATUS_OK && changed.done)
        *change = USER_CHANGED;
    return status;
}

static enum status run_change(const struct db_call *call, const struct db_statement *statement, const char *const *parameters,
                              struct session_ids *revoked, enum user_change *change) {
    struct changed changed = { .revoked = revoked };
    enum status status = db_run(call, statement, parameters, &changed);
    *change = status == STATUS_OK && changed.done ? USER_CHANGED : USER_STALE;
    return status;
}

enum status users_change_password(const struct db_call *call, const struct password_change *wanted, struct session_ids *revoked,
                                  enum user_change *change) {
    const char *const parameters[PASSWORD_PARAMETERS] = {
        [PASSWORD_ID] = UUID_PARAMETER(&wanted->user.id),
        [PASSWORD_VERSION] = INTEGER_PARAMETER(wanted->user.password_version),
        [PASSWORD_HASH] = wanted->new_hash,
        [PASSWORD_KEPT_SESSION] = UUID_PARAMETER(&wanted->kept_session),
        [PASSWORD_IP] = wanted->ip,
    };
    return run_change(call, &change_password, parameters, revoked, change);
}

enum status users_delete(const struct db_call *call, const struct checked_user *checked, struct session_ids *revoked,
                         enum user_change *change) {
    const char *const parameters[DELETE_PARAMETERS] = {
        [DELETE_ID] = UUID_PARAMETER(&checked->id),
        [DELETE_VERSION] = INTEGER_PARAMETER(checked->password_version),
    };
    enum status status = run_change(call, &delete_user, parameters, revoked, change);
    if (status == STATUS_OK && *change == USER_STALE && db_was_rerun(call->db))
        return run_change(call, &find_deletion, &parameters[DELETE_ID], revoked, change);
    return status;
}

enum status users_set_roles(const struct db_call *call, struct text canonical, const char *roles_json, bool *found) {
    const char *const parameters[ROLES_PARAMETERS] = {
        [ROLES_EMAIL] = canonical.bytes,
        [ROLES_JSON] = roles_json,
    };
    return db_run(call, &set_roles, parameters, found);
}

enum status users_set_disabled(const struct db_call *call, struct text canonical, bool disabled, bool *found) {
    const char *const parameters[DISABLE_PARAMETERS] = {
        [DISABLE_EMAIL] = canonical.bytes,
        [DISABLE_IS_DISABLED] = disabled ? "true" : "false",
    };
    return db_run(call, &set_disabled, parameters, found);
}
