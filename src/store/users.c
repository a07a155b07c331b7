#include "jwtd/users.h"

#include "db_values.h"
#include "sql.h"

#include <string.h>

#define USER_COLUMNS                                                                                                             \
    "id, email, password_hash, password_version, array_to_json(roles)::text, created_at, updated_at, disabled_at IS NOT NULL,"   \
    " updated_at > now() - interval '1 minute' AND updated_at > created_at"
#define USER_COLUMN_COUNT 9

static bool is_complete(const struct user *user) {
    return user->email.bytes != NULL && user->password_hash.bytes != NULL && user->roles_json.bytes != NULL &&
           user->created_at.bytes != NULL && user->updated_at.bytes != NULL;
}

static enum status read_user(const struct db_rows *rows, size_t row, struct arena *arena, struct user *user) {
    *user = (struct user){
        .id = db_uuid(rows, row, 0),
        .email = db_copy_text(rows, row, 1, arena),
        .password_hash = db_copy_text(rows, row, 2, arena),
        .password_version = db_integer(rows, row, 3),
        .roles_json = db_copy_text(rows, row, 4, arena),
        .created_at = db_copy_time(rows, row, 5, arena),
        .updated_at = db_copy_time(rows, row, 6, arena),
        .disabled = db_boolean(rows, row, 7),
        .changed_lately = db_boolean(rows, row, 8),
    };
    return is_complete(user) ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

static enum status find_user(struct db *db, int64_t deadline_us, struct arena *arena, const struct db_statement *statement,
                             const char *key, struct user *user, bool *found) {
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, statement, &key, &rows);
    if (status != STATUS_OK)
        return status;
    *found = db_row_count(rows) == 1;
    if (*found)
        status = read_user(rows, 0, arena, user);
    db_release(db);
    return status;
}

enum status users_find_by_email(struct db *db, int64_t deadline_us, struct arena *arena, struct text canonical, struct user *user,
                                bool *found) {
    static const struct db_statement statement = { .name = "users_find_by_email",
                                                   .sql = "SELECT " USER_COLUMNS " FROM users WHERE email_canonical = $1",
                                                   .parameters = 1 };
    return find_user(db, deadline_us, arena, &statement, canonical.bytes, user, found);
}

enum status users_find_by_id(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *id, struct user *user,
                             bool *found) {
    static const struct db_statement statement = { .name = "users_find_by_id",
                                                   .sql = "SELECT " USER_COLUMNS " FROM users WHERE id = $1",
                                                   .parameters = 1 };
    char id_text[UUID_TEXT_SIZE];
    return find_user(db, deadline_us, arena, &statement, uuid_text(id, id_text), user, found);
}

enum status users_find_for_login(struct db *db, int64_t deadline_us, struct arena *arena, struct text canonical, const char *ip,
                                 struct user *user, bool *found, bool *knows_address) {
    static const struct db_statement statement = {
        .name = "users_find_for_login",
        .sql = "SELECT " USER_COLUMNS
               ", EXISTS (SELECT FROM known_addresses k WHERE k.user_id = users.id AND k.network = " NETWORK_OF(
                   "$2") ") FROM users WHERE email_canonical = $1",
        .parameters = 2
    };
    const struct db_rows *rows;
    *knows_address = false;
    enum status status = db_run(db, deadline_us, &statement, (const char *const[]){ canonical.bytes, ip }, &rows);
    if (status != STATUS_OK)
        return status;
    *found = db_row_count(rows) == 1;
    if (*found) {
        status = read_user(rows, 0, arena, user);
        *knows_address = db_boolean(rows, 0, USER_COLUMN_COUNT);
    }
    db_release(db);
    return status;
}

