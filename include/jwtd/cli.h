/*
 * cli: the commands of the program, one file each. A command takes what main has read from the command line and returns the exit
 * code: 0 done, 1 failed, 2 used wrongly (main rejects options and operands that the command's row does not take).
 */
#ifndef JWTD_CLI_H
#define JWTD_CLI_H

#include "jwtd/config.h"

struct cli_arguments {
    const struct config_source *source; /* --config and --set, read by main */
    const char *const *operands;        /* behind the command's name */
    int operand_count;
    bool wants_status, if_missing; /* --status of migrate, --if-missing of keygen */
    const char *const *roles;      /* each --role of user add */
    int role_count;
};

int cli_serve(const struct cli_arguments *arguments);
int cli_migrate(const struct cli_arguments *arguments);
int cli_keygen(const struct cli_arguments *arguments);
int cli_check_config(const struct cli_arguments *arguments);
int cli_user(const struct cli_arguments *arguments);

/* Loads the configuration for a command, or reports its errors on standard error and returns false. */
bool cli_load_config(const struct cli_arguments *arguments, struct config *config) MUST_CHECK;

#endif
