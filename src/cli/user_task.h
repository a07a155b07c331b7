/* user_task: the arguments of the subcommands of `jwtd user`, and what they share. Main thread. */
#ifndef JWTD_USER_TASK_H
#define JWTD_USER_TASK_H

#include "jwtd/config.h"
#include "jwtd/hasher.h"
#include "jwtd/users.h"

#include <stdbool.h>

struct user_task {
    const struct config *config;
    struct db *db;
    struct arena *arena;
    const char *change;       /* command_change.h */
    struct email_forms email; /* of the subcommands that take one */
    const char *const *roles; /* of add and set-roles */
    int role_count;
};

/* The first argument of the store's functions, with a deadline of fifteen seconds from now: one for each call. */
struct db_call user_call(const struct user_task *task);

/* Prints on standard error what has failed, and what to do about it; returns false. */
bool user_fail(enum status status);
bool user_fail_not_found(void);

/* The account of task->email. False, with the reason on standard error. */
bool user_find(const struct user_task *task, struct user *user) MUST_CHECK;

/* One line: id, address, roles, state, creation, state of the password; separated by tabs. */
void user_print(const struct user *user);

/* task->roles as a JSON array in the arena, each of them once; NULL, with the reason on standard error, if one is no role or they
 * are too many. */
const char *user_read_roles(const struct user_task *task);

/* Reads a new password (password_prompt.h), by the rules of registration, and hashes it. False, with the reason on standard
 * error.
 */
bool user_read_password_hash(const struct user_task *task, char text[PASSWORD_HASH_SIZE]) MUST_CHECK;

/* ---- subcommands; false, with the reason on standard error ---- */

/* user_add.c */
bool user_add(const struct user_task *task) MUST_CHECK;

/* user_change.c */
bool user_set_roles(const struct user_task *task) MUST_CHECK;
bool user_disable(const struct user_task *task) MUST_CHECK;
bool user_enable(const struct user_task *task) MUST_CHECK;
bool user_require_password_change(const struct user_task *task) MUST_CHECK;
bool user_set_password(const struct user_task *task) MUST_CHECK;
bool user_end_sessions(const struct user_task *task) MUST_CHECK;
bool user_delete(const struct user_task *task) MUST_CHECK;

/* user_history.c */
bool user_sessions(const struct user_task *task) MUST_CHECK;
bool user_events(const struct user_task *task) MUST_CHECK;

#endif
