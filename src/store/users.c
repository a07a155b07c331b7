#include "jwtd/users.h"

#include "sql.h"
#include "user_rows.h"

/* ---- reading rows ---- */

/* NULL in the rows is {NULL, 0}, as is a text for which there was no memory. */
static bool is_complete(const struct db_rows *rows, size_t row, const struct user *user) {
    return user->email.bytes != NULL && user->password_hash.bytes != NULL && user->roles_json.bytes != NULL &&
           (user->name.bytes != NULL || db_is_null(rows, row, USER_NAME)) && user->metadata_json.bytes != NULL &&
           user->admin_metadata_json.bytes != NULL && user->created_at.bytes != NULL && user->updated_at.bytes != NULL;
}

enum status user_read(const struct db_rows *rows, size_t row, struct arena *arena, struct user *user) {
    *user = (struct user){
        .id = db_uuid(rows, row, USER_ID),
        .email = db_copy_text(rows, row, USER_EMAIL, arena),
        .password_hash = db_copy_text(rows, row, USER_PASSWORD_HASH, arena),
        .password_version = db_integer(rows, row, USER_PASSWORD_VERSION),
        .roles_json = db_copy_text(rows, row, USER_ROLES, arena),
        .name = db_copy_text(rows, row, USER_NAME, arena),
        .metadata_json = db_copy_text(rows, row, USER_METADATA, arena),
        .admin_metadata_json = db_copy_text(rows, row, USER_ADMIN_METADATA, arena),
        .version = db_integer(rows, row, USER_VERSION),
        .password_change_required = db_boolean(rows, row, USER_PASSWORD_CHANGE_REQUIRED),
        .has_password = db_boolean(rows, row, USER_HAS_PASSWORD),
        .created_at = db_copy_time(rows, row, USER_CREATED_AT, arena),
        .updated_at = db_copy_time(rows, row, USER_UPDATED_AT, arena),
        .disabled = db_boolean(rows, row, USER_IS_DISABLED),
        .password_changed_lately = db_boolean(rows, row, USER_PASSWORD_CHANGED_LATELY),
    };
    return is_complete(rows, row, user) ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

static enum status read_found_user(const struct db_rows *rows, struct arena *arena, void *result) {
    struct found_user *found = result;
    found->found = db_row_count(rows) == 1;
    return found->found ? user_read(rows, 0, arena, &found->user) : STATUS_OK;
}

/* In one column more: whether the address is known. */
static enum status read_user_for_login(const struct db_rows *rows, struct arena *arena, void *result) {
    struct found_user *found = result;
    enum status status = read_found_user(rows, arena, found);
    if (status == STATUS_OK && found->found)
        found->user.knows_address = db_boolean(rows, 0, USER_COLUMN_COUNT);
    return status;
}

/* No row: the address is taken. */
static enum status read_inserted(const struct db_rows *rows, struct arena *arena, void *result) {
    struct inserted_user *inserted = result;
    if (db_row_count(rows) == 0)
        return STATUS_OK;
    inserted->result = USER_INSERTED;
    return user_read(rows, 0, arena, &inserted->user);
}

/* The user who has the address, and in one column more whether it was registered with the same key. It has the id that was to be
 * inserted if an earlier run of the same insert has succeeded and its reply was lost. */
static enum status read_conflicting(const struct db_rows *rows, struct arena *arena, void *result) {
    struct inserted_user *inserted = result;
    const struct uuid wanted_id = inserted->user.id;
    if (db_row_count(rows) == 0)
        return STATUS_OK;
    enum status status = user_read(rows, 0, arena, &inserted->user);
    if (uuid_equal(&inserted->user.id, &wanted_id))
        inserted->result = USER_INSERTED;
    else if (db_boolean(rows, 0, USER_COLUMN_COUNT))
        inserted->result = USER_SAME_KEY;
    return status;
}

enum status users_read_list(const struct db_rows *rows, struct arena *arena, void *result) {
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
    .only_reads = true,
    .read = read_found_user,
    .sql = "SELECT " USER_COLUMNS
           " FROM users"
           " WHERE email_canonical = $1",
};

static const struct db_statement find_by_id = {
    .name = "users_find_by_id",
    .parameters = 1,
    .columns = USER_COLUMN_COUNT,
    .only_reads = true,
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
    .only_reads = true,
    .read = read_user_for_login,
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
    INSERT_CHANGE /* $7 */,
    INSERT_NAME /* $8 */,
    INSERT_ROLES /* $9 */,
    INSERT_HAS_PASSWORD /* $10 */,
    INSERT_PARAMETERS
};

static const struct db_statement insert = {
    .name = "users_insert",
    .audit = AUDIT_ADDS,
    .parameters = INSERT_PARAMETERS,
    .columns = USER_COLUMN_COUNT,
    .read = read_inserted,
    .sql = "WITH inserted AS ("
           "   INSERT INTO users (id, email, email_canonical, password_hash, idempotency_digest, name, roles, has_password)"
           "   SELECT $1, $2, $3, $4, $5, nullif($8, ''), ARRAY(SELECT json_array_elements_text($9::json)), $10"
           "   WHERE users_lock_for_administrator(NULL, " SESSION_OF_ADMINISTRATOR("$7") ")"
           "   ON CONFLICT DO NOTHING"
           "   RETURNING *"
           " ),"
           " known AS ("
           "   INSERT INTO known_addresses (user_id, network, last_login_day)"
           "   SELECT id, " NETWORK_OF("$6") ", current_date"
           "   FROM inserted"
           "   WHERE $6::inet IS NOT NULL"
           " ),"
             NOTE_EVENTS("$7", EVENT("user_registered", OF_USER, "inserted WHERE $7::jsonb ->> 'actor' IS NULL")
                               " UNION ALL "
                               EVENT("user_created", OF_USER, "inserted WHERE $7::jsonb ->> 'actor' IS NOT NULL")) ","
             REMEMBER_KEY("$7", THE_USER, "inserted")
           " SELECT " USER_COLUMNS
           " FROM inserted",
};

enum { CONFLICTING_CANONICAL /* $1 */, CONFLICTING_DIGEST /* $2 */, CONFLICTING_CHANGE /* $3 */, CONFLICTING_PARAMETERS };

/* The digest alone is that of the version before 0018_idempotency_keys.sql, whose instances may still run. */
static const struct db_statement find_conflicting = {
    .name = "users_find_conflicting",
    .parameters = CONFLICTING_PARAMETERS,
    .columns = USER_COLUMN_COUNT + 1,
    .only_reads = true,
    .read = read_conflicting,
    .sql = "SELECT " USER_COLUMNS ","
           "   coalesce(idempotency_digest = $2, false)"
           "     AND NOT EXISTS (SELECT FROM idempotency_keys WHERE digest = decode($3::jsonb ->> 'key', 'hex'))"
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
    .only_reads = true,
    .read = users_read_list,
    .sql = "SELECT " USER_COLUMNS
           " FROM users"
           " WHERE id > $1"
           " ORDER BY id"
           " LIMIT $2",
};

/* clang-format on */

/* ---- functions ---- */

void users_find_by_email(struct db_query *query, struct text canonical, struct found_user *found) {
    *found = (struct found_user){ .found = false };
    db_ask(query, &find_by_email, &canonical.bytes, found);
}

void users_find_by_id(struct db_query *query, const struct uuid *id, struct found_user *found) {
    const char *parameter = db_uuid_parameter(query, id);
    *found = (struct found_user){ .found = false };
    db_ask(query, &find_by_id, &parameter, found);
}

void users_find_for_login(struct db_query *query, struct text canonical, const char *ip, struct found_user *found) {
    const char *const parameters[LOGIN_PARAMETERS] = {
        [LOGIN_EMAIL] = canonical.bytes,
        [LOGIN_IP] = db_text_parameter(query, ip),
    };
    *found = (struct found_user){ .found = false };
    db_ask(query, &find_for_login, parameters, found);
}

static enum status ask_conflicting(struct db_query *query, enum status status) {
    struct inserted_user *inserted = query->result;
    if (status != STATUS_OK || inserted->result == USER_INSERTED)
        return status;
    const char *const parameters[CONFLICTING_PARAMETERS] = {
        [CONFLICTING_CANONICAL] = query->parameters[INSERT_CANONICAL],
        [CONFLICTING_DIGEST] = query->parameters[INSERT_DIGEST],
        [CONFLICTING_CHANGE] = query->parameters[INSERT_CHANGE],
    };
    db_ask(query, &find_conflicting, parameters, inserted);
    return STATUS_OK;
}

void users_insert(struct db_query *query, const struct new_user *new_user, struct inserted_user *inserted) {
    const char *const parameters[INSERT_PARAMETERS] = {
        [INSERT_ID] = db_uuid_parameter(query, &new_user->id),
        [INSERT_EMAIL] = new_user->email.typed.bytes,
        [INSERT_CANONICAL] = new_user->email.canonical.bytes,
        [INSERT_HASH] = new_user->password_hash,
        [INSERT_DIGEST] = new_user->idempotency_digest,
        [INSERT_IP] = db_text_parameter(query, new_user->ip),
        [INSERT_CHANGE] = query->change,
        [INSERT_NAME] = new_user->name.bytes,
        [INSERT_ROLES] = new_user->roles_json != NULL ? new_user->roles_json : "[]",
        [INSERT_HAS_PASSWORD] = new_user->has_no_password ? "false" : "true",
    };
    *inserted = (struct inserted_user){ .result = USER_EXISTS, .user.id = new_user->id };
    db_ask(query, &insert, parameters, inserted);
    query->then = ask_conflicting;
}

void users_rehash(struct db_query *query, const struct uuid *id, const char *old_hash, const char *new_hash) {
    const char *const parameters[REHASH_PARAMETERS] = {
        [REHASH_ID] = db_uuid_parameter(query, id),
        [REHASH_OLD] = old_hash,
        [REHASH_NEW] = new_hash,
    };
    db_ask(query, &rehash, parameters, NULL);
}

enum status users_list(const struct db_call *call, const struct uuid *after, unsigned limit, struct user_list *list) {
    static const struct uuid lowest = { { 0 } };
    const char *const parameters[LIST_PARAMETERS] = {
        [LIST_AFTER] = UUID_PARAMETER(after == NULL ? &lowest : after),
        [LIST_LIMIT] = INTEGER_PARAMETER(limit),
    };
    return db_run_statement(call, &list_page, parameters, list);
}
