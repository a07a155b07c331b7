/*
 * cli: the commands of the program, one file each. A command takes what main has read from the command line and returns the exit
 * code: 0 done, 1 failed (or, of migrate --status, migrations are pending), 2 used wrongly (main rejects options and operands
 * that the command's row does not take; subcommand.h those that a subcommand does not). Main thread.
 *
 * The table of commands is read by main, by --help and, at build time, by the manual pages (man/).
 */
#ifndef JWTD_CLI_H
#define JWTD_CLI_H

#include "jwtd/config.h"

/* The options that not every command takes. A set of them is an `unsigned`. */
enum cli_option_flag {
    CLI_STATUS = 1 << 8, /* above all characters: getopt_long returns it */
    CLI_IF_MISSING = 1 << 9,
    CLI_ROLE = 1 << 10,
    CLI_ALGORITHM = 1 << 11,
    CLI_JSON = 1 << 12,
    CLI_NOW = 1 << 13,
    CLI_READY = 1 << 14,
    CLI_CONNECT = 1 << 15
};

struct cli_option {
    const char *name;  /* "--role" */
    const char *value; /* its name in --help; NULL: it takes none */
    const char *help;
    unsigned flag; /* one of enum cli_option_flag */
};

struct cli_arguments {
    const struct config_source *source; /* --config and --set, read by main */
    const char *const *operands;        /* those after the command's name */
    int operand_count;
    unsigned options;         /* those of enum cli_option_flag that were given */
    const char *algorithm;    /* --algorithm; NULL: not given */
    const char *const *roles; /* each --role of user add */
    int role_count;
};

struct subcommand_table;

struct cli_command {
    const char *name, *synopsis, *help;
    const char *notes;      /* what its own --help says below the options: lines, each ended by \n; "" for nothing */
    const char *exit_codes; /* a line, the last of that, and of the --help of each of its subcommands */
    unsigned options;       /* that it takes */
    const struct subcommand_table *subcommands; /* NULL: it has none, and takes no operands */
    int (*run)(const struct cli_arguments *arguments);
};

#define CLI_OPTIONS_MAX 16
extern const struct cli_option cli_options[];
extern const size_t cli_options_count;
extern const struct cli_command cli_commands[];
extern const size_t cli_commands_count;

/* NULL: there is none of this name. */
const struct cli_command *cli_find_command(const char *name) MUST_CHECK;

/* What `jwtd COMMAND --help` prints, or `jwtd COMMAND SUBCOMMAND --help`; NULL, or one that it does not have: of all of them. */
void cli_print_command_help(const struct cli_command *command, const char *subcommand);

int cli_serve(const struct cli_arguments *arguments);
int cli_migrate(const struct cli_arguments *arguments);
int cli_keygen(const struct cli_arguments *arguments);
int cli_check_config(const struct cli_arguments *arguments);
int cli_health(const struct cli_arguments *arguments);
int cli_service(const struct cli_arguments *arguments);
int cli_key(const struct cli_arguments *arguments);
int cli_openapi(const struct cli_arguments *arguments);
int cli_user(const struct cli_arguments *arguments);

/* Loads the configuration for a command; false: its errors are on standard error. config_fini is due in both cases. */
bool cli_load_config(const struct cli_arguments *arguments, struct config *config) MUST_CHECK;

#endif
