/*
 * user_admin: what administrators read and change of the table of users, in the API and on the command line. All functions ask
 * (db.h): what is passed lives until the query is taken, and what the result points to is in the arena of db_take. Each fails as
 * db.h says, besides what is named with it.
 *
 * user.version counts what administrators change, and not what users change of their own profile: two administrators do not
 * overwrite each other, and no user can hold them up by changes without end. Of name and metadata, which both write, the last
 * change stays. The database refuses each change that would leave no administrator who has a password and is not disabled,
 * whoever makes it: STATUS_LAST_ADMIN (migrations/0016_administration.sql). It decides one after the other, so that two
 * administrators cannot remove each other.
 *
 * The functions that change something, and users_insert, refuse the change of an administrator (the session of the change
 * context) who is none any more, by the rows as they are then: STATUS_INSUFFICIENT_SCOPE, or STATUS_INVALID_TOKEN if the session
 * has ended. So does the second run of a change with which administrators end their own session, after the reply to the first
 * was lost.
 */
#ifndef JWTD_USER_ADMIN_H
#define JWTD_USER_ADMIN_H

#include "jwtd/users.h"

#define USER_PAGE_MAX 100

/* Up to `limit` users, the newest first: those that were made before `before` (NULL: all). Of a listing page after page, each
 * user who exists all the while is in one page and no other, whatever is inserted and deleted meanwhile. */
void user_admin_list(struct db_query *query, const struct uuid *before, unsigned limit, struct user_list *list);

/* Up to `limit` users whose canonical address begins with `prefix`, in the order of the addresses' bytes: those behind `after`,
 * which is a canonical address (NULL: from the first). Both NUL-terminated, `prefix` folded (text_fold). Pages as above. */
void user_admin_list_by_prefix(struct db_query *query, const char *prefix, const char *after, unsigned limit,
                               struct user_list *list);

/* Which user, and in which version; 0: in any. */
struct user_choice {
    struct uuid id;
    int64_t version;
};

enum user_admin_result { USER_ADMIN_NOT_FOUND, USER_ADMIN_STALE /* another version by now; nothing changed */, USER_ADMIN_DONE };

struct administered_user {
    enum user_admin_result result;
    struct user user;           /* of user_admin_change, if done: as it is now */
    struct session_ids revoked; /* those that ended, and those of the user that had ended within the last minute */
};

/*
 * Sets the members of `changes`, a NUL-terminated JSON object with any of: roles (an array of roles, role.h), disabled,
 * password_change_required (true or false), name (a string or null), metadata, admin_metadata (objects). Disabling and requiring
 * a new password end all sessions. A change that leaves nothing to do is done, whatever the version (RFC 9110 section 13.1.1):
 * its first request may have been answered in vain. STATUS_LAST_ADMIN.
 */
void user_admin_change(struct db_query *query, const struct user_choice *choice, const char *changes,
                       struct administered_user *administered);

/* As users_delete, without a password. STATUS_LAST_ADMIN. */
void user_admin_delete(struct db_query *query, const struct user_choice *choice, struct administered_user *administered);

/* Ends all sessions of the user. */
void user_admin_end_sessions(struct db_query *query, const struct uuid *id, struct administered_user *administered);

#endif
