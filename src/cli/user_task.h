/* user_task: what each subcommand of `jwtd user` is given, and what they share. */
#ifndef JWTD_USER_TASK_H
#define JWTD_USER_TASK_H

#include "jwtd/config.h"
#include "jwtd/users.h"

#include <stdbool.h>

struct user_task {
    const struct config *config;
    struct db *db;
    struct arena *arena;
    struct email_forms email; /* of the subcommands that take one */
    const char *const *roles; /* of add and set-roles */
    int role_count;
};

struct db_call user_call(const struct user_task *task); /* for one statement, from now */

/* Says what went wrong; returns false. */
bool user_fail(enum status status);
bool user_fail_not_found(void);

/* The account of task->email. False, with the reason on standard error. */
bool user_find(const struct user_task *task, struct user *user) MUST_CHECK;

/* One line: id, address, roles, state, creation; separated by tabs. */
void user_print(const struct user *user);

/* task->roles as a JSON array in the arena; NULL, with the reason on standard error. */
const char *user_read_roles(const struct user_task *task);
bool user_set_roles(const struct user_task *task, const char *roles_json) MUST_CHECK;

bool user_add(const struct user_task *task) MUST_CHECK;

#endif
