/*
 * users: the table of accounts and every statement on it. E-mail addresses are kept as typed and unique by their canonical
 * form (text.h). All functions take a db of the calling thread and a deadline, allocate what they give from the arena, and fail
 * as db_run does, besides what is named with each.
 */
#ifndef JWTD_USERS_H
#define JWTD_USERS_H

#include "jwtd/db.h"

#define KNOWN_ADDRESS_DAYS 90

struct user {
    struct uuid id;
    struct text email;         /* as typed */
    struct text password_hash; /* NUL-terminated */
    int64_t password_version;  /* moves when the password is changed, not when it is hashed anew */
    struct text roles_json;    /* ["admin", ...], as in the table */
    struct text created_at, updated_at;
    bool disabled;
    bool changed_lately; /* password or address, within a minute: what comes now may be the same request again */
};

struct email_forms {
    struct text typed;
    struct text canonical;
};

enum user_insert_result {
    USER_INSERTED, /* *user is the new row; also when this very id was inserted by an earlier try of the same statement */
    USER_EXISTS,   /* the address is taken; *user untouched */
    USER_SAME_KEY  /* the address is taken by a row that was registered with the same idempotency key; *user is that row */
};

/* `idempotency_digest` is 64 hexadecimal digits or NULL. The network of `ip` (NULL: unknown) becomes known for the new user; a
 * row that is there already learns nothing. */
enum status users_insert(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *id, struct email_forms email,
                         const char *password_hash, const char *idempotency_digest, const char *ip, struct user *user,
                         enum user_insert_result *result) MUST_CHECK;

/* *found says whether there is one. */
enum status users_find_by_email(struct db *db, int64_t deadline_us, struct arena *arena, struct text canonical, struct user *user,
                                bool *found) MUST_CHECK;
enum status users_find_by_id(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *id, struct user *user,
                             bool *found) MUST_CHECK;

/* As by e-mail address; *knows_address says whether the account was registered or logged in from the network of `ip` (NULL:
 * unknown) in the last KNOWN_ADDRESS_DAYS, and the password was not changed from elsewhere since. */
enum status users_find_for_login(struct db *db, int64_t deadline_us, struct arena *arena, struct text canonical, const char *ip,
                                 struct user *user, bool *found, bool *knows_address) MUST_CHECK;

/* Replaces the hash of an unchanged password, if it is still `old_hash`. */
enum status users_rehash(struct db *db, int64_t deadline_us, const struct uuid *id, const char *old_hash,
                         const char *new_hash) MUST_CHECK;

enum user_change { USER_CHANGED, USER_STALE /* gone, disabled, or another password by now */, USER_EMAIL_TAKEN };

/* Each changes the user only while password_version is still the one that was checked. */
enum status users_change_email(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *id,
                               int64_t password_version, struct email_forms email, struct user *user,
                               enum user_change *change) MUST_CHECK;

/* Session ids that a change has revoked, for revoked_sessions. */
struct session_ids {
    struct uuid *ids; /* in the arena */
    size_t count;
};

/* Sets the new hash, moves password_version, revokes every session of the user but `kept_session`, and forgets every known
 * address but the network of `ip` (NULL: unknown), which is known from now on, in one statement. */
enum status users_change_password(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *id,
                                  int64_t password_version, const char *new_hash, const struct uuid *kept_session, const char *ip,
                                  struct session_ids *revoked, enum user_change *change) MUST_CHECK;

/* Deletes the user; the sessions go with it, their revocations stay for the other instances. Gone already is USER_STALE. */
enum status users_delete(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *id, int64_t password_version,
                         struct session_ids *revoked, enum user_change *change) MUST_CHECK;

/* For the command line: by canonical address. `roles_json` is an array of roles (role.h); the table refuses others,
 * STATUS_INTERNAL. Disabling revokes all sessions. */
enum status users_set_roles(struct db *db, int64_t deadline_us, struct text canonical, const char *roles_json,
                            bool *found) MUST_CHECK;
enum status users_set_disabled(struct db *db, int64_t deadline_us, struct text canonical, bool disabled, bool *found) MUST_CHECK;

/* Up to `limit` users with an id above `after` (NULL: from the first), in the order of ids. */
enum status users_list(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *after, unsigned limit,
                       struct user **users, size_t *count) MUST_CHECK;

#endif
