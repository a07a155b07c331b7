/* The command line: getopt_long reads it, and one row of the table of commands runs. */
#include "jwtd/cli.h"
#include "jwtd/macros.h"
#include "jwtd/version.h"

#include <fcntl.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define USAGE "usage: jwtd [--config FILE] [--set SECTION.KEY=VALUE]... COMMAND [OPERAND]...\n"

/* Which options a command takes beside those of every command. */
enum command_options {
    TAKES_STATUS = 1,
    TAKES_IF_MISSING = 2,
    TAKES_ROLE = 4,
    TAKES_ALGORITHM = 8,
    TAKES_JSON = 16,
    TAKES_NOW = 32
};

static const struct command {
    const char *name, *synopsis, *help;
    const char *details; /* for its own --help */
    unsigned options;    /* of enum command_options */
    bool takes_operands;
    int (*run)(const struct cli_arguments *arguments);
    void (*print_help)(void); /* prints all of its own --help, in place of details; NULL: there are details */
} commands[] = {
    { "serve", "", "serve until SIGTERM or SIGINT; SIGHUP reads configuration and keys again",
      "SIGHUP applies those settings that can change while it runs, and names the others in the log.\n"
      "Exit code: 0 stopped by a signal, 1 it could not start.\n",
      0, false, cli_serve, NULL },
    { "migrate", " [--status]", "bring the database to this program's schema, or list what is applied and pending",
      "  --status      change nothing; list the migrations that are applied and pending\n"
      "Exit code: 0 done, 1 failed, or with --status: some are pending.\n",
      TAKES_STATUS, false, cli_migrate, NULL },
    { "keygen", " [--if-missing] [--algorithm NAME]",
      "make a new signing key, or one only if there is none, and the refresh key if there is none",
      "  --if-missing         make only what is missing\n"
      "  --algorithm NAME     of the signing key: hs256 (a secret that every verifier needs, the default), es256 or rs256 (a "
      "key\n"
      "                       pair, of which verifiers need the public key)\n"
      "The name of a new signing key is printed. This is for the first key. Beside others use jwtd key add: a running service\n"
      "publishes a key that keygen has made only after SIGHUP, and the key signs token.publish_before_use after it was made, "
      "or,\n"
      "where there is keys.conf, when jwtd key activates it. Exit code: 0 done, 1 failed.\n",
      TAKES_IF_MISSING | TAKES_ALGORITHM, false, cli_keygen, NULL },
    { "check-config", "", "print the configuration that is in force, or everything that is wrong with it",
      "What is printed can be read again, but for passwords, which are ***; remarks are comments. Exit code: 0 right, 1 wrong.\n",
      0, false, cli_check_config, NULL },
    { "openapi", "", "print the description of the API, an OpenAPI 3.1 document, as GET /openapi.json serves it",
      "Its addresses are relative unless server.public_url is set. Exit code: 0 done, 1 failed.\n", 0, false, cli_openapi, NULL },
    { "service", " list|add|rotate|drop-old|drop-new|remove",
      "manage the services that may introspect tokens; jwtd service --help says how", NULL, 0, true, cli_service,
      cli_print_service_help },
    { "user", " SUBCOMMAND [EMAIL]", "manage accounts; jwtd user --help says how", NULL, TAKES_ROLE, true, cli_user,
      cli_print_user_help },
    { "key", " list|add|activate|retire|revoke|prune|rotate-refresh", "manage signing keys; jwtd key --help says how", NULL,
      TAKES_ALGORITHM | TAKES_JSON | TAKES_NOW, true, cli_key, cli_print_key_help },
};

/* What getopt_long returns. */
enum {
    OPERAND = 1,
    OPTION_HELP = 'h',
    OPTION_CONFIG = 256,
    OPTION_SET,
    OPTION_VERSION,
    OPTION_STATUS,
    OPTION_IF_MISSING,
    OPTION_ROLE,
    OPTION_ALGORITHM,
    OPTION_JSON,
    OPTION_NOW
};

static const struct option options[] = {
    { "config", required_argument, NULL, OPTION_CONFIG },
    { "set", required_argument, NULL, OPTION_SET },
    { "help", no_argument, NULL, OPTION_HELP },
    { "version", no_argument, NULL, OPTION_VERSION },
    { "status", no_argument, NULL, OPTION_STATUS },
    { "if-missing", no_argument, NULL, OPTION_IF_MISSING },
    { "role", required_argument, NULL, OPTION_ROLE },
    { "algorithm", required_argument, NULL, OPTION_ALGORITHM },
    { "json", no_argument, NULL, OPTION_JSON },
    { "now", no_argument, NULL, OPTION_NOW },
    { NULL, 0, NULL, 0 },
};

/* Those that not every command takes. */
static const struct {
    int option;
    unsigned flag; /* of enum command_options */
    const char *name;
} limited_options[] = {
    { OPTION_STATUS, TAKES_STATUS, "--status" }, { OPTION_IF_MISSING, TAKES_IF_MISSING, "--if-missing" },
    { OPTION_ROLE, TAKES_ROLE, "--role" },       { OPTION_ALGORITHM, TAKES_ALGORITHM, "--algorithm" },
    { OPTION_JSON, TAKES_JSON, "--json" },       { OPTION_NOW, TAKES_NOW, "--now" },
};

struct command_line {
    struct config_source source;
    struct cli_arguments arguments;
    const char **set, **operands, **roles; /* argc elements each */
    unsigned options;                      /* of enum command_options */
    bool wants_help, wants_version;
};

