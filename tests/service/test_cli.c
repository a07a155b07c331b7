#include "support/account.h"
#include "support/database.h"

#include "jwtd/cli.h"
#include "jwtd/macros.h"
#include "jwtd/version.h"
#include "src/cli/subcommand.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *cli_suite(void);

static char output[65536];

static int run(const char *const *words) {
    return program_run(words, NULL, output, sizeof output);
}

#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

static char database_setting[512];

static void start(void) {
    shared_server_start();
    account_keep_administrator();
    snprintf(database_setting, sizeof database_setting, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
}

/* What the program answers, by its exit code and a part of what it prints. */
static const struct {
    const char *words[8];
    int code;
    const char *printed;
} command_lines[] = {
    { { "--version" }, 0, "jwtd " JWTD_VERSION " (" },
    { { "--help" }, 0, "server.listen" },
    { { "-h" }, 0, "cors.allowed_origins" },
    { { "serve", "--help" }, 0, "usage: jwtd serve\n\nserve until SIGTERM or SIGINT; SIGHUP" },
    { { "--help", "migrate" }, 0, "usage: jwtd migrate [--status]\n\nbring" },
    { { "dance", "--help" }, 2, "there is no command dance" },
    { { "user", "--help" }, 0, "usage: jwtd user list\n" },
    { { "user", "--help" },
      0,
      "What would leave no administrator (role admin) who has a password and is not disabled is refused.\n" },
    { { "user", "set-roles", "--help" },
      0,
      "usage: jwtd user set-roles EMAIL [ROLE]...\n\nREPLACE all roles of a user by these; without a ROLE all are removed\n" },
    { { "user", "add", "x", "--help" }, 0, "\n  --role ROLE " },
    { { "user", "sessions", "--help" }, 0, "\n\nPrints for each: id, opened, last used, expires, IP address, user agent; " },
    { { "user", "disable", "--help" }, 0, "refuse logins until enable\n\nPrints the user's line as it is afterwards:\nid, " },
    { { "key", "activate", "--help" }, 0, "usage: jwtd key activate " },
    { { "service", "nothing", "--help" }, 0, "usage: jwtd service list\n" },
    { { "check-config", "--set", "server.threads=3" }, 0, "threads = 3\n" },
    { { "check-config", "--set=server.threads=3" }, 0, "threads = 3\n" },
    { { "--set", "server.threads=3", "--", "check-config" }, 0, "threads = 3\n" },
    { { "--set", "server.threads=3", "--set", "server.threads=4", "check-config" }, 0, "threads = 4\n" },
    { { NULL }, 2, "there is no command" },
    { { "dance" }, 2, "there is no command dance" },
    { { "--set" }, 2, "lacks its value: --set" },
    { { "check-config", "--config" }, 2, "lacks its value: --config" },
    { { "--dance", "check-config" }, 2, "an option that is unknown or lacks its value: --dance" },
    { { "check-config", "--dance" }, 2, "an option that is unknown or lacks its value: --dance" },
    { { "check-config", "-x" }, 2, "an option that is unknown or lacks its value: -x" },
    { { "--version=1" }, 2, "--version=1" },
    { { "serve", "now" }, 2, "jwtd: serve takes no operand: now\nusage: jwtd serve\n" },
    { { "serve", "--", "--help" }, 2, "jwtd: serve takes no operand: --help\nusage: jwtd serve\n" },
    { { "serve", "--status" }, 2, "jwtd: serve takes no option: --status\nusage: jwtd serve\n" },
    { { "check-config", "--role", "a" }, 2, "check-config takes no option: --role\nusage: jwtd check-config [--connect]\n" },
    { { "migrate", "--if-missing" }, 2, "migrate takes no option: --if-missing\nusage: jwtd migrate [--status]\n" },
    { { "keygen", "now" }, 2, "keygen takes no operand: now\nusage: jwtd keygen [--if-missing] [--algorithm NAME]\n" },
    { { "keygen", "--algorithm", "none" }, 2, "jwtd: keygen --algorithm takes one of hs256, es256, rs256, not none\n" },
    { { "migrate", "--algorithm", "es256" }, 2, "migrate takes no option: --algorithm\n" },
    { { "service", "--help" }, 0, "usage: jwtd service list\n       jwtd service add NAME\n" },
    { { "service" }, 2, "jwtd: service takes a subcommand\nusage: jwtd service list\n" },
    { { "service", "frob" }, 2, "jwtd: service has no subcommand frob\nusage: jwtd service list\n" },
    { { "service", "list", "orders" }, 2, "jwtd: service list takes no operand: orders\nusage: jwtd service list\n" },
    { { "service", "add" }, 2, "jwtd: service add takes the name of a service\nusage: jwtd service add NAME\n" },
    { { "service", "add", "a", "b" }, 2, "jwtd: service add takes one operand, not also b\n" },
    { { "service", "add", "a:b" }, 1, "jwtd: the name of a service is 1 to 64 of A-Z a-z 0-9 . _ -\n" },
    { { "key", "--help" }, 0, "usage: jwtd key list [--json]\n" },
    { { "key" }, 2, "jwtd: key takes a subcommand\nusage: jwtd key list [--json]\n" },
    { { "key", "turn" }, 2, "jwtd: key has no subcommand turn\n" },
    { { "key", "list", "a" }, 2, "jwtd: key list takes no operand: a\nusage: jwtd key list [--json]\n" },
    { { "key", "activate" }, 2, "key activate takes the id of a key\nusage: jwtd key activate KID [--now]\n" },
    { { "key", "activate", "a", "b" }, 2, "key activate takes one operand, not also b\n" },
    { { "key", "retire", "a", "--now" }, 2, "key retire takes no option --now\n" },
    { { "key", "add", "--json" }, 2, "key add takes no option --json\n" },
    { { "key", "add", "--algorithm", "none" }, 2, "key add --algorithm takes one of hs256, es256, rs256, not none\n" },
    { { "key", "list", "--role", "a" }, 2, "jwtd: key takes no option: --role\n" },
    { { "key", "add", "--set", "token.keys_dir=/nonexistent" }, 1, "jwtd: /nonexistent: there is no such directory; " },
    { { "keygen", "--json" }, 2, "jwtd: keygen takes no option: --json\n" },
    { { "key", "list", "--set", "token.keys_dir=/nonexistent" }, 1, "jwtd: /nonexistent: No such file or directory\n" },
    { { "user" }, 2, "jwtd: user takes a subcommand\nusage: jwtd user list\n" },
    { { "user", "frob" }, 2, "jwtd: user has no subcommand frob\nusage: jwtd user list\n" },
    { { "user", "list", "a@b.org" }, 2, "jwtd: user list takes no operand: a@b.org\nusage: jwtd user list\n" },
    { { "user", "show" }, 2, "user show takes the e-mail address of a user\nusage: jwtd user show EMAIL\n" },
    { { "user", "show", "a@b.org", "--role", "a" }, 2, "user show takes no option --role\nusage: jwtd user show EMAIL\n" },
    { { "user", "add", "a@b.org", "admin" },
      2,
      "user add takes one operand, not also admin\nusage: jwtd user add EMAIL [--role ROLE]...\n" },
    { { "user", "add", "a@b.org", "--role" }, 2, "lacks its value: --role" },
    { { "user", "set-roles", "--role", "a", "a@b.org" }, 2, "jwtd user set-roles EMAIL [ROLE]...\n" },
};

START_TEST(each_command_line_is_understood_or_refused_with_its_reason) {
    ck_assert_int_eq(run(command_lines[_i].words), command_lines[_i].code);
    ck_assert_msg(strstr(output, command_lines[_i].printed) != NULL, "%s", output);
}
END_TEST

/* That one, and nothing of the others. */
START_TEST(help_of_each_subcommand_explains_that_subcommand) {
    const struct subcommand_table *table = cli_commands[_i].subcommands;
    for (size_t i = 0; table != NULL && i < table->count; i++) {
        const struct subcommand *row = subcommand_row(table, i);
        char expected[512];
        snprintf(expected, sizeof expected, "usage: jwtd %s %s%s\n\n%s\n\n", table->command, row->name, row->synopsis, row->help);
        ck_assert_int_eq(RUN(table->command, row->name, "--help"), 0);
        ck_assert_msg(strncmp(output, expected, strlen(expected)) == 0, "%s", output);
    }
}
END_TEST

static void write_file(const char *path, const char *bytes, size_t len, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
    close(fd);
    ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(every_error_in_the_configuration_is_named_at_once) {
    char path[160];
    static const char text[] = "[server]\nthreads = many\nbody_limit = 3 parsecs\n[password]\nmemory = 1MiB\n[nowhere]\nx = 1\n"
                               "[database]\nurl = postgres://db/jwtd?sslmode=wrong\n[cors]\nallowed_origins = app.example.com\n";
    snprintf(path, sizeof path, "%s/wrong.conf", shared_server.directory);
    write_file(path, text, sizeof text - 1, 0600);
    ck_assert_int_eq(RUN("--config", path, "--set", "token.nothing=1", "check-config"), 1);
    static const char *const named[] = { "wrong.conf:2",    "wrong.conf:3",          "wrong.conf:7", "token.nothing",
                                         "password.memory", "database.url: sslmode", "wrong.conf:11" };
    for (size_t i = 0; i < ARRAY_LEN(named); i++)
        ck_assert_msg(strstr(output, named[i]) != NULL, "%s is missing in:\n%s", named[i], output);
    ck_assert_int_eq(RUN("--config", path, "serve"), 1);
}
END_TEST

START_TEST(a_setting_on_the_command_line_beats_the_environment_and_that_the_file) {
    char path[160];
    static const char text[] =
        "[server]\nlisten = 127.0.0.1:1\nbody_limit = 1KiB\nthreads = 3\n[database]\nurl = postgres://u:verysecret@h/d\n";
    snprintf(path, sizeof path, "%s/right.conf", shared_server.directory);
    write_file(path, text, sizeof text - 1, 0600);
    setenv("JWTD_SERVER_LISTEN", "127.0.0.1:2", 1);
    setenv("JWTD_SERVER_BODY_LIMIT", "2KiB", 1);
    ck_assert_int_eq(RUN("--config", path, "--set", "server.listen=127.0.0.1:3", "check-config"), 0);
    unsetenv("JWTD_SERVER_LISTEN");
    unsetenv("JWTD_SERVER_BODY_LIMIT");
    ck_assert_ptr_nonnull(strstr(output, "listen = 127.0.0.1:3"));
    ck_assert_ptr_nonnull(strstr(output, "body_limit = 2KiB"));
    ck_assert_ptr_nonnull(strstr(output, "threads = 3"));
    ck_assert_ptr_null(strstr(output, "verysecret"));
}
END_TEST

static const char *const misread_urls[] = {
    "postgres://jwtd:p@SECRETPW@127.0.0.1/db",
    "postgres://jwtd:SECRETPW",
    "postgres://jwtd:SECRETPW/db",
    "dbname=postgresql://u:SECRETPW@127.0.0.1/db",
    "host=postgres://u:SECRETPW@h/db",
    "host=h dbname='x password=SECRETPW'",
    "host=h password 'SECRETPW",
};

START_TEST(a_database_url_that_is_misread_is_refused_and_no_part_of_its_password_is_printed) {
    static const char *const commands[] = { "check-config", "migrate", "serve" };
    char setting[256];
    snprintf(setting, sizeof setting, "database.url=%s", misread_urls[_i]);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        ck_assert_int_eq(RUN(commands[i], "--set", setting), 1);
        ck_assert_msg(strstr(output, "SECRET") == NULL, "%s: %s", commands[i], output);
        ck_assert_msg(strstr(output, "database.url") != NULL, "%s: %s", commands[i], output);
    }
}
END_TEST

#define KEY_32 "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"

static const struct {
    const char *bytes;
    size_t len;
    mode_t mode;
    bool starts;
} key_files[] = {
#define FILE_OF(bytes, mode, starts)                                                                                             \
    { bytes, sizeof(bytes) - 1, mode, starts }
    FILE_OF(KEY_32, 0600, true),
    FILE_OF(KEY_32 "\n", 0640, true),
    FILE_OF(KEY_32 "=", 0400, true),
    FILE_OF("", 0600, false),
    FILE_OF("\n", 0600, false),
    FILE_OF("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MA", 0600, false), /* 31 bytes */
    FILE_OF("MDEyMzQ1Njc4OTAxMjM0NT\0Y3ODkwMTIzNDU2Nzg5MDE", 0600, false),
    FILE_OF("MDEyMzQ1Njc4OTAxMjM0 NTY3ODkwMTIzNDU2Nzg5MDE", 0600, false),
    FILE_OF(KEY_32, 0604, false),
    FILE_OF(KEY_32, 0602, false),
#undef FILE_OF
};

START_TEST(a_key_file_that_is_no_good_refuses_to_start_and_is_named) {
    char keys[160], path[256], setting[256], refresh[256];
    snprintf(keys, sizeof keys, "%s/case-%d", shared_server.directory, _i);
    ck_assert_int_eq(mkdir(keys, 0700), 0);
    snprintf(path, sizeof path, "%s/one.hs256", keys);
    write_file(path, key_files[_i].bytes, key_files[_i].len, key_files[_i].mode);
    snprintf(setting, sizeof setting, "token.keys_dir=%s", keys);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s/refresh.key", shared_server.directory);
    /* the port is taken, so that a good key gets as far as that and no further */
    char listen[64];
    snprintf(listen, sizeof listen, "server.listen=127.0.0.1:%d", shared_server.port);
    ck_assert_int_eq(RUN("--set", setting, "--set", refresh, "--set", listen, "serve"), 1);
    ck_assert_msg((strstr(output, "listen_failed") != NULL) == key_files[_i].starts, "%s", output);
    if (!key_files[_i].starts)
        ck_assert_msg(strstr(output, "one.hs256") != NULL, "%s", output);
}
END_TEST

/* What a systemd unit runs before the service, with this program in place of the one that would be installed. */
static void read_start_pre(char *script, size_t size) {
    static const char mark[] = "ExecStartPre=", installed[] = "/usr/local/bin/jwtd";
    char line[512] = "";
    FILE *unit = fopen("config/jwtd.service", "re");
    ck_assert_ptr_nonnull(unit);
    while (fgets(line, sizeof line, unit) != NULL && strncmp(line, mark, sizeof mark - 1) != 0) {
    }
    fclose(unit);
    const char *program = strstr(line, installed);
    ck_assert_ptr_nonnull(program);
    snprintf(script, size, "%.*s%s%s", (int)(program - line - (long)sizeof mark + 1), line + sizeof mark - 1,
             getenv("JWTD_TEST_PROGRAM"), program + sizeof installed - 1);
}

/* Runs it by a shell in this directory; returns the number that it prints, or 0. */
static long run_in(const char *directory, const char *script) {
    char command[2048], answer[64] = "";
    int out[2], status;
    /* the program takes every JWTD_ variable for a setting */
    snprintf(command, sizeof command,
             "unset $(env | sed -n 's/^\\(JWTD_[A-Z_]*\\)=.*/\\1/p'); cd %s; export CREDENTIALS_DIRECTORY=.; %s", directory,
             script);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    ck_assert_int_ge(read(out[0], answer, sizeof answer - 1), 0);
    close(out[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", command);
    return strtol(answer, NULL, 10);
}

static const struct {
    const char *before; /* run in the empty directory of the service */
    long keys;          /* signing keys after it */
} key_states[] = {
    { ":", 1 },
    { "mkdir keys", 1 },
    { "echo " KEY_32 " > refresh.key", 1 },
    { "mkdir keys; echo " KEY_32 " > refresh.key; touch keys/a.hs256~new-12345678", 1 },
    { "mkdir keys; echo " KEY_32 " > keys/a.hs256", 1 },
    { "mkdir keys; echo " KEY_32 " > keys/a.hs256; echo " KEY_32 " > refresh.key", 1 },
};

START_TEST(before_each_start_the_unit_makes_the_keys_that_are_missing) {
    char directory[160], script[1024], keys[256], refresh[256], listen[64];
    snprintf(directory, sizeof directory, "%s/state-%d", shared_server.directory, _i);
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    read_start_pre(script, sizeof script);
    run_in(directory, "umask 077; : > jwtd.conf");
    run_in(directory, key_states[_i].before);
    run_in(directory, "chmod -R go= .");
    run_in(directory, script);
    ck_assert_int_eq(run_in(directory, "ls keys/*.hs256 | wc -l"), key_states[_i].keys);
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", directory);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s/refresh.key", directory);
    snprintf(listen, sizeof listen, "server.listen=127.0.0.1:%d", shared_server.port); /* taken: the keys are read before */
    ck_assert_int_eq(RUN("--set", keys, "--set", refresh, "--set", listen, "serve"), 1);
    ck_assert_msg(strstr(output, "listen_failed") != NULL, "%s", output);
}
END_TEST

START_TEST(the_unit_looks_for_the_keys_where_the_configuration_says) {
    char directory[160], script[1024];
    snprintf(directory, sizeof directory, "%s/state-elsewhere", shared_server.directory);
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    read_start_pre(script, sizeof script);
    run_in(directory, "umask 077; mkdir elsewhere; "
                      "printf '[token]\\nkeys_dir = elsewhere/signing\\nrefresh_key_file = elsewhere/secret\\n' > jwtd.conf");
    for (int starts = 0; starts < 3; starts++) {
        run_in(directory, script);
        ck_assert_int_eq(run_in(directory, "ls elsewhere/signing/*.hs256 | wc -l"), 1);
        ck_assert_int_eq(run_in(directory, "ls elsewhere/secret | wc -l"), 1);
    }
    ck_assert_int_eq(run_in(directory, "ls -d keys refresh.key 2>/dev/null | wc -l"), 0);
}
END_TEST

START_TEST(keygen_names_the_key_that_it_makes_and_makes_no_key_too_many) {
    char directory[160], keys[256], refresh[256];
    snprintf(directory, sizeof directory, "%s/keygen", shared_server.directory);
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", directory);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s/refresh.key", directory);
    ck_assert_int_eq(RUN("--set", keys, "--set", refresh, "keygen", "--if-missing"), 0);
    char path[512];
    output[strcspn(output, "\n")] = '\0';
    snprintf(path, sizeof path, "%s/keys/%.100s.hs256", directory, output);
    ck_assert_msg(access(path, F_OK) == 0, "%s", output);
    ck_assert_int_eq(RUN("--set", keys, "--set", refresh, "keygen", "--if-missing"), 0);
    ck_assert_str_eq(output, "");
    for (int made = 1; made < 64; made++)
        ck_assert_int_eq(RUN("--set", keys, "--set", refresh, "keygen"), 0);
    ck_assert_int_eq(RUN("--set", keys, "--set", refresh, "keygen"), 1);
    ck_assert_msg(strstr(output, "holds 64 keys") != NULL, "%s", output);
    ck_assert_int_eq(RUN("--set", keys, "--set", refresh, "keygen", "--if-missing"), 0);
    ck_assert_int_eq(RUN("keygen", "--always"), 2);
    ck_assert_int_eq(RUN("keygen", "--if-missing", "now"), 2);
}
END_TEST

START_TEST(service_prints_a_secret_once_and_says_how_the_running_program_learns_of_it) {
    char file[256];
    snprintf(file, sizeof file, "services.credentials_file=%s/of-the-cli", shared_server.directory);
    ck_assert_int_eq(RUN("--set", file, "service", "list"), 0);
    ck_assert_str_eq(output, "");
    ck_assert_int_eq(RUN("--set", file, "service", "add", "orders"), 0);
    ck_assert_uint_eq(strcspn(output, "\n"), 43);
    ck_assert_msg(strstr(output, "reads it with SIGHUP") != NULL, "%s", output);
    ck_assert_int_eq(RUN("--set", file, "service", "add", "orders"), 1);
    ck_assert_msg(strstr(output, "there is a service of this name already") != NULL, "%s", output);
    ck_assert_int_eq(RUN("--set", file, "service", "rotate", "orders"), 0);
    ck_assert_int_eq(RUN("--set", file, "service", "add", "gateway"), 0);
    ck_assert_int_eq(RUN("--set", file, "service", "list"), 0);
    ck_assert_str_eq(output, "orders\t2\ngateway\t1\n");
    ck_assert_int_eq(RUN("--set", file, "service", "drop-old", "orders"), 0);
    ck_assert_msg(strncmp(output, "jwtd: ", 6) == 0, "%s", output); /* no secret */
    ck_assert_int_eq(RUN("--set", file, "service", "remove", "orders"), 0);
    ck_assert_int_eq(RUN("--set", file, "service", "remove", "orders"), 1);
    ck_assert_int_eq(RUN("--set", file, "service", "list"), 0);
    ck_assert_str_eq(output, "gateway\t1\n");
    /* a relative path is printed as it was understood */
    char command[512];
    snprintf(command, sizeof command, "cd '%s'; '%s' --set services.credentials_file=of-the-cli service rotate gateway",
             shared_server.directory, getenv("JWTD_TEST_PROGRAM"));
    ck_assert_int_eq(command_run((const char *const[]){ "/bin/sh", "-c", command, NULL }, NULL, output, sizeof output), 0);
    snprintf(command, sizeof command, "jwtd: %s/of-the-cli is changed", shared_server.directory);
    ck_assert_msg(strstr(output, command) != NULL, "%s", output);
}
END_TEST

START_TEST(the_schema_is_current_and_five_migrations_at_once_agree) {
    ck_assert_int_eq(RUN("--set", database_setting, "migrate", "--status"), 0);
    ck_assert_ptr_null(strstr(output, "pending"));
    ck_assert_int_eq(RUN("migrate", "--sideways"), 2);
    char owner[512];
    pid_t pids[5];
    snprintf(owner, sizeof owner, "database.url=%s", getenv("JWTD_TEST_OWNER_DATABASE"));
    for (size_t i = 0; i < 5; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(RUN("--set", owner, "migrate"));
    }
    for (size_t i = 0; i < 5; i++) {
        int status;
        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}
END_TEST

START_TEST(an_operator_adds_shows_disables_and_enables_a_user) {
    struct account account = account_new();
    const char *const add[] = { "--set", database_setting, "user", "add", account.email, "--role", "admin", NULL };
    ck_assert_msg(program_run(add, PASSWORD "\n", output, sizeof output) == 0, "%s", output);
    ck_assert_int_eq(program_run(add, PASSWORD "\n", output, sizeof output), 1);
    ck_assert_msg(strstr(output, "jwtd: there is an account with this e-mail address already\n") != NULL, "%s", output);
    struct tokens tokens = account_login(&shared_server, &account);
    ck_assert_int_eq(RUN("--set", database_setting, "user", "show", account.email), 0);
    ck_assert_ptr_nonnull(strstr(output, account.email));
    ck_assert_ptr_nonnull(strstr(output, "admin"));
    ck_assert_ptr_null(strstr(output, "$argon2"));

    ck_assert_int_eq(RUN("--set", database_setting, "user", "disable", account.email), 0);
    for (int i = 0; i < 15 && me_status(&shared_server, tokens.access) == 200; i++)
        usleep(100000);
    ck_assert_int_eq(me_status(&shared_server, tokens.access), 401);
    ck_assert_int_eq(RUN("--set", database_setting, "user", "enable", account.email), 0);
    account_login(&shared_server, &account);
}
END_TEST

/* After a break-in: nobody gets in by the old password between the two. */
START_TEST(a_disabled_user_gets_a_new_password_and_is_enabled_with_it) {
    struct account account = account_register(&shared_server);
    char body[BODY_SIZE];
    const char *const set_password[] = { "--set", database_setting, "user", "set-password", account.email, NULL };
    ck_assert_int_eq(RUN("--set", database_setting, "user", "disable", account.email), 0);
    ck_assert_msg(program_run(set_password, "quite another passphrase\n", output, sizeof output) == 0, "%s", output);
    expect_status(http_json(&shared_server, "POST", "/auth/login", NULL, credentials(&account, "quite another passphrase", body)),
                  401);
    ck_assert_int_eq(RUN("--set", database_setting, "user", "enable", account.email), 0);
    expect_status(http_json(&shared_server, "POST", "/auth/login", NULL, credentials(&account, PASSWORD, body)), 401);
    account_login_with(&shared_server, &account, "quite another passphrase");
}
END_TEST

/* Of each subcommand that changes an account, what it prints, and what it makes of the account. */
START_TEST(an_operator_does_what_an_administrator_can_do) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char body[BODY_SIZE], me[64];
    snprintf(me, sizeof me, "%s", account.id);
    ck_assert_int_eq(RUN("--set", database_setting, "user", "sessions", account.email), 0);
    ck_assert_msg(strstr(output, "\t127.0.0.1\t") != NULL, "%s", output);
    ck_assert_int_eq(RUN("--set", database_setting, "user", "end-sessions", account.email), 0);
    expect_problem(refresh_with(&shared_server, tokens.refresh), 401, "invalid_refresh_token");
    ck_assert_int_eq(RUN("--set", database_setting, "user", "sessions", account.email), 0);
    ck_assert_msg(strstr(output, "\tended\t") != NULL && strstr(output, "\tended_by_administrator\n") != NULL, "%s", output);
    ck_assert_ptr_null(strchr(strchr(output, '\n') + 1, '\n')); /* nothing but the one that has ended */

    const char *const set_password[] = { "--set", database_setting, "user", "set-password", account.email, NULL };
    ck_assert_int_eq(program_run(set_password, "password123\n", output, sizeof output), 1);
    ck_assert_msg(program_run(set_password, "quite another passphrase\n", output, sizeof output) == 0, "%s", output);
    expect_status(http_json(&shared_server, "POST", "/auth/login", NULL, credentials(&account, PASSWORD, body)), 401);
    account_login_with(&shared_server, &account, "quite another passphrase");

    ck_assert_int_eq(RUN("--set", database_setting, "user", "require-password-change", account.email), 0);
    expect_problem(
        http_json(&shared_server, "POST", "/auth/login", NULL, credentials(&account, "quite another passphrase", body)), 403,
        "password_change_required");

    ck_assert_int_eq(RUN("--set", database_setting, "user", "events", account.email), 0);
    static const char *const events[] = { "\tpassword_change_required\t", "\tpassword_changed\t", "\tended_by_administrator\t",
                                          "\tshell:", "\tuser_registered\t" };
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        ck_assert_msg(strstr(output, events[i]) != NULL, "%s is missing in:\n%s", events[i], output);

    ck_assert_int_eq(RUN("--set", database_setting, "user", "delete", account.email), 0);
    ck_assert_msg(strncmp(output, me, strlen(me)) == 0, "%s", output);
    ck_assert_int_eq(RUN("--set", database_setting, "user", "show", account.email), 1);
}
END_TEST

START_TEST(the_last_administrator_stays_on_the_shell_too) {
    static const char *const removals[] = { "set-roles", "disable", "delete" };
    char ignored[8];
    database_value("UPDATE users SET roles = '{}' WHERE email <> 'keeper@example.org' AND 'admin' = ANY (roles)", NULL, ignored,
                   sizeof ignored);
    for (size_t i = 0; i < ARRAY_LEN(removals); i++) {
        ck_assert_int_eq(RUN("--set", database_setting, "user", removals[i], "keeper@example.org"), 1);
        ck_assert_msg(strstr(output, "jwtd: nobody who has a password and is not disabled would be an administrator: ") != NULL,
                      "%s", output);
    }
}
END_TEST

/* The table is locked, or the server is away, or it has no such database: what failed, and what to do. */
START_TEST(an_operator_is_told_what_to_do_when_the_database_fails) {
    char url[600];
    static const char *const advice[] = { "database.url", "jwtd migrate" };
    snprintf(url, sizeof url, "%s", "database.url=host=127.0.0.1 port=1 user=jwtd dbname=jwtd");
    ck_assert_int_eq(RUN("--set", url, "user", "list"), 1);
    ck_assert_msg(strstr(output, "jwtd: the database cannot be used; ") != NULL, "%s", output);
    for (size_t i = 0; i < ARRAY_LEN(advice); i++)
        ck_assert_msg(strstr(output, advice[i]) != NULL, "%s is missing in:\n%s", advice[i], output);
    ck_assert_msg(strstr(output, "Retry-After") == NULL, "%s", output);
}
END_TEST

/* The last column of the user's line. The list has the users of other tests too. */
static void expect_password_state(const struct account *account, const char *state) {
    char last_column[64], list[1200];
    snprintf(last_column, sizeof last_column, "\t%s\n", state);
    ck_assert_int_eq(RUN("--set", database_setting, "user", "show", account->email), 0);
    ck_assert_msg(strstr(output, last_column) != NULL, "%s", output);
    snprintf(list, sizeof list, "'%s' --set '%s' user list | grep -F %s", getenv("JWTD_TEST_PROGRAM"), database_setting,
             account->id);
    ck_assert_int_eq(command_run((const char *const[]){ "/bin/sh", "-c", list, NULL }, NULL, output, sizeof output), 0);
    ck_assert_msg(strstr(output, last_column) != NULL, "%s", output);
}

START_TEST(show_and_list_say_who_has_no_password_or_must_change_it) {
    struct account account = account_register(&shared_server);
    const char *const set_password[] = { "--set", database_setting, "user", "set-password", account.email, NULL };
    char ignored[8];
    expect_password_state(&account, "password");
    ck_assert_int_eq(RUN("--set", database_setting, "user", "require-password-change", account.email), 0);
    expect_password_state(&account, "change-required");
    database_value("UPDATE users SET has_password = false WHERE email = $1", account.email, ignored, sizeof ignored);
    expect_password_state(&account, "no-password");
    ck_assert_msg(program_run(set_password, PASSWORD "\n", output, sizeof output) == 0, "%s", output);
    expect_password_state(&account, "password");
}
END_TEST

START_TEST(a_role_that_is_named_twice_is_stored_once) {
    struct account account = account_new();
    const char *const add[] = { "--set", database_setting, "user", "add", account.email, "--role", "a", "--role", "a", NULL };
    ck_assert_msg(program_run(add, PASSWORD "\n", output, sizeof output) == 0, "%s", output);
    ck_assert_msg(strstr(output, "\ta\tactive\t") != NULL, "%s", output);
    ck_assert_int_eq(RUN("--set", database_setting, "user", "set-roles", account.email, "b", "a", "b"), 0);
    ck_assert_msg(strstr(output, "\tb,a\tactive\t") != NULL, "%s", output);
}
END_TEST

/* Each column begins at the same place in every line, however long the names are. */
START_TEST(the_settings_of_the_help_stand_in_columns) {
    ck_assert_int_eq(RUN("--help"), 0);
    const char *settings = strstr(output, "\n  server.listen ");
    ck_assert_ptr_nonnull(settings);
    size_t column = strcspn(settings, "1") - 1; /* of 127.0.0.1 */
    for (const char *line = settings + 1; *line != '\0'; line = strchr(line, '\n') + 1)
        ck_assert_msg(line[column] != ' ' && strncmp(line + column - 2, "  ", 2) == 0, "%.60s", line);
}
END_TEST

START_TEST(a_weak_password_is_refused_at_the_command_line_too) {
    struct account account = account_new();
    const char *const add[] = { "--set", database_setting, "user", "add", account.email, NULL };
    ck_assert_int_eq(program_run(add, "password123\n", output, sizeof output), 1);
    ck_assert_int_eq(RUN("--set", database_setting, "user", "show", account.email), 1);
}
END_TEST

Suite *cli_suite(void) {
    Suite *suite = suite_create("cli");
    TCase *tcase = tcase_create("beside a server");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, start, shared_server_finish);
    tcase_add_loop_test(tcase, each_command_line_is_understood_or_refused_with_its_reason, 0, (int)ARRAY_LEN(command_lines));
    tcase_add_loop_test(tcase, help_of_each_subcommand_explains_that_subcommand, 0, (int)cli_commands_count);
    tcase_add_test(tcase, every_error_in_the_configuration_is_named_at_once);
    tcase_add_test(tcase, a_setting_on_the_command_line_beats_the_environment_and_that_the_file);
    tcase_add_loop_test(tcase, a_database_url_that_is_misread_is_refused_and_no_part_of_its_password_is_printed, 0,
                        (int)ARRAY_LEN(misread_urls));
    tcase_add_loop_test(tcase, a_key_file_that_is_no_good_refuses_to_start_and_is_named, 0, (int)ARRAY_LEN(key_files));
    tcase_add_loop_test(tcase, before_each_start_the_unit_makes_the_keys_that_are_missing, 0, (int)ARRAY_LEN(key_states));
    tcase_add_test(tcase, the_unit_looks_for_the_keys_where_the_configuration_says);
    tcase_add_test(tcase, keygen_names_the_key_that_it_makes_and_makes_no_key_too_many);
    tcase_add_test(tcase, service_prints_a_secret_once_and_says_how_the_running_program_learns_of_it);
    tcase_add_test(tcase, the_schema_is_current_and_five_migrations_at_once_agree);
    tcase_add_test(tcase, an_operator_adds_shows_disables_and_enables_a_user);
    tcase_add_test(tcase, a_disabled_user_gets_a_new_password_and_is_enabled_with_it);
    tcase_add_test(tcase, an_operator_does_what_an_administrator_can_do);
    tcase_add_test(tcase, the_last_administrator_stays_on_the_shell_too);
    tcase_add_test(tcase, an_operator_is_told_what_to_do_when_the_database_fails);
    tcase_add_test(tcase, show_and_list_say_who_has_no_password_or_must_change_it);
    tcase_add_test(tcase, a_role_that_is_named_twice_is_stored_once);
    tcase_add_test(tcase, the_settings_of_the_help_stand_in_columns);
    tcase_add_test(tcase, a_weak_password_is_refused_at_the_command_line_too);
    suite_add_tcase(suite, tcase);
    return suite;
}
