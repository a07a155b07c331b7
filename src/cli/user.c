#include "command_change.h"
#include "user_task.h"

#include "jwtd/cli.h"
#include "jwtd/email.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <stdio.h>
#include <string.h>

#define ARENA_LIMIT ((size_t)4 * 1024 * 1024)
#define LIST_PAGE 500U

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

static const struct subcommand {
    const char *name, *synopsis, *help;
    bool takes_email;
    bool takes_roles;       /* as operands after the address */
    bool takes_role_option; /* as --role */
    bool (*run)(const struct user_task *task);
} subcommands[] = {
    { "list", "", "print all users", false, false, false, list },
    { "show", " EMAIL", "print one user", true, false, false, show },
    { "add", " EMAIL [--role ROLE]...", "add a user; the password is one line of standard input, or asked for at a terminal",
      true, false, true, user_add },
    { "set-roles", " EMAIL [ROLE]...", "REPLACE all roles of a user by these; without a ROLE all are removed", true, true, false,
      user_set_roles },
    { "set-password", " EMAIL", "set a new password, read as that of add, and end all sessions", true, false, false,
      user_set_password },
    { "require-password-change", " EMAIL", "end all sessions, and let the next login set a new password", true, false, false,
      user_require_password_change },
    { "disable", " EMAIL", "end all sessions of a user, and refuse logins until enable", true, false, false, user_disable },
    { "enable", " EMAIL", "let a disabled user log in again; the sessions that disable ended stay ended", true, false, false,
      user_enable },
    { "delete", " EMAIL", "delete a user and all sessions", true, false, false, user_delete },
    { "sessions", " EMAIL", "print the sessions of a user that have not ended", true, false, false, user_sessions },
    { "end-sessions", " EMAIL", "end all sessions of a user", true, false, false, user_end_sessions },
    { "events", " EMAIL", "print what happened to a user and the sessions, the newest first", true, false, false, user_events },
};

static void print_usage(FILE *out) {
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
        fprintf(out, "%s jwtd user %s%s\n", i == 0 ? "usage:" : "      ", subcommands[i].name, subcommands[i].synopsis);
}

void cli_print_user_help(void) {
    print_usage(stdout);
    putchar('\n');
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
        printf("  %-23s %s\n", subcommands[i].name, subcommands[i].help);
    fputs("\nlist prints a line for each user, most others one for theirs as it is afterwards (delete: as it was): id, e-mail\n"
          "address, roles separated by commas (\"-\": none), active or disabled, time of creation; separated by tabs.\n"
          "sessions prints for each: id, opened, last used, expires, IP address, user agent. events prints for each: time,\n"
          "event, session, who did it, IP address, reason, detail. \"-\" is none.\n"
          "What would leave no administrator (role admin) who is not disabled is refused.\n"
          "Exit code: 0 done; 1 failed, also when there is no such user; 2 used wrongly.\n",
          stdout);
}

static int refuse_subcommand(const struct cli_arguments *arguments) {
    if (arguments->operand_count == 0)
        fputs("jwtd: user takes a subcommand\n", stderr);
    else
        fprintf(stderr, "jwtd: user has no subcommand %s\n", arguments->operands[0]);
    print_usage(stderr);
    return 2;
}

static const struct subcommand *find_subcommand(const struct cli_arguments *arguments) {
    for (size_t i = 0; arguments->operand_count > 0 && i < ARRAY_LEN(subcommands); i++)
        if (strcmp(subcommands[i].name, arguments->operands[0]) == 0)
            return &subcommands[i];
    return NULL;
}

static bool refuse_words(const struct subcommand *subcommand, const char *what, const char *word) {
    fprintf(stderr, "jwtd: user %s takes %s%s\nusage: jwtd user %s%s\n", subcommand->name, what, word, subcommand->name,
            subcommand->synopsis);
    return false;
}

/* The roles, from where the subcommand takes them; false, with the reason on standard error: there are operands or options that
 * it does not take. */
static bool take_roles(struct user_task *task, const struct subcommand *subcommand, const struct cli_arguments *arguments) {
    int taken = subcommand->takes_email ? 2 : 1, rest = arguments->operand_count - taken;
    if (rest < 0)
        return refuse_words(subcommand, "the e-mail address of a user", "");
    if (rest > 0 && !subcommand->takes_roles)
        return refuse_words(subcommand,
                            subcommand->takes_email ? "one operand, not also " : "no operand: ", arguments->operands[taken]);
    if (arguments->role_count > 0 && !subcommand->takes_role_option)
        return refuse_words(subcommand, "no option --role", "");
    task->roles = subcommand->takes_roles ? arguments->operands + taken : arguments->roles;
    task->role_count = subcommand->takes_roles ? rest : arguments->role_count;
    return true;
}

static bool read_email(struct user_task *task, const char *operand) {
    task->email.typed = text_of(operand);
    if (!email_is_valid(task->email.typed)) {
        fprintf(stderr, "jwtd: this is no e-mail address\n");
        return false;
    }
    task->email.canonical = email_canonical(task->arena, task->email.typed);
    return task->email.canonical.bytes != NULL || user_fail(STATUS_OUT_OF_MEMORY);
}

static bool run(struct user_task *task, const struct subcommand *subcommand, const struct cli_arguments *arguments) {
    struct db_options options = db_options_from_config(task->config, DB_FOR_COMMAND);
    task->change = command_change(task->arena);
    task->db = db_create(&options);
    bool done = (task->db != NULL && task->change != NULL) || user_fail(STATUS_OUT_OF_MEMORY);
    done = done && (!subcommand->takes_email || read_email(task, arguments->operands[1])) && subcommand->run(task);
    if (task->db != NULL)
        db_destroy(task->db);
    return done;
}

int cli_user(const struct cli_arguments *arguments) {
    const struct subcommand *subcommand = find_subcommand(arguments);
    struct config config;
    struct arena arena;
    struct user_task task = { .config = &config, .arena = &arena };
    if (subcommand == NULL)
        return refuse_subcommand(arguments);
    if (!take_roles(&task, subcommand, arguments))
        return 2;
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