static void print_help(void) {
    fputs("jwtd " JWTD_VERSION ": registers and logs in users, and issues the tokens that other services verify.\n\n" USAGE
          "       jwtd --help | --version\n\ncommands:\n",
          stdout);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        printf("  %-12s%-39s  %s\n", commands[i].name, commands[i].synopsis, commands[i].help);
    fputs("\noptions, before or after the command:\n"
          "  --config FILE              read this INI file; without it none is read\n"
          "  --set SECTION.KEY=VALUE    takes precedence over the environment; other users can see it in the list of processes\n"
          "  --                         what follows are operands\n"
          "\nsettings, with their defaults; SECTION.KEY is JWTD_SECTION_KEY in the environment, which takes precedence over the "
          "file:\n",
          stdout);
    config_print_help(stdout);
}

static void print_command_help(const struct command *command) {
    if (command->print_help != NULL)
        command->print_help();
    else
        printf("usage: jwtd %s%s\n\n%s\n%s", command->name, command->synopsis, command->help, command->details);
    fputs("jwtd --help lists the options and settings of every command.\n", stdout);
}

static int usage_error(const char *what, const char *word) {
    fprintf(stderr, "jwtd: %s%s\n" USAGE "       jwtd --help lists commands and options\n", what, word);
    return 2;
}

static void take_option(struct command_line *line, int option) {
    struct cli_arguments *arguments = &line->arguments;
    for (size_t i = 0; i < ARRAY_LEN(limited_options); i++)
        if (limited_options[i].option == option)
            line->options |= limited_options[i].flag;
    switch (option) {
    case OPERAND:
        line->operands[arguments->operand_count++] = optarg;
        break;
    case OPTION_CONFIG:
        line->source.file = optarg;
        break;
    case OPTION_SET:
        line->set[line->source.set_count++] = optarg;
        break;
    case OPTION_HELP:
        line->wants_help = true;
        break;
    case OPTION_VERSION:
        line->wants_version = true;
        break;
    case OPTION_STATUS:
        arguments->wants_status = true;
        break;
    case OPTION_IF_MISSING:
        arguments->if_missing = true;
        break;
    case OPTION_ALGORITHM:
        arguments->algorithm = optarg;
        break;
    case OPTION_JSON:
        arguments->wants_json = true;
        break;
    case OPTION_NOW:
        arguments->at_once = true;
        break;
    default:
        line->roles[arguments->role_count++] = optarg;
    }
}

/* The "-" below makes getopt_long return operands in their place, so that optind is known of an option that it rejects. Returns
 * that option, or NULL. */
static const char *read_arguments(struct command_line *line, int argc, char **argv) {
    opterr = 0;
    for (;;) {
        const char *word = argv[optind];
        int option = getopt_long(argc, argv, "-:h", options, NULL);
        if (option == -1)
            break;
        if (option == '?' || option == ':')
            return word;
        take_option(line, option);
    }
    for (; optind < argc; optind++)
        line->operands[line->arguments.operand_count++] = argv[optind];
    return NULL;
}

static const char *option_name(unsigned flag) {
    size_t i = 0;
    while (limited_options[i].flag != flag)
        i++;
    return limited_options[i].name;
}

static int refuse(const struct command *command, const char *what, const char *word) {
    fprintf(stderr, "jwtd: %s takes no %s: %s\nusage: jwtd %s%s\n", command->name, what, word, command->name, command->synopsis);
    return 2;
}

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int run_command(struct command_line *line) {
    struct cli_arguments *arguments = &line->arguments;
    if (arguments->operand_count == 0)
        return usage_error("there is no command", "");
    const struct command *command = find_command(arguments->operands[0]);
    if (command == NULL)
        return usage_error("there is no command ", arguments->operands[0]);
    if (line->wants_help) {
        print_command_help(command);
        return 0;
    }
    arguments->operands++;
    arguments->operand_count--;
    unsigned others = line->options & ~command->options;
    if (others != 0)
        return refuse(command, "option", option_name(others & -others));
    if (arguments->operand_count > 0 && !command->takes_operands)
        return refuse(command, "operand", arguments->operands[0]);
    return command->run(arguments);
}

static int run(struct command_line *line, int argc, char **argv) {
    line->source.environment = environ;
    line->source.set = line->set;
    line->arguments.source = &line->source;
    line->arguments.operands = line->operands;
    line->arguments.roles = line->roles;
    const char *wrong = argc > 0 ? read_arguments(line, argc, argv) : NULL;
    if (wrong != NULL)
        return usage_error("an option that is unknown or lacks its value: ", wrong);
    if (line->wants_help && line->arguments.operand_count == 0) {
        print_help();
        return 0;
    }
    if (line->wants_version) {
        puts("jwtd " JWTD_VERSION);
        return 0;
    }
    return run_command(line);
}

/* A program started with a standard stream closed would open its next file or socket in that place, and log into it. */
static bool open_standard_streams(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

/* Keys and passwords must not reach a disk in a core dump, nor another process through ptrace or /proc/PID/mem. */
static bool forbid_core_dumps(void) {
    const struct rlimit none = { 0, 0 };
    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

int main(int argc, char **argv) {
    umask(S_IRWXG | S_IRWXO);
    if (!open_standard_streams() || !forbid_core_dumps() || sodium_init() < 0) {
        perror("jwtd: the process cannot be set up safely");
        return 1;
    }
    size_t size = argc > 0 ? (size_t)argc : 1;
    const char **words = (const char **)calloc(3 * size, sizeof *words);
    int code = 1;
    if (words != NULL) {
        struct command_line line = { .set = words, .operands = words + size, .roles = words + 2 * size };
        code = run(&line, argc, argv);
    } else {
        perror("jwtd");
    }
    free((void *)words);
    if (fflush(stdout) != 0) {
        perror("jwtd: standard output");
        return 1;
    }
    return code;
}
