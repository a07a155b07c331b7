/* What `jwtd user` changes of an account that exists: by the same statements as the calls of /users. */
#include "user_task.h"

#include "jwtd/user_admin.h"

#include <stdio.h>

/* Runs what was asked about a user who was found a moment ago. */
static bool run(const struct user_task *task, struct db_query *query, const struct administered_user *administered) {
    struct db_call call = user_call(task);
    enum status status = db_run(&call, query);
    if (status != STATUS_OK)
        return user_fail(status);
    return administered->result == USER_ADMIN_DONE || user_fail_not_found();
}

static bool change(const struct user_task *task, const char *changes) {
    struct user user;
    struct administered_user administered;
    struct db_query query = { .change = task->change };
    if (!user_find(task, &user))
        return false;
    user_admin_change(&query, &(struct user_choice){ .id = user.id }, changes, &administered);
    if (!run(task, &query, &administered))
        return false;
    user_print(&administered.user);
    return true;
}

bool user_set_roles(const struct user_task *task) {
    const char *roles_json = user_read_roles(task);
    const char *changes = roles_json != NULL ? arena_printf(task->arena, "{\"roles\":%s}", roles_json) : NULL;
    if (roles_json == NULL)
        return false;
    return changes != NULL ? change(task, changes) : user_fail(STATUS_OUT_OF_MEMORY);
}

bool user_disable(const struct user_task *task) {
    return change(task, "{\"disabled\":true}");
}

bool user_enable(const struct user_task *task) {
    return change(task, "{\"disabled\":false}");
}

bool user_require_password_change(const struct user_task *task) {
    return change(task, "{\"password_change_required\":true}");
}

bool user_delete(const struct user_task *task) {
    struct user user;
    struct administered_user administered;
    struct db_query query = { .change = task->change };
    if (!user_find(task, &user))
        return false;
    user_admin_delete(&query, &(struct user_choice){ .id = user.id }, &administered);
    if (!run(task, &query, &administered))
        return false;
    user_print(&user);
    return true;
}

bool user_end_sessions(const struct user_task *task) {
    struct user user;
    struct administered_user administered;
    struct db_query query = { .change = task->change };
    if (!user_find(task, &user))
        return false;
    user_admin_end_sessions(&query, &user.id, &administered);
    if (!run(task, &query, &administered))
        return false;
    user_print(&user);
    return true;
}

/* Nobody has a session that the change would keep. */
bool user_set_password(const struct user_task *task) {
    char hash[PASSWORD_HASH_SIZE];
    struct user user;
    struct changed_user changed;
    if (!user_find(task, &user) || !user_read_password_hash(task, hash))
        return false;
    struct db_call call = user_call(task);
    struct db_query query = { .change = call.change };
    struct password_change wanted = { .user = { user.id, user.password_version }, .new_hash = hash };
    users_change_password(&query, &wanted, &changed);
    enum status status = db_run(&call, &query);
    if (status != STATUS_OK)
        return user_fail(status);
    if (changed.change == USER_CHANGED && user_find(task, &user)) {
        user_print(&user);
        return true;
    }
    fprintf(stderr, "jwtd: the user was changed at this moment; nothing was done\n");
    return false;
}
