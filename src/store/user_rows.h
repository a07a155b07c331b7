/* Rows of the table users, as every statement that returns them selects them. */
#ifndef JWTD_STORE_USER_ROWS_H
#define JWTD_STORE_USER_ROWS_H

#include "sql.h"
#include "statement.h"

#include "jwtd/users.h"

/* clang-format off */
#define USER_COLUMNS \
    "id, email, password_hash, password_version, array_to_json(roles)::text, name, metadata, admin_metadata, version," \
    " password_change_required, has_password, created_at, updated_at," \
    " disabled_at IS NOT NULL," \
    " coalesce(password_changed_at > now() - interval '1 minute', false)"

/*
 * What follows a WITH query `deleted`, which deletes a user and returns the id: `published` inserts the user's live sessions, whose
 * ids it returns, into the table that the other instances read, and the rest is noted and remembered (sql.h). The sessions themselves
 * are deleted by the cascade, at the end of the statement. `change` is the parameter with the change context, `reason` a literal: why
 * the sessions end.
 */
#define PUBLISH_DELETED(change, reason) \
    " published AS (" \
    "   INSERT INTO revocations (session_id, user_id, reason)" \
    "   SELECT s.id, s.user_id, " reason \
    "   FROM sessions s JOIN deleted ON s.user_id = deleted.id" \
    "   WHERE s.revoked_at IS NULL" \
    "   RETURNING session_id AS id" \
    " )," \
    NOTE_EVENTS(change, EVENT("user_deleted", OF_USER, "deleted") \
                        " UNION ALL " \
                        EVENT("session_ended", \
                              "s.user_id, s.id, " reason ", jsonb_build_object('refreshes', s.generation - 1)", \
                              "sessions s JOIN deleted ON s.user_id = deleted.id WHERE s.revoked_at IS NULL")) "," \
    REMEMBER_KEY(change, THE_USER, "deleted")
/* clang-format on */

enum user_column {
    USER_ID,
    USER_EMAIL,
    USER_PASSWORD_HASH,
    USER_PASSWORD_VERSION,
    USER_ROLES,
    USER_NAME,
    USER_METADATA,
    USER_ADMIN_METADATA,
    USER_VERSION,
    USER_PASSWORD_CHANGE_REQUIRED,
    USER_HAS_PASSWORD,
    USER_CREATED_AT,
    USER_UPDATED_AT,
    USER_IS_DISABLED,
    USER_PASSWORD_CHANGED_LATELY,
    USER_COLUMN_COUNT /* what a statement selects besides begins here */
};

enum status user_read(const struct db_rows *rows, size_t row, struct arena *arena, struct user *user) MUST_CHECK;

/* Reader: *result is a struct user_list. */
enum status users_read_list(const struct db_rows *rows, struct arena *arena, void *result) MUST_CHECK;

/*
 * For statements whose first parameter is the user's id. A login that is under way locks the user FOR SHARE. A change that waited
 * for it must see its session, so the lock is a statement of its own in front of the change.
 */
extern const struct db_statement users_lock_by_id;

/* The constraint in the name of which a trigger refuses to remove the last administrator. */
#define USERS_LAST_ADMINISTRATOR "users_last_administrator"

#endif
