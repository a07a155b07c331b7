/* The statement that changes what a user shows: the e-mail address, the name, the user's own object. No session depends on them.
 */
#include "jwtd/users.h"

#include "sql.h"
#include "user_rows.h"

static enum status read_changed_user(const struct db_rows *rows, struct arena *arena, void *result) {
    struct changed_user *changed = result;
    if (db_row_count(rows) == 0)
        return STATUS_OK;
    changed->change = USER_CHANGED;
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

/* Events are of what differs from the row as it was, which the lock in front keeps: nothing does when the statement runs again. */
static const struct db_statement change_profile = {
    .name = "users_change_profile",
    .parameters = PROFILE_PARAMETERS,
    .columns = USER_COLUMN_COUNT,
    .lock = &users_lock_by_id,
    .expected = { "users_email_canonical_key", STATUS_EMAIL_TAKEN },
    .read = read_changed_user,
    .sql = "WITH changed AS ("
           "   UPDATE users"
           "   SET email = coalesce($3, email),"
           "     email_canonical = coalesce($4, email_canonical),"
           "     name = CASE WHEN $5::text IS NULL THEN name ELSE nullif($5, '') END,"
           "     metadata = coalesce($6, metadata),"
           "     updated_at = now()"
           "   WHERE id = $1"
           "     AND password_version = coalesce($2, password_version)"
           "     AND disabled_at IS NULL"
           "   RETURNING *"
           " ),"
           " difference AS ("
           "   SELECT n.id,"
           "     o.email <> n.email AS has_email,"
           "     array_remove(ARRAY[CASE WHEN o.name IS DISTINCT FROM n.name THEN 'name' END,"
           "                        CASE WHEN o.metadata::text <> n.metadata::text THEN 'metadata' END], NULL) AS members"
           "   FROM users o JOIN changed n ON o.id = n.id"
           " ),"
             NOTE_EVENTS("$7", EVENT("email_changed", OF_USER, "difference WHERE has_email")
                               " UNION ALL "
                               EVENT("profile_changed",
                                     "id, NULL::uuid, NULL, jsonb_build_object('members', members)",
                                     "difference WHERE members <> '{}'")) ","
             REMEMBER_KEY("$7", THE_USER, "changed")
           " SELECT " USER_COLUMNS
           " FROM changed",
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
