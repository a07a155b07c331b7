/* The command line: one row of the table of commands runs. */
#include "command.h"

#include <stdio.h>
#include <string.h>

#define LINE_SIZE 1024
#define ERROR_SIZE 512

static void print_overview(FILE *out) {
    fputs("failpoint says where a service breaks, and why.\n\nusage: failpoint [COMMAND] ARGUMENT... [OPTIONS]\n\n", out);
    for (size_t i = 0; i < commands_count; i++)
        fprintf(out, "  %-9s %-15s %s\n", commands[i].name, commands[i].operands, commands[i].summary);
    fputs("\nWithout a command it is find. `failpoint COMMAND --help` explains one, with an example.\nExit codes:\n", out);
    for (size_t i = 0; i < exit_meanings_count; i++)
        fprintf(out, "  %3d  %s\n", (int)exit_meanings[i].code, exit_meanings[i].meaning);
}

static void print_help(const struct command *command) {
    printf("usage: failpoint %s %s [OPTIONS]\n\n%s\n\n", command->name, command->operands, command->description);
    options_print_help(command->flag, stdout);
    printf("\nExample:\n%s\n", command->example);
}

int main(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_overview(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_FINE;
    }
    const struct command *command = command_named(argv[1]);
    int first = command == NULL ? 1 : 2;
    if (command == NULL)
        command = &commands[0];
    char error[ERROR_SIZE] = "", line[LINE_SIZE];
    struct options options;
    if (!options_parse(&options, command->flag, argc - first + 1, argv + first - 1, error, sizeof error))
        return command_fail(EXIT_USAGE, "%s", error);
    if (options.help) {
        print_help(command);
        return EXIT_FINE;
    }
    if (options.operands_count != command->operands_count)
        return command_fail(EXIT_USAGE, "usage: failpoint %s %s; --help says more", command->name, command->operands);
    options_quote_line(argc, argv, line, sizeof line);
    int code = command->run(&options, line);
    return fflush(stdout) == 0 ? code : EXIT_MISSED;
}
