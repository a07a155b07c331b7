/*
 * cli: the commands of the program, one file each. A command takes what main has read from the command line and returns the exit
 * code: 0 done, 1 failed (or, of migrate --status, migrations are pending), 2 used wrongly (main rejects options and operands
 * that the command's row does not take; subcommand.h those that a subcommand does not). Main thread.
 */
#ifndef JWTD_CLI_H
#define JWTD_CLI_H

#include "jwtd/config.h"

struct cli_arguments {
    const struct config_source *source; /* --config and --set, read by main */
    const char *const *operands;        /* those after the command's name */
    int operand_count;
    bool wants_status, if_missing; /* --status of migrate, --if-missing of keygen */
    const char *algorithm;         /* --algorithm of keygen; NULL: not given */
    bool wants_json, at_once;      /* --json of key list, --now of key activate */
    const char *const *roles;      /* each --role of user add */
    int role_count;
};

int cli_serve(const struct cli_arguments *arguments);
int cli_migrate(const struct cli_arguments *arguments);
int cli_keygen(const struct cli_arguments *arguments);
int cli_check_config(const struct cli_arguments *arguments);
int cli_service(const struct cli_arguments *arguments);
int cli_key(const struct cli_arguments *arguments);
int cli_openapi(const struct cli_arguments *arguments);
int cli_user(const struct cli_arguments *arguments);

/* What `jwtd service --help`, `jwtd user --help` and `jwtd key --help` print. */
void cli_print_service_help(void);
void cli_print_user_help(void);
void cli_print_key_help(void);

/* Loads the configuration for a command; false: its errors are on standard error. config_fini is due in both cases. */
bool cli_load_config(const struct cli_arguments *arguments, struct config *config) MUST_CHECK;

#endif
