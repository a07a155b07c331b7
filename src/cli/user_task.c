#include "user_task.h"

#include "jwtd/access_token.h"
#include "jwtd/clock.h"
#include "jwtd/json_writer.h"
#include "jwtd/role.h"

#include <stdio.h>
#include <string.h>

#define STATEMENT_TIMEOUT_US (15 * CLOCK_US_PER_S)

struct db_call user_call(const struct user_task *task) {
    return (struct db_call){
        .db = task->db, .deadline_us = clock_monotonic_us() + STATEMENT_TIMEOUT_US, .arena = task->arena, .change = task->change
    };
}

/* What an operator can do. The detail of a problem, for the rest, speaks to clients of the service. */
static const char *advice(enum status status) {
    switch (status) {
    case STATUS_LAST_ADMIN:
        return "nobody who has a password and is not disabled would be an administrator: give another user the role admin first";
    case STATUS_EMAIL_TAKEN:
        return "there is an account with this e-mail address already";
    case STATUS_DATABASE_UNAVAILABLE:
        return "the database cannot be used; the log above says why: check database.url (jwtd check-config prints it), and run "
               "jwtd migrate --status";
    case STATUS_DEADLINE_EXCEEDED:
        return "the database did not answer in time, or another transaction holds a lock: check what has been done, and try "
               "again";
    case STATUS_OUT_OF_MEMORY:
        return "out of memory";
    default:
        return status_info(status)->detail;
    }
}

bool user_fail(enum status status) {
    fprintf(stderr, "jwtd: %s\n", advice(status));
    return false;
}

bool user_fail_not_found(void) {
    fprintf(stderr, "jwtd: there is no user with this address\n");
    return false;
}

bool user_find(const struct user_task *task, struct user *user) {
    struct found_user found;
    struct db_query query = { .statement = NULL };
    struct db_call call = user_call(task);
    users_find_by_email(&query, task->email.canonical, &found);
    enum status status = db_run(&call, &query);
    if (status != STATUS_OK)
        return user_fail(status);
    *user = found.user;
    return found.found || user_fail_not_found();
}

/* A row that is older than the rule of role.h may hold any character: those that move a terminal's cursor are left out. */
static void print_roles(struct text roles_json) {
    const char *separator = "";
    struct text role;
    while ((role = roles_next(&roles_json)).bytes != NULL) {
        fputs(separator, stdout);
        for (size_t i = 0; i < role.len; i++)
            if ((unsigned char)role.bytes[i] > ' ' && role.bytes[i] != 0x7f)
                putchar(role.bytes[i]);
        separator = ",";
    }
    if (separator[0] == '\0')
        putchar('-');
}

void user_print(const struct user *user) {
    char id[UUID_TEXT_SIZE];
    const char *password = !user->has_password ? "no-password" : user->password_change_required ? "change-required" : "password";
    printf("%s\t%.*s\t", uuid_text(&user->id, id), (int)user->email.len, user->email.bytes);
    print_roles(user->roles_json);
    printf("\t%s\t%.*s\t%s\n", user->disabled ? "disabled" : "active", (int)user->created_at.len, user->created_at.bytes,
           password);
}

static bool is_repeated(const struct user_task *task, int index) {
    for (int i = 0; i < index; i++)
        if (strcmp(task->roles[i], task->roles[index]) == 0)
            return true;
    return false;
}

const char *user_read_roles(const struct user_task *task) {
    struct json_writer writer;
    json_writer_init(&writer, task->arena);
    json_begin_array(&writer);
    for (int i = 0; i < task->role_count; i++) {
        if (!role_is_valid(text_of(task->roles[i]))) {
            fprintf(stderr, "jwtd: a role is " ROLE_RULE "\n");
            return NULL;
        }
        if (!is_repeated(task, i))
            json_write_string(&writer, task->roles[i]);
    }
    json_end_array(&writer);
    struct text roles_json = json_writer_finish(&writer);
    if (roles_json.bytes == NULL) {
        user_fail(STATUS_OUT_OF_MEMORY);
    } else if (roles_json.len > ROLES_JSON_MAX_LEN) {
        fprintf(stderr, "jwtd: these are more roles than a token can carry\n");
        return NULL;
    }
    return roles_json.bytes;
}
