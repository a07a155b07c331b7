/*
 * users: the table of accounts, and the statements on it but for those of administrators (user_admin.h). E-mail addresses are
 * stored as typed and unique by their canonical form (email.h); both are NUL-terminated where they are passed. The functions with
 * a query ask (db.h): the texts and the result that are passed live until it is taken, but for `ip`, which is copied; what the
 * result points to is in the arena of db_take. Those with a call run and wait. Each fails as db.h says, besides what is named
 * with it.
 */
#ifndef JWTD_USERS_H
#define JWTD_USERS_H

#include "jwtd/db.h"
#include "jwtd/sessions.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stddef.h>

#define KNOWN_ADDRESS_DAYS 90
#define USER_NAME_MAX_LEN 256      /* bytes */
#define USER_METADATA_MAX_LEN 4096 /* bytes of each of the two objects, written without blanks */

struct user {
    struct uuid id;
    struct text email;               /* as typed */
    struct text password_hash;       /* NUL-terminated */
    int64_t password_version;        /* incremented when the password is changed, not by a rehash */
    struct text roles_json;          /* ["admin", ...], as in the table */
    struct text name;                /* {NULL, 0}: none */
    struct text metadata_json;       /* an object that the user writes; {} until then */
    struct text admin_metadata_json; /* one that only administrators write */
    int64_t version;                 /* incremented by a change that an administrator sees (the ETag of /users/{id}) */
    struct text created_at, updated_at;
    bool disabled;
    bool has_password;             /* false: password_hash is of one that nobody knows */
    bool password_change_required; /* opens no session until a new password is set */
    bool password_changed_lately;  /* by the user, within the last minute: the request may repeat the one that changed it */
    bool knows_address;            /* of users_find_for_login only: the address is known for this user */
};

struct email_forms {
    struct text typed;
    struct text canonical;
};

/* What to insert. Times and version 1 are the table's defaults. */
struct new_user {
    struct uuid id;
    struct email_forms email;
    struct text name; /* without bytes or empty: none */
    const char *password_hash;
    bool has_no_password;           /* the hash is of one that nobody knows; the user is no administrator until one is set */
    const char *idempotency_digest; /* 64 hexadecimal digits or NULL */
    const char *ip;                 /* its network becomes known for the user; NULL: unknown */
    const char *roles_json;         /* NUL-terminated; NULL: none */
};

enum user_insert_result {
    USER_INSERTED, /* `user` is the new row; also when the same id was inserted by an earlier run of the same statement */
    USER_EXISTS,   /* the address is taken; `user` is undefined */
    USER_SAME_KEY  /* the address is taken by a row that was registered with the same idempotency key; `user` is that row */
};

struct inserted_user {
    enum user_insert_result result;
    struct user user;
};

/* An existing row is not changed. */
void users_insert(struct db_query *query, const struct new_user *new_user, struct inserted_user *inserted);

struct found_user {
    bool found;
    struct user user; /* if found */
};

void users_find_by_email(struct db_query *query, struct text canonical, struct found_user *found);
void users_find_by_id(struct db_query *query, const struct uuid *id, struct found_user *found);

/* By canonical e-mail address; user.knows_address says whether the account was registered or logged in from the network of `ip`
 * (NULL: unknown) in the last KNOWN_ADDRESS_DAYS, and the password was not changed from elsewhere since. */
void users_find_for_login(struct db_query *query, struct text canonical, const char *ip, struct found_user *found);

/* Replaces the hash of an unchanged password, if it is still `old_hash`. */
void users_rehash(struct db_query *query, const struct uuid *id, const char *old_hash, const char *new_hash);

/* A user whose password was checked. Each of the following changes it only while it still has that password. */
struct checked_user {
    struct uuid id;
    int64_t password_version;
};

enum user_change {
    USER_CHANGED,
    USER_UNCHANGED, /* all was so already; of users_change_profile */
    USER_STALE      /* deleted, disabled, or another password by now */
};

struct changed_user {
    enum user_change change;
    struct user user;           /* of users_change_profile, unless stale: as it is now */
    struct session_ids revoked; /* of the other two */
};

/* What a user changes of the own account; a text whose bytes are NULL stays as it is. */
struct profile_change {
    struct checked_user user;  /* password_version 0: no password was checked, and the user may have any */
    struct email_forms email;  /* only with a password that was checked */
    struct text name;          /* "": none from now on */
    struct text metadata_json; /* replaces the object as a whole */
};

/* What differs from nothing leaves the row as it is. STATUS_EMAIL_TAKEN: another user has the address. The table rejects what is
 * too long, STATUS_INTERNAL. */
void users_change_profile(struct db_query *query, const struct profile_change *wanted, struct changed_user *changed);

struct password_change {
    struct checked_user user;
    const char *new_hash;
    struct uuid kept_session;
    const char *ip; /* NULL: unknown */
};

/* Sets the new hash, which is then not required any more, increments password_version, revokes every session of the user but
 * kept_session, and deletes every known address but the network of `ip`, which is known from now on, in one transaction. A user
 * who already has the same hash counts as changed: it is salted, so an earlier run whose reply was lost has set it. The password
 * of a disabled user is changed by a command (the actor of the change context) only. */
void users_change_password(struct db_query *query, const struct password_change *wanted, struct changed_user *changed);

/* The same at a login: the kept session is opened, with this user agent (as struct new_session), in the same transaction. If it
 * is not done, another change came first. */
void users_change_password_at_login(struct db_query *query, const struct password_change *wanted, const char *user_agent,
                                    const struct session_limits *limits, struct opened_session *opened);

/* Deletes the user and its sessions; their revocations stay for the other instances. One that is deleted already is USER_STALE,
 * unless the connection was lost and a session of the user was revoked by a deletion in the last minute: that was the first run.
 * STATUS_LAST_ADMIN: no administrator who has a password and is not disabled would be left. */
void users_delete(struct db_query *query, const struct checked_user *checked, struct changed_user *changed);

struct user_list {
    struct user *users;
    size_t count;
};

/* Up to `limit` users with an id above `after` (NULL: from the first), in the order of ids. */
enum status users_list(const struct db_call *call, const struct uuid *after, unsigned limit, struct user_list *list) MUST_CHECK;

#endif
