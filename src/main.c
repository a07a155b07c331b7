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

/* What getopt_long returns beside the flags of cli_options. */
enum { OPERAND = 1, OPTION_CONFIG, OPTION_SET, OPTION_VERSION, OPTION_HELP = 'h' };

static const struct option common_options[] = {
    { "config", required_argument, NULL, OPTION_CONFIG },
    { "set", required_argument, NULL, OPTION_SET },
    { "help", no_argument, NULL, OPTION_HELP },
    { "version", no_argument, NULL, OPTION_VERSION },
};
#define COMMON_OPTIONS ARRAY_LEN(common_options)

struct command_line {
    struct config_source source;
    struct cli_arguments arguments;
    const char **set, **operands, **roles; /* argc elements each */
    unsigned options;                      /* of enum cli_option_flag: those that were given */
    bool wants_help, wants_version;
};

static void print_help(void) {
    fputs("jwtd " JWTD_VERSION ": registers and logs in users, and issues the tokens that other services verify.\n\n" USAGE
          "       jwtd --help | --version\n\ncommands:\n",
          stdout);
    for (size_t i = 0; i < cli_commands_count; i++)
        printf("  %-12s%-39s  %s\n", cli_commands[i].name, cli_commands[i].synopsis, cli_commands[i].help);
    fputs("\noptions, before or after the command:\n"
          "  --config FILE              read this INI file; without it none is read\n"
          "  --set SECTION.KEY=VALUE    takes precedence over the environment; other users can see it in the list of processes\n"
          "  --                         what follows are operands\n"
          "\nsettings, with their defaults; SECTION.KEY is JWTD_SECTION_KEY in the environment, which takes precedence over the "
          "file:\n",
          stdout);
    config_print_help(stdout);
}

static int usage_error(const char *what, const char *word) {
    fprintf(stderr, "jwtd: %s%s\n" USAGE "       jwtd --help lists commands and options\n", what, word);
    return 2;
}

static void take_option(struct command_line *line, int option) {
    struct cli_arguments *arguments = &line->arguments;
    switch (option) {
    case OPERAND:
        line->operands[arguments->operand_count++] = optarg;
        return;
    case OPTION_CONFIG:
        line->source.file = optarg;
        return;
    case OPTION_SET:
        line->set[line->source.set_count++] = optarg;
        return;
    case OPTION_HELP:
        line->wants_help = true;
        return;
    case OPTION_VERSION:
        line->wants_version = true;
        return;
    case CLI_ALGORITHM:
        arguments->algorithm = optarg;
        break;
    case CLI_ROLE:
        line->roles[arguments->role_count++] = optarg;
        break;
    default:; /* a flag: that it was given is all */
    }
    line->options |= (unsigned)option;
}

static void list_options(struct option list[]) {
    for (size_t i = 0; i < COMMON_OPTIONS; i++)
        *list++ = common_options[i];
    for (size_t i = 0; i < cli_options_count; i++)
        *list++ = (struct option){ cli_options[i].name + 2, cli_options[i].value != NULL ? required_argument : no_argument, NULL,
                                   (int)cli_options[i].flag };
    *list = (struct option){ .name = NULL };
}

/* The "-" below makes getopt_long return operands in their place, so that optind is known of an option that it rejects. Returns
 * that option, or NULL. */
static const char *read_arguments(struct command_line *line, int argc, char **argv) {
    struct option options[COMMON_OPTIONS + CLI_OPTIONS_MAX + 1];
    list_options(options);
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
    while (cli_options[i].flag != flag)
        i++;
    return cli_options[i].name;
}

static int refuse(const struct cli_command *command, const char *what, const char *word) {
    fprintf(stderr, "jwtd: %s takes no %s: %s\nusage: jwtd %s%s\n", command->name, what, word, command->name, command->synopsis);
    return 2;
}

static int run_command(struct command_line *line) {
    struct cli_arguments *arguments = &line->arguments;
    if (arguments->operand_count == 0)
        return usage_error("there is no command", "");
    const struct cli_command *command = cli_find_command(arguments->operands[0]);
    if (command == NULL)
        return usage_error("there is no command ", arguments->operands[0]);
    if (line->wants_help) {
        cli_print_command_help(command, arguments->operand_count > 1 ? arguments->operands[1] : NULL);
        return 0;
    }
    arguments->operands++;
    arguments->operand_count--;
    arguments->options = line->options;
    unsigned others = line->options & ~command->options;
    if (others != 0)
        return refuse(command, "option", option_name(others & -others));
    if (arguments->operand_count > 0 && command->subcommands == NULL)
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
        printf("jwtd " JWTD_VERSION " (%s)\n", jwtd_commit);
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
