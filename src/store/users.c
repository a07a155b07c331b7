#include "jwtd/users.h"

#include "sql.h"
#include "user_rows.h"

/* ---- reading rows ---- */

static bool is_complete(const struct user *user) {
    return user->email.bytes != NULL && user->password_hash.bytes != NULL && user->roles_json.bytes != NULL &&
           user->created_at.bytes != NULL && user->updated_at.bytes != NULL;
}

enum status user_read(const struct db_rows *rows, size_t row, struct arena *arena, struct user *user) {
    *user = (struct user){
        .id = db_uuid(rows, row, USER_ID),
        .email = db_copy_text(rows, row, USER_EMAIL, arena),
        .password_hash = db_copy_text(rows, row, USER_PASSWORD_HASH, arena),
        .password_version = db_integer(rows, row, USER_PASSWORD_VERSION),
        .roles_json = db_copy_text(rows, row, USER_ROLES, arena),
        .created_at = db_copy_time(rows, row, USER_CREATED_AT, arena),
        .updated_at = db_copy_time(rows, row, USER_UPDATED_AT, arena),
        .disabled = db_boolean(rows, row, USER_IS_DISABLED),
        .changed_lately = db_boolean(rows, row, USER_CHANGED_LATELY),
    };
    return is_complete(user) ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

/* One user or none, and the flag that a statement has in one further column. */
struct found_user {
    struct user *user;
    bool found, flag;
};

static enum status read_found_user(const struct db_rows *rows, struct arena *arena, void *result) {
    struct found_user *found = result;
    found->found = db_row_count(rows) == 1;
    return found->found ? user_read(rows, 0, arena, found->user) : STATUS_OK;
}

static enum status read_flagged_user(const struct db_rows *rows, struct arena *arena, void *result) {
    struct found_user *found = result;
    enum status status = read_found_user(rows, arena, found);
    found->flag = status == STATUS_OK && found->found && db_boolean(rows, 0, USER_COLUMN_COUNT);
    return status;
}

static enum status read_users(const struct db_rows *rows, struct arena *arena, void *result) {
    struct user_list *list = result;
    list->count = db_row_count(rows);
    list->users = arena_alloc(arena, list->count * sizeof *list->users);
    enum status status = list->users != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
    for (size_t row = 0; status == STATUS_OK && row < list->count; row++)
        status = user_read(rows, row, arena, &list->users[row]);
    return status;
}

/* ---- statements ---- */

/* clang-format off */

static const struct db_statement find_by_email = {
    .name = "users_find_by_email",
    .parameters = 1,
    .columns = USER_COLUMN_COUNT,
    .read = read_found_user,
    .sql = "SELECT " USER_COLUMNS
           " FROM users"
           " WHERE email_canonical = $1",
};

static const struct db_statement find_by_id = {
    .name = "users_find_by_id",
    .parameters = 1,
    .columns = USER_COLUMN_COUNT,
    .read = read_found_user,
    .sql = "SELECT " USER_COLUMNS
           " FROM users"
           " WHERE id = $1",
};

enum { LOGIN_EMAIL /* $1 */, LOGIN_IP /* $2 */, LOGIN_PARAMETERS };

static const struct db_statement find_for_login = {
    .name = "users_find_for_login",
    .parameters = LOGIN_PARAMETERS,
    .columns = USER_COLUMN_COUNT + 1,
    .read = read_flagged_user,
    .sql = "SELECT " USER_COLUMNS ","
           "   EXISTS (SELECT FROM known_addresses k"
           "           WHERE k.user_id = users.id"
           "             AND k.network = " NETWORK_OF("$2")
           "             AND k.last_login_day >= current_date - " TEXT_OF_MACRO(KNOWN_ADDRESS_DAYS) ")"
           " FROM users"
           " WHERE email_canonical = $1",
};

enum {
    INSERT_ID /* $1 */,
    INSERT_EMAIL /* $2 */,
    INSERT_CANONICAL /* $3 */,
    INSERT_HASH /* $4 */,
    INSERT_DIGEST /* $5 */,
    INSERT_IP /* $6 */,
    INSERT_PARAMETERS
};

static const struct db_statement insert = {
    .name = "users_insert",
    .parameters = INSERT_PARAMETERS,
    .columns = USER_COLUMN_COUNT,
    .read = read_found_user,
    .sql = "WITH inserted AS ("
           "   INSERT INTO users (id, email, email_canonical, password_hash, idempotency_digest)"
           "   VALUES ($1, $2, $3, $4, $5)"
           "   ON CONFLICT DO NOTHING"
           "   RETURNING *"
           " ),"
           " known AS ("
           "   INSERT INTO known_addresses (user_id, network, last_login_day)"
           "   SELECT id, " NETWORK_OF("$6") ", current_date"
           "   FROM inserted"
           "   WHERE $6::inet IS NOT NULL"
           " )"
           " SELECT " USER_COLUMNS
           " FROM inserted",
};

enum { CONFLICTING_CANONICAL /* $1 */, CONFLICTING_DIGEST /* $2 */, CONFLICTING_PARAMETERS };

static const struct db_statement find_conflicting = {
    .name = "users_find_conflicting",
    .parameters = CONFLICTING_PARAMETERS,
    .columns = USER_COLUMN_COUNT + 1,
    .read = read_flagged_user,
    .sql = "SELECT " USER_COLUMNS ", coalesce(idempotency_digest = $2, false)"
           " FROM users"
           " WHERE email_canonical = $1",
};

enum { REHASH_ID /* $1 */, REHASH_OLD /* $2 */, REHASH_NEW /* $3 */, REHASH_PARAMETERS };

static const struct db_statement rehash = {
    .name = "users_rehash",
    .parameters = REHASH_PARAMETERS,
    .sql = "UPDATE users"
           " SET password_hash = $3"
           " WHERE id = $1 AND password_hash = $2",
};

enum { LIST_AFTER /* $1 */, LIST_LIMIT /* $2 */, LIST_PARAMETERS };

static const struct db_statement list_page = {
    .name = "users_list",
    .parameters = LIST_PARAMETERS,
    .columns = USER_COLUMN_COUNT,
    .read = read_users,
    .sql = "SELECT " USER_COLUMNS
           " FROM users"
           " WHERE id > $1"
           " ORDER BY id"
           " LIMIT $2",
};

/* clang-format on */

/* ---- calls ---- */

static enum status find(const struct db_call *call, const struct db_statement *statement, const char *key, struct user *user,
                        bool *found) {
    struct found_user result = { .user = user };
    enum status status = db_run(call, statement, &key, &result);
    *found = status == STATUS_OK && result.found;
    return status;
}

enum status users_find_by_email(const struct db_call *call, struct text canonical, struct user *user, bool *found) {
    return find(call, &find_by_email, canonical.bytes, user, found);
}

enum status users_find_by_id(const struct db_call *call, const struct uuid *id, struct user *user, bool *found) {
    return find(call, &find_by_id, UUID_PARAMETER(id), user, found);
}

enum status users_find_for_login(const struct db_call *call, struct text canonical, const char *ip, struct user *user,
                                 bool *found) {
    const char *const parameters[LOGIN_PARAMETERS] = {
        [LOGIN_EMAIL] = canonical.bytes,
        [LOGIN_IP] = ip,
    };
    struct found_user result = { .user = user };
    enum status status = db_run(call, &find_for_login, parameters, &result);
    *found = status == STATUS_OK && result.found;
    if (*found)
        user->knows_address = result.flag;
    return status;
}

/* The user who has the address to be inserted: with the same id if an earlier run of the same insert has succeeded and its reply
 * was lost. */
static enum status find_conflicting_user(const struct db_call *call, const struct new_user *new_user, struct user *user,
                                         enum user_insert_result *result) {
    const char *const parameters[CONFLICTING_PARAMETERS] = {
        [CONFLICTING_CANONICAL] = new_user->email.canonical.bytes,
        [CONFLICTING_DIGEST] = new_user->idempotency_digest,
    };
    struct found_user found = { .user = user };
    enum status status = db_run(call, &find_conflicting, parameters, &found);
    *result = USER_EXISTS;
    if (status == STATUS_OK && found.found && uuid_equal(&user->id, &new_user->id))
        *result = USER_INSERTED;
    else if (status == STATUS_OK && found.flag)
        *result = USER_SAME_KEY;
    return status;
}

enum status users_insert(const struct db_call *call, const struct new_user *new_user, struct user *user,
                         enum user_insert_result *result) {
    const char *const parameters[INSERT_PARAMETERS] = {
        [INSERT_ID] = UUID_PARAMETER(&new_user->id),          [INSERT_EMAIL] = new_user->email.typed.bytes,
        [INSERT_CANONICAL] = new_user->email.canonical.bytes, [INSERT_HASH] = new_user->password_hash,
        [INSERT_DIGEST] = new_user->idempotency_digest,       [INSERT_IP] = new_user->ip,
    };
    struct found_user inserted = { .user = user };
    enum status status = db_run(call, &insert, parameters, &inserted);
    *result = USER_INSERTED;
    return status == STATUS_OK && !inserted.found ? find_conflicting_user(call, new_user, user, result) : status;
}

enum status users_rehash(const struct db_call *call, const struct uuid *id, const char *old_hash, const char *new_hash) {
    const char *const parameters[REHASH_PARAMETERS] = {
        [REHASH_ID] = UUID_PARAMETER(id),
        [REHASH_OLD] = old_hash,
        [REHASH_NEW] = new_hash,
    };
    return db_run(call, &rehash, parameters, NULL);
}

enum status users_list(const struct db_call *call, const struct uuid *after, unsigned limit, struct user_list *list) {
    static const struct uuid lowest = { { 0 } };
    const char *const parameters[LIST_PARAMETERS] = {
        [LIST_AFTER] = UUID_PARAMETER(after == NULL ? &lowest : after),
        [LIST_LIMIT] = INTEGER_PARAMETER(limit),
    };
    return db_run(call, &list_page, parameters, list);
}
