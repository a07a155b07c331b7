/* The statement that changes what a user shows: the e-mail address, the name, the user's own object. No session depends on them.
 */
#include "jwtd/users.h"

#include "sql.h"
#include "user_rows.h"

static enum status read_changed_user(const struct db_rows *rows, struct arena *arena, void *result) {
    struct changed_user *changed = result;
    if (db_row_count(rows) == 0)
        return STATUS_OK;
    changed->change = db_boolean(rows, 0, USER_COLUMN_COUNT) ? USER_CHANGED : USER_UNCHANGED;
    return user_read(rows, 0, arena, &changed->user);
}

/* clang-format off */

enum {
    PROFILE_ID /* $1 */,
    PROFILE_VERSION /* $2, NULL: no password was checked */,
    PROFILE_EMAIL /* $3 */,
    PROFILE_CANONICAL /* $4 */,
    PROFILE_NAME /* $5 */,
    PROFILE_METADATA /* $6 */,
    PROFILE_CHANGE /* $7 */,
    PROFILE_PARAMETERS
};

/* The profile, which takes no password to change, and all that users change, to be compared: json has no equality. */
#define PROFILE(row) row ".name, " row ".metadata::text"
#define CHANGEABLE(row) "(" row ".email, " PROFILE(row) ")"

/*
 * The first WITH query is the row as it is to be. Nothing changes, and there is no event, where it is so already: also when the
 * statement runs again. A change of the profile is noted, and the row that `changed` returns has another profile_noted_at, only if
 * none was noted within the hour: a name that goes to and fro would fill the audit.
 */
static const struct db_statement change_profile = {
    .name = "users_change_profile",
    .audit = AUDIT_ADDS,
    .parameters = PROFILE_PARAMETERS,
    .columns = USER_COLUMN_COUNT + 1,
    .lock = &users_lock_by_id,
    .expected = { "users_email_canonical_key", STATUS_EMAIL_TAKEN },
    .read = read_changed_user,
    .sql = "WITH wanted AS ("
           "   SELECT id,"
           "     coalesce($3, email) AS email,"
           "     coalesce($4, email_canonical) AS email_canonical,"
           "     CASE WHEN $5::text IS NULL THEN name ELSE nullif($5, '') END AS name,"
           "     coalesce($6, metadata) AS metadata"
           "   FROM users"
           "   WHERE id = $1"
           "     AND password_version = coalesce($2, password_version)"
           "     AND disabled_at IS NULL"
           " ),"
           " changed AS ("
           "   UPDATE users u"
           "   SET email = w.email, email_canonical = w.email_canonical, name = w.name, metadata = w.metadata, updated_at = now(),"
           "     profile_noted_at = CASE WHEN (" PROFILE("u") ") IS DISTINCT FROM (" PROFILE("w") ")"
           "       AND coalesce(u.profile_noted_at < now() - interval '1 hour', true) THEN now() ELSE u.profile_noted_at END"
           "   FROM wanted w"
           "   WHERE u.id = w.id AND " CHANGEABLE("u") " IS DISTINCT FROM " CHANGEABLE("w")
           "   RETURNING u.*"
           " ),"
           " after AS ("
           "   SELECT *, true AS is_changed FROM changed"
           "   UNION ALL"
           "   SELECT u.*, false FROM users u JOIN wanted USING (id) WHERE NOT EXISTS (SELECT FROM changed)"
           " ),"
           " difference AS ("
           "   SELECT n.id,"
           "     o.email <> n.email AS has_email,"
           "     o.profile_noted_at IS DISTINCT FROM n.profile_noted_at AS has_profile,"
           "     array_remove(ARRAY[CASE WHEN o.name IS DISTINCT FROM n.name THEN 'name' END,"
           "                        CASE WHEN o.metadata::text <> n.metadata::text THEN 'metadata' END], NULL) AS members"
           "   FROM users o JOIN changed n ON o.id = n.id"
           " ),"
             NOTE_EVENTS("$7", EVENT("email_changed", OF_USER, "difference WHERE has_email")
                               " UNION ALL "
                               EVENT("profile_changed",
                                     "id, NULL::uuid, NULL, jsonb_build_object('members', members)",
                                     "difference WHERE has_profile")) ","
             REMEMBER_KEY("$7", THE_USER, "after")
           " SELECT " USER_COLUMNS ", is_changed"
           " FROM after",
};

/* clang-format on */

void users_change_profile(struct db_query *query, const struct profile_change *wanted, struct changed_user *changed) {
    const struct checked_user *user = &wanted->user;
    const char *const parameters[PROFILE_PARAMETERS] = {
        [PROFILE_ID] = db_uuid_parameter(query, &user->id),
        [PROFILE_VERSION] = user->password_version != 0 ? db_integer_parameter(query, user->password_version) : NULL,
        [PROFILE_EMAIL] = wanted->email.typed.bytes,
        [PROFILE_CANONICAL] = wanted->email.canonical.bytes,
        [PROFILE_NAME] = wanted->name.bytes,
        [PROFILE_METADATA] = wanted->metadata_json.bytes,
        [PROFILE_CHANGE] = query->change,
    };
    *changed = (struct changed_user){ .change = USER_STALE };
    db_ask(query, &change_profile, parameters, changed);
}
