/* `jwtd user add`: adds a user by the rules of registration. */
#include "password_prompt.h"
#include "user_task.h"

#include "jwtd/options.h"

#include <sodium.h>
#include <stdio.h>

/* The password in the form that is hashed; {NULL, 0}, with the reason on standard error, if it is refused. */
static struct text normalize_password(const struct user_task *task, struct text typed) {
    static const struct text refused = { NULL, 0 };
    struct password_policy policy = password_policy_from_config(task->config);
    if (!text_is_utf8(typed)) {
        fprintf(stderr, "jwtd: the password is not UTF-8\n");
        return refused;
    }
    struct text password = text_nfc(task->arena, typed);
    if (password.bytes == NULL) {
        user_fail(STATUS_OUT_OF_MEMORY);
        return refused;
    }
    enum password_verdict verdict = password_check_policy(&policy, task->arena, password, task->email.typed);
    if (verdict != PASSWORD_ACCEPTED) {
        const char *detail = password_verdict_detail(&policy, verdict, task->arena);
        fprintf(stderr, "jwtd: the password %s\n", detail != NULL ? detail : "is refused");
        return refused;
    }
    return password;
}

static bool hash(const struct user_task *task, struct text password, char text[PASSWORD_HASH_SIZE]) {
    struct hasher *hasher = hasher_create(hash_parameters_from_config(task->config));
    if (hasher == NULL)
        return user_fail(STATUS_OUT_OF_MEMORY);
    enum status status = hasher_hash(hasher, password, text);
    hasher_destroy(hasher);
    return status == STATUS_OK || user_fail(status);
}

bool user_read_password_hash(const struct user_task *task, char text[PASSWORD_HASH_SIZE]) {
    struct typed_password typed;
    bool done = false;
    if (password_prompt(&typed)) {
        struct text password = normalize_password(task, (struct text){ typed.bytes, typed.len });
        done = password.bytes != NULL && hash(task, password, text);
    }
    sodium_memzero(&typed, sizeof typed);
    return done;
}

bool user_add(const struct user_task *task) {
    char password_hash[PASSWORD_HASH_SIZE];
    const char *roles_json = user_read_roles(task);
    if (roles_json == NULL || !user_read_password_hash(task, password_hash))
        return false;
    struct new_user new_user = {
        .id = uuid_create(), .email = task->email, .password_hash = password_hash, .roles_json = roles_json
    };
    struct inserted_user inserted;
    struct db_call call = user_call(task);
    struct db_query query = { .change = call.change };
    users_insert(&query, &new_user, &inserted);
    enum status status = db_run(&call, &query);
    if (status != STATUS_OK)
        return user_fail(status);
    if (inserted.result != USER_INSERTED)
        return user_fail(STATUS_EMAIL_TAKEN);
    user_print(&inserted.user);
    return true;
}
