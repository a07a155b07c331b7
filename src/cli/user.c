#include "command_change.h"
#include "subcommand.h"
#include "user_task.h"
#include "user_words.h"

#include "jwtd/email.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/user_admin.h"

#include <stdio.h>

#define ARENA_LIMIT ((size_t)4 * 1024 * 1024)
#define LIST_PAGE USER_PAGE_MAX /* a page of users with all the metadata that fits is a quarter of the arena */
#define ONE_EMAIL "the e-mail address of a user"
#define LINE_AFTERWARDS "Prints the user's line as it is afterwards:\n" USER_LINE

static bool show(const struct user_task *task) {
    struct user user;
    if (!user_find(task, &user))
        return false;
    user_print(&user);
    return true;
}

static bool print_page(const struct user_task *task, struct uuid *after, bool *is_first, bool *is_last) {
    struct arena arena;
    struct user_list list = { .count = 0 };
    struct db_call call = user_call(task);
    arena_init(&arena, ARENA_LIMIT);
    call.arena = &arena;
    enum status status = users_list(&call, *is_first ? NULL : after, LIST_PAGE, &list);
    for (size_t i = 0; status == STATUS_OK && i < list.count; i++) {
        user_print(&list.users[i]);
        *after = list.users[i].id;
    }
    arena_fini(&arena);
    *is_first = false;
    *is_last = list.count < LIST_PAGE;
    return status == STATUS_OK || user_fail(status);
}

static bool list(const struct user_task *task) {
    struct uuid after;
    bool is_first = true, is_last = false;
    while (!is_last)
        if (!print_page(task, &after, &is_first, &is_last))
            return false;
    return true;
}

static const struct user_subcommand {
    struct subcommand words;
    bool (*run)(const struct user_task *task);
} subcommands[] = {
    { { .name = "list", .synopsis = "", .help = "print all users", .notes = "Prints a line for each:\n" USER_LINE }, list },
    { { "show", " EMAIL", "print one user", .operand = ONE_EMAIL, .notes = "Prints " USER_LINE }, show },
    { { "add", " EMAIL [--role ROLE]...", "add a user; the password is one line of standard input, or asked for at a terminal",
        .operand = ONE_EMAIL, .options = CLI_ROLE, .notes = LINE_AFTERWARDS },
      user_add },
    { { "set-roles", " EMAIL [ROLE]...", "REPLACE all roles of a user by these; without a ROLE all are removed",
        .operand = ONE_EMAIL, .takes_more = true, .notes = LINE_AFTERWARDS USER_LAST_ADMINISTRATOR },
      user_set_roles },
    { { "set-password", " EMAIL", "set a new password, read as that of add, and end all sessions", .operand = ONE_EMAIL,
        .notes = LINE_AFTERWARDS },
      user_set_password },
    { { "require-password-change", " EMAIL", "end all sessions, and let the next login set a new password", .operand = ONE_EMAIL,
        .notes = LINE_AFTERWARDS },
      user_require_password_change },
    { { "disable", " EMAIL", "end all sessions of a user, and refuse logins until enable", .operand = ONE_EMAIL,
        .notes = LINE_AFTERWARDS USER_LAST_ADMINISTRATOR },
      user_disable },
    { { "enable", " EMAIL", "let a disabled user log in again; the sessions that disable ended stay ended", .operand = ONE_EMAIL,
        .notes = LINE_AFTERWARDS },
      user_enable },
    { { "delete", " EMAIL", "delete a user and all sessions", .operand = ONE_EMAIL,
        .notes = "Prints the user's line as it was:\n" USER_LINE USER_LAST_ADMINISTRATOR },
      user_delete },
    { { "sessions", " EMAIL", "print the sessions of a user, then those that have ended, and why", .operand = ONE_EMAIL,
        .notes = "Prints " USER_SESSIONS },
      user_sessions },
    { { "end-sessions", " EMAIL", "end all sessions of a user", .operand = ONE_EMAIL, .notes = LINE_AFTERWARDS },
      user_end_sessions },
    { { "events", " EMAIL", "print what happened to a user and the sessions, the newest first", .operand = ONE_EMAIL,
        .notes = "Prints " USER_EVENTS },
      user_events },
};

const struct subcommand_table user_subcommands = { "user", subcommands, ARRAY_LEN(subcommands), sizeof *subcommands };

static bool read_email(struct user_task *task, const char *operand) {
    task->email.typed = text_of(operand);
    if (!email_is_valid(task->email.typed)) {
        fprintf(stderr, "jwtd: this is no e-mail address\n");
        return false;
    }
    task->email.canonical = email_canonical(task->arena, task->email.typed);
    return task->email.canonical.bytes != NULL || user_fail(STATUS_OUT_OF_MEMORY);
}

static bool run(struct user_task *task, const struct user_subcommand *subcommand, const struct cli_arguments *arguments) {
    struct db_options options = db_options_from_config(task->config, DB_FOR_COMMAND);
    bool has_email = subcommand->words.operand != NULL;
    task->change = command_change(task->arena);
    task->db = db_create(&options);
    bool done = (task->db != NULL && task->change != NULL) || user_fail(STATUS_OUT_OF_MEMORY);
    done = done && (!has_email || read_email(task, arguments->operands[1])) && subcommand->run(task);
    if (task->db != NULL)
        db_destroy(task->db);
    return done;
}

/* set-roles takes the roles as operands, add as options. */
static void take_roles(struct user_task *task, const struct subcommand *words, const struct cli_arguments *arguments) {
    task->roles = words->takes_more ? arguments->operands + 2 : arguments->roles;
    task->role_count = words->takes_more ? arguments->operand_count - 2 : arguments->role_count;
}

int cli_user(const struct cli_arguments *arguments) {
    const struct user_subcommand *subcommand = subcommand_choose(&user_subcommands, arguments);
    struct config config;
    struct arena arena;
    struct user_task task = { .config = &config, .arena = &arena };
    if (subcommand == NULL)
        return 2;
    take_roles(&task, &subcommand->words, arguments);
    bool done = false;
    arena_init(&arena, ARENA_LIMIT);
    if (cli_load_config(arguments, &config)) {
        log_init(config.log.level, config.log.format);
        done = run(&task, subcommand, arguments);
    }
    arena_fini(&arena);
    config_fini(&config);
    return done ? 0 : 1;
}
