/* The table of commands. */
#include "jwtd/cli.h"
#include "jwtd/macros.h"
#include "subcommand.h"
#include "user_words.h"

#include <stdio.h>
#include <string.h>

const struct cli_command cli_commands[] = {
    { "serve", "", "serve until SIGTERM or SIGINT; SIGHUP reads configuration and keys again",
      "SIGHUP applies those settings that can change while it runs, and names the others in the log.\n",
      "Exit code: 0 stopped by a signal, 1 it could not start.\n", 0, NULL, cli_serve },
    { "migrate", " [--status]", "bring the database to this program's schema, or list what is applied and pending", "",
      "Exit code: 0 done, 1 failed, or with --status: some are pending.\n", CLI_STATUS, NULL, cli_migrate },
    { "keygen", " [--if-missing] [--algorithm NAME]",
      "make a new signing key, or one only if there is none, and the refresh key if there is none",
      "The name of a new signing key is printed; without --algorithm it is of hs256. This is for the first key. Beside others "
      "use\n"
      "jwtd key add: a running service publishes a key that keygen has made only after SIGHUP, and the key signs\n"
      "token.publish_before_use after it was made, or, where there is keys.conf, when jwtd key activates it.\n",
      "Exit code: 0 done, 1 failed.\n", CLI_IF_MISSING | CLI_ALGORITHM, NULL, cli_keygen },
    { "check-config", " [--connect]", "print the configuration that is in force, or everything that is wrong with it",
      "What is printed can be read again, but for passwords, which are ***; remarks are comments. With --connect root\n"
      "reads the keys as the owner of their directory.\n",
      "Exit code: 0 right, 1 wrong.\n", CLI_CONNECT, NULL, cli_check_config },
    { "health", " [--ready]", "request /health/live of the service that runs with this configuration",
      "With --ready /health/ready. Prints the reply of ops.listen, or of server.listen where that is empty. For health checks of "
      "containers.\n",
      "Exit code: 0 if it is 200; else 1, also without an answer within seconds.\n", CLI_READY, NULL, cli_health },
    { "openapi", "", "print the description of the API, an OpenAPI 3.1 document, as GET /openapi.json serves it",
      "Its addresses are relative unless server.public_url is set.\n", "Exit code: 0 done, 1 failed.\n", 0, NULL, cli_openapi },
    { "service", " list|add|rotate|drop-old|drop-new|remove",
      "manage the services that may introspect tokens; jwtd service --help says how",
      "The file is services.credentials_file. A running service reads it with SIGHUP.\n",
      "Exit code: 0 done, 1 failed, 2 used wrongly.\n", 0, &service_subcommands, cli_service },
    { "user", " SUBCOMMAND [EMAIL]", "manage accounts; jwtd user --help says how",
      "list prints a line for each user, most others one for theirs as it is afterwards (delete: as it was):\n" USER_LINE
      "\nsessions prints " USER_SESSIONS "\nevents prints " USER_EVENTS "\n" USER_LAST_ADMINISTRATOR,
      "Exit code: 0 done; 1 failed, also when there is no such user; 2 used wrongly.\n", CLI_ROLE, &user_subcommands, cli_user },
    { "key", " list|add|activate|retire|revoke|prune|rotate-refresh", "manage signing keys; jwtd key --help says how",
      "A key is standby, then active, then retiring, then gone. It is made active when it has been standby for\n"
      "token.publish_before_use, so that services that keep copies of the keys know it; --now does not wait.\n"
      "A running service whose keys are in this directory notices each change within a second; another instance needs a copy\n"
      "of the new files and of keys.conf, but for a revocation, which it reads in the database (list does not).\n"
      "In an emergency: add, which prints an id, then revoke the key that signs: the new one takes its place at once.\n",
      "Exit code: 0 done, 1 failed, 2 used wrongly.\n", CLI_ALGORITHM | CLI_JSON | CLI_NOW, &key_subcommands, cli_key },
};
const size_t cli_commands_count = ARRAY_LEN(cli_commands);

const struct cli_command *cli_find_command(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(cli_commands); i++)
        if (strcmp(cli_commands[i].name, name) == 0)
            return &cli_commands[i];
    return NULL;
}

static void print_options(unsigned taken) {
    for (size_t i = 0; i < cli_options_count; i++) {
        char left[40];
        if ((taken & cli_options[i].flag) == 0)
            continue;
        const char *value = cli_options[i].value;
        (void)snprintf(left, sizeof left, "%s%s%s", cli_options[i].name, value != NULL ? " " : "", value != NULL ? value : "");
        printf("  %-19s  %s\n", left, cli_options[i].help);
    }
    if (taken != 0)
        putchar('\n');
}

void cli_print_command_help(const struct cli_command *command, const char *subcommand) {
    const struct subcommand *row =
        subcommand != NULL && command->subcommands != NULL ? subcommand_find(command->subcommands, subcommand) : NULL;
    if (row != NULL)
        printf("usage: jwtd %s %s%s\n\n%s\n\n", command->name, row->name, row->synopsis, row->help);
    else if (command->subcommands != NULL)
        subcommand_print_help(command->subcommands);
    else
        printf("usage: jwtd %s%s\n\n%s\n\n", command->name, command->synopsis, command->help);
    print_options(row != NULL ? row->options : command->options);
    const char *notes = row != NULL ? row->notes : command->notes;
    fputs(notes != NULL ? notes : "", stdout);
    fputs(command->exit_codes, stdout);
    fputs("jwtd --help lists the options and settings of every command.\n", stdout);
}
