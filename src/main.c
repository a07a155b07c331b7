/* The command line: takes the options that every command has, and hands the rest to one row of the table of commands. */
#include "jwtd/cli.h"
#include "jwtd/macros.h"
#include "jwtd/version.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define USAGE "usage: jwtd [--config FILE] [--set SECTION.KEY=VALUE]... COMMAND [WORDS]\n"

static const struct command {
    const char *name, *words, *help;
    int (*run)(const struct cli_arguments *arguments);
} commands[] = {
    { "serve", "", "serve until SIGTERM or SIGINT", cli_serve },
    { "migrate", "[--status]", "bring the database to this program's schema, or say how far it is", cli_migrate },
    { "keygen", "[--if-missing]", "make a new signing key, or one only if there is none, and the refresh key if there is none",
      cli_keygen },
    { "check-config", "", "print the configuration that is in force, or everything that is wrong with it", cli_check_config },
    { "user", "list|show|add|set-roles|disable|enable", "look after accounts; alone it says how", cli_user },
};
#define COMMANDS ARRAY_LEN(commands)

struct invocation {
    struct config_source source;
    const char **set; /* argc of room */
    char **words;     /* the command and what is its own; argc of room */
    int word_count;
    bool wants_help, wants_version;
};

static void print_help(void) {
    fputs("jwtd " JWTD_VERSION ": registers and logs in users, and issues the tokens that other services verify.\n\n" USAGE
          "       jwtd --help | --version\n\ncommands:\n",
          stdout);
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-12s %-38s  %s\n", commands[i].name, commands[i].words, commands[i].help);
    fputs(
        "\noptions, before or behind the command:\n"
        "  --config FILE              read this INI file; without it none is read\n"
        "  --set SECTION.KEY=VALUE    stronger than the environment; other users can see it in the list of processes\n"
        "  --                         what follows is the command's own\n"
        "\nsettings, with their defaults; SECTION.KEY is JWTD_SECTION_KEY in the environment, which is stronger than the file:\n",
        stdout);
    config_print_help(stdout);
}

static int use_wrongly(const char *what, const char *word) {
    fprintf(stderr, "jwtd: %s%s\n" USAGE "       jwtd --help says more\n", what, word);
    return 2;
}

/* The value of "--name=VALUE" or of "--name VALUE", where *index moves on; NULL: argv[*index] is not this option, or has no
 * value. */
static const char *option_value(const char *name, char **argv, int *index) {
    size_t len = strlen(name);
    if (strncmp(argv[*index], name, len) != 0)
        return NULL;
    if (argv[*index][len] == '=')
        return argv[*index] + len + 1;
    if (argv[*index][len] != '\0' || argv[*index + 1] == NULL)
        return NULL;
    ++*index;
    return argv[*index];
}

/* Takes the option at *index if it is one of every command's. */
static bool take_option(struct invocation *invocation, char **argv, int *index) {
    const char *file = option_value("--config", argv, index);
    const char *set = file == NULL ? option_value("--set", argv, index) : NULL;
    if (file != NULL)
        invocation->source.file = file;
    else if (set != NULL)
        invocation->set[invocation->source.set_count++] = set;
    else if (strcmp(argv[*index], "--help") == 0)
        invocation->wants_help = true;
    else if (strcmp(argv[*index], "--version") == 0)
        invocation->wants_version = true;
    else
        return false;
    return true;
}

/* Sorts options from words. An unknown option behind the command is the command's to judge. NULL, or what was used wrongly. */
static const char *read_arguments(struct invocation *invocation, int argc, char **argv) {
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        if (only_words) {
            invocation->words[invocation->word_count++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!take_option(invocation, argv, &i)) {
            bool lacks_value = strcmp(argv[i], "--config") == 0 || strcmp(argv[i], "--set") == 0;
            if (lacks_value || (invocation->word_count == 0 && argv[i][0] == '-'))
                return argv[i];
            invocation->words[invocation->word_count++] = argv[i];
        }
    }
    return NULL;
}

static int run_command(const struct invocation *invocation) {
    if (invocation->word_count == 0)
        return use_wrongly("there is no command", "");
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, invocation->words[0]) == 0) {
            struct cli_arguments arguments = { &invocation->source, invocation->word_count - 1, invocation->words + 1 };
            return commands[i].run(&arguments);
        }
    }
    return use_wrongly("there is no command ", invocation->words[0]);
}

static int run(struct invocation *invocation, int argc, char **argv) {
    invocation->source.environment = environ;
    invocation->source.set = invocation->set;
    const char *wrong = read_arguments(invocation, argc, argv);
    if (wrong != NULL)
        return use_wrongly("an option that is unknown or lacks its value: ", wrong);
    if (invocation->wants_help) {
        print_help();
        return 0;
    }
    if (invocation->wants_version) {
        puts("jwtd " JWTD_VERSION);
        return 0;
    }
    return run_command(invocation);
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
    size_t room = argc > 0 ? (size_t)argc : 1;
    struct invocation invocation = { .set = (const char **)calloc(room, sizeof(char *)),
                                     .words = (char **)calloc(room, sizeof(char *)) };
    int code = 1;
    if (invocation.set != NULL && invocation.words != NULL)
        code = run(&invocation, argc, argv);
    else
        perror("jwtd");
    free((void *)invocation.set);
    free((void *)invocation.words);
    if (fflush(stdout) != 0) {
        perror("jwtd: standard output");
        return 1;
    }
    return code;
}
