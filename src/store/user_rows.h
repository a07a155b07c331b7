/* Rows of the table users, as every statement that returns them selects them. */
#ifndef JWTD_STORE_USER_ROWS_H
#define JWTD_STORE_USER_ROWS_H

#include "statement.h"

#include "jwtd/users.h"

/* clang-format off */
#define USER_COLUMNS \
    "id, email, password_hash, password_version, array_to_json(roles)::text, name, metadata, admin_metadata, version," \
    " created_at, updated_at," \
    " disabled_at IS NOT NULL," \
    " coalesce(password_changed_at > now() - interval '1 minute', false)"
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
    USER_CREATED_AT,
    USER_UPDATED_AT,
    USER_IS_DISABLED,
    USER_PASSWORD_CHANGED_LATELY,
    USER_COLUMN_COUNT /* what a statement selects besides begins here */
};

enum status user_read(const struct db_rows *rows, size_t row, struct arena *arena, struct user *user) MUST_CHECK;

#endif