/* Who holds the address: this very id when an earlier try of the same insert had succeeded and its answer was lost. */
static enum status look_at_holder(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *id,
                                  const char *canonical, const char *idempotency_digest, struct user *user,
                                  enum user_insert_result *result) {
    static const struct db_statement statement = {
        .name = "users_look_at_holder",
        .sql = "SELECT " USER_COLUMNS ", coalesce(idempotency_digest = $2, false) FROM users WHERE email_canonical = $1",
        .parameters = 2
    };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &statement, (const char *const[]){ canonical, idempotency_digest }, &rows);
    if (status != STATUS_OK)
        return status;
    *result = USER_EXISTS;
    if (db_row_count(rows) == 1) {
        struct uuid holder = db_uuid(rows, 0, 0);
        if (uuid_equal(&holder, id))
            *result = USER_INSERTED;
        else if (db_boolean(rows, 0, USER_COLUMN_COUNT))
            *result = USER_SAME_KEY;
        if (*result != USER_EXISTS)
            status = read_user(rows, 0, arena, user);
    }
    db_release(db);
    return status;
}

enum status users_insert(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *id, struct email_forms email,
                         const char *password_hash, const char *idempotency_digest, const char *ip, struct user *user,
                         enum user_insert_result *result) {
    static const struct db_statement statement = {
        .name = "users_insert",
        .sql = "WITH inserted AS (INSERT INTO users (id, email, email_canonical, password_hash, idempotency_digest)"
               " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING *),"
               " known AS (INSERT INTO known_addresses (user_id, network, last_login_day)"
               " SELECT id, " NETWORK_OF("$6") ", current_date FROM inserted WHERE $6::inet IS NOT NULL)"
                                               " SELECT " USER_COLUMNS " FROM inserted",
        .parameters = 6
    };
    char id_text[UUID_TEXT_SIZE];
    const char *const parameters[] = { uuid_text(id, id_text), email.typed.bytes,  email.canonical.bytes,
                                       password_hash,          idempotency_digest, ip };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    if (db_row_count(rows) == 0)
        return look_at_holder(db, deadline_us, arena, id, email.canonical.bytes, idempotency_digest, user, result);
    *result = USER_INSERTED;
    status = read_user(rows, 0, arena, user);
    db_release(db);
    return status;
}

enum status users_rehash(struct db *db, int64_t deadline_us, const struct uuid *id, const char *old_hash, const char *new_hash) {
    static const struct db_statement statement = {
        .name = "users_rehash", .sql = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2", .parameters = 3
    };
    char id_text[UUID_TEXT_SIZE];
    const struct db_rows *rows;
    enum status status =
        db_run(db, deadline_us, &statement, (const char *const[]){ uuid_text(id, id_text), old_hash, new_hash }, &rows);
    db_release(db);
    return status;
}

enum status users_change_email(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *id,
                               int64_t password_version, struct email_forms email, struct user *user, enum user_change *change) {
    static const struct db_statement statement = {
        .name = "users_change_email",
        .sql = "UPDATE users SET email = $3, email_canonical = $4, updated_at = now()"
               " WHERE id = $1 AND password_version = $2 AND disabled_at IS NULL RETURNING " USER_COLUMNS,
        .parameters = 4,
        .expected = { "users_email_canonical_key", STATUS_EMAIL_TAKEN }
    };
    char id_text[UUID_TEXT_SIZE], version_text[INTEGER_TEXT_SIZE];
    const char *const parameters[] = { uuid_text(id, id_text), integer_text(password_version, version_text), email.typed.bytes,
                                       email.canonical.bytes };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    *change = status == STATUS_EMAIL_TAKEN ? USER_EMAIL_TAKEN : USER_STALE;
    if (status == STATUS_EMAIL_TAKEN)
        return STATUS_OK;
    if (status != STATUS_OK)
        return status;
    if (db_row_count(rows) == 1) {
        *change = USER_CHANGED;
        status = read_user(rows, 0, arena, user);
    }
    db_release(db);
    return status;
}

/*
 * A login that is under way locks the user FOR SHARE. A change that waited for it must see its session, so the lock is a
 * statement of its own in front of the change.
 */
