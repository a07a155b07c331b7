#include "jwtd/user_admin.h"

#include "sql.h"
#include "user_rows.h"

#include <assert.h>

/* ---- reading rows ---- */

enum { ADMINISTERED_IS_DONE, ADMINISTERED_REVOKED, ADMINISTERED_COLUMNS };

/* The ids of sessions, one behind the other in one text, so that the user, who may have kilobytes of metadata, is not repeated
 * for each. */
static enum status read_revoked(struct text ids, struct arena *arena, struct session_ids *revoked) {
    size_t count = ids.len / UUID_TEXT_LEN;
    revoked->ids = arena_alloc(arena, count * sizeof *revoked->ids);
    if (revoked->ids == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (size_t i = 0; i < count; i++)
        if (uuid_parse(ids.bytes + i * UUID_TEXT_LEN, UUID_TEXT_LEN, &revoked->ids[revoked->count]))
            revoked->count++;
    return STATUS_OK;
}

/* At most one row; `first` is the column of ADMINISTERED_IS_DONE. */
static enum status read_outcome(const struct db_rows *rows, int first, struct arena *arena,
                                struct administered_user *administered) {
    if (db_row_count(rows) == 0)
        return STATUS_OK;
    administered->result = db_boolean(rows, 0, first + ADMINISTERED_IS_DONE) ? USER_ADMIN_DONE : USER_ADMIN_STALE;
    return read_revoked(db_text(rows, 0, first + ADMINISTERED_REVOKED), arena, &administered->revoked);
}

static enum status read_administered(const struct db_rows *rows, struct arena *arena, void *result) {
    return read_outcome(rows, 0, arena, result);
}

static enum status read_changed(const struct db_rows *rows, struct arena *arena, void *result) {
    struct administered_user *administered = result;
    enum status status = read_outcome(rows, USER_COLUMN_COUNT, arena, administered);
    return status == STATUS_OK && db_row_count(rows) > 0 ? user_read(rows, 0, arena, &administered->user) : status;
}

/* ---- statements ---- */

/* clang-format off */

enum { LIST_BEFORE /* $1 */, LIST_LIMIT /* $2 */, LIST_PARAMETERS };

static const struct db_statement list_newest = {
    .name = "user_admin_list",
    .parameters = LIST_PARAMETERS,
    .columns = USER_COLUMN_COUNT,
    .only_reads = true,
    .read = users_read_list,
    .sql = "SELECT " USER_COLUMNS
           " FROM users"
           " WHERE id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')"
           " ORDER BY id DESC"
           " LIMIT $2",
};

enum { PREFIX /* $1 */, PREFIX_AFTER /* $2 */, PREFIX_LIMIT /* $3 */, PREFIX_PARAMETERS };

/* A range rather than LIKE, which takes no index when the pattern is a parameter. No address has the last code point, which is
 * behind all others in the order of bytes. */
static const struct db_statement list_by_prefix = {
    .name = "user_admin_list_by_prefix",
    .parameters = PREFIX_PARAMETERS,
    .columns = USER_COLUMN_COUNT,
    .only_reads = true,
    .read = users_read_list,
    .sql = "SELECT " USER_COLUMNS
           " FROM users"
           " WHERE email_canonical >= $1::text AND email_canonical < $1::text || chr(1114111)"
           "   AND email_canonical > coalesce($2::text, '')"
           " ORDER BY email_canonical"
           " LIMIT $3",
};

/* Behind a WITH query of revocations that returns sessions' ids. */
#define IDS_OF(revoked) "(SELECT string_agg(id::text, '') FROM " revoked ")"

enum { LOCK_ID /* $1 */, LOCK_CHANGE /* $2 */, LOCK_PARAMETERS };

/* In front of the statements below, which have the same first two parameters: users_lock_by_id, and that the administrator whose
 * session the change context names is still one. */
static const struct db_statement lock = {
    .name = "user_admin_lock",
    .parameters = LOCK_PARAMETERS,
    .columns = 1,
    .sql = "SELECT users_lock_for_administrator($1, " SESSION_OF_ADMINISTRATOR("$2") ")",
};

enum { CHANGE_ID /* $1 */, CHANGE_CHANGE /* $2 */, CHANGE_MEMBERS /* $3 */, CHANGE_VERSION /* $4 */, CHANGE_PARAMETERS };

/* What an administrator changes, to be compared: json has no equality. */
#define CHANGEABLE(row) \
    "(" row ".roles, " row ".disabled_at, " row ".password_change_required, " row ".name, " row ".metadata::text, " \
        row ".admin_metadata::text)"

/* Of the row as it was, which the lock in front keeps, and as it is. */
#define BEFORE_AND_AFTER "users b JOIN changed a USING (id) WHERE "
#define CHANGED_FROM_TO(column) \
    "id, NULL::uuid, NULL, jsonb_build_object('from', b." column ", 'to', a." column ")"
#define CHANGE_EVENTS \
    EVENT("roles_changed", CHANGED_FROM_TO("roles"), BEFORE_AND_AFTER "b.roles <> a.roles") \
    " UNION ALL " \
    EVENT("user_disabled", OF_USER, BEFORE_AND_AFTER "b.disabled_at IS NULL AND a.disabled_at IS NOT NULL") \
    " UNION ALL " \
    EVENT("user_enabled", OF_USER, BEFORE_AND_AFTER "b.disabled_at IS NOT NULL AND a.disabled_at IS NULL") \
    " UNION ALL " \
    EVENT("password_change_required", CHANGED_FROM_TO("password_change_required"), \
          BEFORE_AND_AFTER "b.password_change_required <> a.password_change_required") \
    " UNION ALL " \
    EVENT("profile_changed", OF_USER, \
          BEFORE_AND_AFTER "(b.name, b.metadata::text, b.admin_metadata::text)" \
          " IS DISTINCT FROM (a.name, a.metadata::text, a.admin_metadata::text)")

/* The first WITH queries: the row as it is to be, and then as it is, from whichever of the two others has it. */
static const struct db_statement change = {
    .name = "user_admin_change",
    .audit = AUDIT_ADDS,
    .parameters = CHANGE_PARAMETERS,
    .columns = USER_COLUMN_COUNT + ADMINISTERED_COLUMNS,
    .lock = &lock,
    .expected = { USERS_LAST_ADMINISTRATOR, STATUS_LAST_ADMIN },
    .read = read_changed,
    .sql = "WITH wanted AS ("
           "   SELECT id,"
           "     CASE WHEN members -> 'roles' IS NULL THEN roles"
           "       ELSE ARRAY(SELECT json_array_elements_text(members -> 'roles')) END AS roles,"
           "     CASE WHEN coalesce((members ->> 'disabled')::boolean, disabled_at IS NOT NULL)"
           "       THEN coalesce(disabled_at, now()) END AS disabled_at,"
           "     coalesce((members ->> 'password_change_required')::boolean, password_change_required)"
           "       AS password_change_required,"
           "     CASE WHEN members -> 'name' IS NULL THEN name ELSE members ->> 'name' END AS name,"
           "     coalesce(members -> 'metadata', metadata) AS metadata,"
           "     coalesce(members -> 'admin_metadata', admin_metadata) AS admin_metadata"
           "   FROM users, CAST($3 AS json) AS members"
           "   WHERE id = $1"
           " ),"
           " changed AS ("
           "   UPDATE users u"
           "   SET roles = w.roles, disabled_at = w.disabled_at, password_change_required = w.password_change_required,"
           "     name = w.name, metadata = w.metadata, admin_metadata = w.admin_metadata, version = u.version + 1, updated_at = now()"
           "   FROM wanted w"
           "   WHERE u.id = w.id"
           "     AND $4::bigint IN (u.version, 0)"
           "     AND " CHANGEABLE("u") " IS DISTINCT FROM " CHANGEABLE("w")
           "   RETURNING u.*"
           " ),"
           " after AS ("
           "   SELECT *, true AS is_done FROM changed"
           "   UNION ALL"
           "   SELECT u.*, " CHANGEABLE("u") " IS NOT DISTINCT FROM " CHANGEABLE("w")
           "   FROM users u JOIN wanted w USING (id)"
           "   WHERE NOT EXISTS (SELECT FROM changed)"
           " ),"
           " to_revoke AS ("
           "   SELECT id, CASE WHEN (SELECT disabled_at FROM after) IS NOT NULL THEN 'user_disabled'"
           "     ELSE 'password_change_required' END AS reason"
           "   FROM sessions"
           "   WHERE user_id IN (SELECT id FROM after"
           "                     WHERE is_done AND (disabled_at IS NOT NULL OR password_change_required))"
           "     AND (revoked_at IS NULL OR " RECENTLY_REVOKED ")"
               NEWEST_FIRST
           "   FOR UPDATE"
           " ),"
             REVOKE_AND_PUBLISH("to_revoke") ","
             NOTE_EVENTS("$2", CHANGE_EVENTS " UNION ALL " SESSIONS_ENDED) ","
             REMEMBER_KEY("$2", THE_USER, "after WHERE is_done")
           " SELECT " USER_COLUMNS ", is_done, " IDS_OF("to_revoke")
           " FROM after",
};

enum { DELETE_ID /* $1 */, DELETE_CHANGE /* $2 */, DELETE_VERSION /* $3 */, DELETE_PARAMETERS };

static const struct db_statement delete_user = {
    .name = "user_admin_delete",
    .audit = AUDIT_ADDS,
    .parameters = DELETE_PARAMETERS,
    .columns = ADMINISTERED_COLUMNS,
    .lock = &lock,
    .expected = { USERS_LAST_ADMINISTRATOR, STATUS_LAST_ADMIN },
    .read = read_administered,
    .sql = "WITH deleted AS ("
           "   DELETE FROM users"
           "   WHERE id = $1 AND $3::bigint IN (version, 0)"
           "   RETURNING id"
           " ),"
             PUBLISH_DELETED("$2", "'deleted_by_administrator'")
           " SELECT EXISTS (SELECT FROM deleted), " IDS_OF("published")
           " FROM users"
           " WHERE id = $1",
};

/* The revocations that the first run of a deletion, whose reply was lost, has published; no row without any. */
static const struct db_statement find_deletion = {
    .name = "user_admin_find_deletion",
    .parameters = 1,
    .columns = ADMINISTERED_COLUMNS,
    .only_reads = true,
    .read = read_administered,
    .sql = "SELECT true, string_agg(session_id::text, '')"
           " FROM revocations"
           " WHERE user_id = $1 AND reason = 'deleted_by_administrator' AND " RECENTLY_REVOKED
           " HAVING count(*) > 0",
};

enum { END_ID /* $1 */, END_CHANGE /* $2 */, END_PARAMETERS };

static const struct db_statement end_sessions = {
    .name = "user_admin_end_sessions",
    .audit = AUDIT_ADDS,
    .parameters = END_PARAMETERS,
    .columns = ADMINISTERED_COLUMNS,
    .lock = &lock,
    .read = read_administered,
    .sql = "WITH to_revoke AS ("
           "   SELECT id, 'ended_by_administrator' AS reason"
           "   FROM sessions"
           "   WHERE user_id = $1 AND (revoked_at IS NULL OR " RECENTLY_REVOKED ")"
               NEWEST_FIRST
           "   FOR UPDATE"
           " ),"
             REVOKE_AND_PUBLISH("to_revoke") ","
             NOTE_EVENTS("$2", SESSIONS_ENDED) ","
             REMEMBER_KEY("$2", THE_USER, "users WHERE id = $1")
           " SELECT true, " IDS_OF("to_revoke")
           " FROM users"
           " WHERE id = $1",
};

/* clang-format on */

/* ---- functions ---- */

void user_admin_list(struct db_query *query, const struct uuid *before, unsigned limit, struct user_list *list) {
    const char *const parameters[LIST_PARAMETERS] = {
        [LIST_BEFORE] = before == NULL ? NULL : db_uuid_parameter(query, before),
        [LIST_LIMIT] = db_integer_parameter(query, limit),
    };
    *list = (struct user_list){ .count = 0 };
    db_ask(query, &list_newest, parameters, list);
}

void user_admin_list_by_prefix(struct db_query *query, const char *prefix, const char *after, unsigned limit,
                               struct user_list *list) {
    const char *const parameters[PREFIX_PARAMETERS] = {
        [PREFIX] = prefix,
        [PREFIX_AFTER] = after,
        [PREFIX_LIMIT] = db_integer_parameter(query, limit),
    };
    *list = (struct user_list){ .count = 0 };
    db_ask(query, &list_by_prefix, parameters, list);
}

void user_admin_change(struct db_query *query, const struct user_choice *choice, const char *changes,
                       struct administered_user *administered) {
    const char *const parameters[CHANGE_PARAMETERS] = {
        [CHANGE_ID] = db_uuid_parameter(query, &choice->id),
        [CHANGE_VERSION] = db_integer_parameter(query, choice->version),
        [CHANGE_MEMBERS] = changes,
        [CHANGE_CHANGE] = query->change,
    };
    *administered = (struct administered_user){ .result = USER_ADMIN_NOT_FOUND };
    db_ask(query, &change, parameters, administered);
}

/* If the reply to a first run was lost, that run may have deleted the user. One who had no session leaves no trace of it; that
 * the user is gone is what was wanted in any case. */
static enum status ask_deletion(struct db_query *query, enum status status) {
    struct administered_user *administered = query->result;
    if (status != STATUS_OK || administered->result != USER_ADMIN_NOT_FOUND || !query->was_rerun)
        return status;
    administered->result = USER_ADMIN_DONE;
    const char *id = query->parameters[DELETE_ID];
    db_ask(query, &find_deletion, &id, administered);
    return STATUS_OK;
}

void user_admin_delete(struct db_query *query, const struct user_choice *choice, struct administered_user *administered) {
    const char *const parameters[DELETE_PARAMETERS] = {
        [DELETE_ID] = db_uuid_parameter(query, &choice->id),
        [DELETE_VERSION] = db_integer_parameter(query, choice->version),
        [DELETE_CHANGE] = query->change,
    };
    *administered = (struct administered_user){ .result = USER_ADMIN_NOT_FOUND };
    db_ask(query, &delete_user, parameters, administered);
    query->then = ask_deletion;
}

void user_admin_end_sessions(struct db_query *query, const struct uuid *id, struct administered_user *administered) {
    const char *const parameters[END_PARAMETERS] = {
        [END_ID] = db_uuid_parameter(query, id),
        [END_CHANGE] = query->change,
    };
    *administered = (struct administered_user){ .result = USER_ADMIN_NOT_FOUND };
    db_ask(query, &end_sessions, parameters, administered);
}