static const struct db_statement lock_by_id = { .name = "users_lock_by_id",
                                                .sql = "SELECT FROM users WHERE id = $1 FOR UPDATE",
                                                .parameters = 1 };
static const struct db_statement lock_by_email = { .name = "users_lock_by_email",
                                                   .sql = "SELECT FROM users WHERE email_canonical = $1 FOR UPDATE",
                                                   .parameters = 1 };

/* A change gives one row per ended session, and at least one if the user was changed; the second column is the session. */
static enum status run_change(struct db *db, int64_t deadline_us, struct arena *arena, const struct db_statement *statement,
                              const char *const *parameters, struct session_ids *revoked, enum user_change *change) {
    const struct db_rows *rows;
    enum status status = db_run_locked(db, deadline_us, &lock_by_id, statement, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    *change = db_row_count(rows) > 0 ? USER_CHANGED : USER_STALE;
    status = copy_session_ids(rows, 1, arena, revoked);
    db_release(db);
    return status;
}

/*
 * Run again after its answer was lost, the version has moved: the row that already holds the new hash (a salted one, so nobody
 * else's) counts as changed.
 */
enum status users_change_password(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *id,
                                  int64_t password_version, const char *new_hash, const struct uuid *kept_session, const char *ip,
                                  struct session_ids *revoked, enum user_change *change) {
    static const struct db_statement statement = {
        .name = "users_change_password",
        .sql = "WITH changed AS (UPDATE users SET password_hash = $3, password_version = $2::bigint + 1, updated_at = now()"
               " WHERE id = $1 AND disabled_at IS NULL"
               " AND (password_version = $2 OR (password_version = $2 + 1 AND password_hash = $3)) RETURNING id),"
               " doomed AS (SELECT id, 'password_changed' AS reason FROM sessions WHERE user_id IN (SELECT id FROM changed) AND "
               "id <> $4"
               " AND " NOT_LONG_REVOKED NEWEST_FIRST " FOR UPDATE), " END_DOOMED ","
               " forgotten AS (DELETE FROM known_addresses WHERE user_id IN (SELECT id FROM changed)"
               " AND ($5::inet IS NULL OR network <> " NETWORK_OF(
                   "$5") ")),"
                         " known AS (INSERT INTO known_addresses (user_id, network, last_login_day)"
                         " SELECT id, " NETWORK_OF(
                             "$5") ", current_date FROM changed WHERE $5::inet IS NOT NULL"
                                   " ON CONFLICT (user_id, network) DO UPDATE SET last_login_day = excluded.last_login_day)"
                                   " SELECT changed.id, doomed.id FROM changed LEFT JOIN doomed ON true",
        .parameters = 5
    };
    char id_text[UUID_TEXT_SIZE], version_text[INTEGER_TEXT_SIZE], kept_text[UUID_TEXT_SIZE];
    const char *const parameters[] = { uuid_text(id, id_text), integer_text(password_version, version_text), new_hash,
                                       uuid_text(kept_session, kept_text), ip };
    return run_change(db, deadline_us, arena, &statement, parameters, revoked, change);
}

/* What the first run of a deletion has written down before its answer was lost. */
static enum status look_for_deletion(struct db *db, int64_t deadline_us, struct arena *arena, const char *const *parameters,
                                     struct session_ids *revoked, enum user_change *change) {
    static const struct db_statement statement = {
        .name = "users_look_for_deletion",
        .sql = "SELECT user_id, session_id FROM revocations"
               " WHERE user_id = $1 AND reason = 'user_deleted' AND revoked_at > now() - interval '1 minute'",
        .parameters = 1
    };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    *change = db_row_count(rows) > 0 ? USER_CHANGED : USER_STALE;
    status = copy_session_ids(rows, 1, arena, revoked);
    db_release(db);
    return status;
}

enum status users_delete(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *id, int64_t password_version,
                         struct session_ids *revoked, enum user_change *change) {
    /* The sessions themselves go by the cascade, when the statement ends. */
    static const struct db_statement statement = {
        .name = "users_delete",
        .sql = "WITH deleted AS (DELETE FROM users WHERE id = $1 AND password_version = $2 AND disabled_at IS NULL RETURNING id),"
               " told AS (INSERT INTO revocations (session_id, user_id, reason) SELECT s.id, s.user_id, 'user_deleted'"
               " FROM sessions s JOIN deleted ON s.user_id = deleted.id WHERE s.revoked_at IS NULL RETURNING session_id)"
               " SELECT deleted.id, told.session_id FROM deleted LEFT JOIN told ON true",
        .parameters = 2
    };
    char id_text[UUID_TEXT_SIZE], version_text[INTEGER_TEXT_SIZE];
    const char *const parameters[] = { uuid_text(id, id_text), integer_text(password_version, version_text) };
    enum status status = run_change(db, deadline_us, arena, &statement, parameters, revoked, change);
    if (status == STATUS_OK && *change == USER_STALE && db_was_rerun(db))
        return look_for_deletion(db, deadline_us, arena, parameters, revoked, change);
    return status;
}

static enum status run_by_email(struct db *db, int64_t deadline_us, const struct db_statement *statement,
                                const char *const *parameters, bool *found) {
    const struct db_rows *rows;
    enum status status = db_run_locked(db, deadline_us, &lock_by_email, statement, parameters, &rows);
    if (status == STATUS_OK)
        *found = db_row_count(rows) > 0;
    db_release(db);
    return status;
}

enum status users_set_roles(struct db *db, int64_t deadline_us, struct text canonical, const char *roles_json, bool *found) {
    static const struct db_statement statement = {
        .name = "users_set_roles",
        .sql = "UPDATE users SET roles = ARRAY(SELECT json_array_elements_text($2::json)), updated_at = now()"
               " WHERE email_canonical = $1 RETURNING id",
        .parameters = 2
    };
    return run_by_email(db, deadline_us, &statement, (const char *const[]){ canonical.bytes, roles_json }, found);
}

enum status users_set_disabled(struct db *db, int64_t deadline_us, struct text canonical, bool disabled, bool *found) {
    static const struct db_statement statement = {
        .name = "users_set_disabled",
        .sql = "WITH changed AS (UPDATE users SET disabled_at = CASE WHEN $2::boolean THEN coalesce(disabled_at, now()) END,"
               " updated_at = now() WHERE email_canonical = $1 RETURNING id),"
               " doomed AS (SELECT id, 'user_disabled' AS reason FROM sessions WHERE user_id IN (SELECT id FROM changed) AND "
               "$2::boolean"
               " AND " NOT_LONG_REVOKED NEWEST_FIRST " FOR UPDATE), " END_DOOMED " SELECT id FROM changed",
        .parameters = 2
    };
    return run_by_email(db, deadline_us, &statement, (const char *const[]){ canonical.bytes, disabled ? "true" : "false" },
                        found);
}

enum status users_list(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *after, unsigned limit,
                       struct user **users, size_t *count) {
    static const struct db_statement statement = { .name = "users_list",
                                                   .sql = "SELECT " USER_COLUMNS " FROM users WHERE id > $1 ORDER BY id LIMIT $2",
                                                   .parameters = 2 };
    static const struct uuid lowest = { { 0 } };
    char after_text[UUID_TEXT_SIZE], limit_text[INTEGER_TEXT_SIZE];
    const struct db_rows *rows;
    const char *const parameters[] = { uuid_text(after == NULL ? &lowest : after, after_text), integer_text(limit, limit_text) };
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    *count = db_row_count(rows);
    *users = arena_alloc(arena, *count * sizeof **users);
    if (*users == NULL)
        status = STATUS_OUT_OF_MEMORY;
    for (size_t row = 0; status == STATUS_OK && row < *count; row++)
        status = read_user(rows, row, arena, &(*users)[row]);
    db_release(db);
    return status;
}
