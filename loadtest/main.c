/* The command line: one row of the table of commands. */
#include "command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 1024
#define MISTAKE_SIZE 512

static const struct command commands[] = {
    { "hold", FOR_HOLD, "URL", "keep one load and say whether the objective holds",
      "Sends at a fixed rate (open loop), or keeps N users busy who wait for their replies (closed loop). With --once each user "
      "stops when it\n"
      "was answered well; --retry-after honour lets users come back when a 429 or 503 told them to. Exit code 1: the objective "
      "was missed.",
      "failpoint hold http://127.0.0.1:8080 --scenario login --rate 100 --requests 10000\n"
      "failpoint hold http://127.0.0.1:8080 --scenario login --users 5000 --duration 10s --retry-after honour",
      1, 1, command_hold },
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void print_overview(FILE *out) {
    fputs("failpoint says where a service breaks, and why.\n\nusage: failpoint [COMMAND] WORDS [OPTIONS]\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-9s %-15s %s\n", commands[i].name, commands[i].words, commands[i].summary);
    fputs("\nWithout a command it is find. `failpoint COMMAND --help` explains one, with an example.\n"
          "Exit codes: 0 fine, 1 objective missed or leak, 2 usage, 3 unreachable, 4 the generator was the limit,\n"
          "5 crashed or did not recover, 6 regression, 130 interrupted.\n",
          out);
}

static void print_help(const struct command *command) {
    printf("usage: failpoint %s %s [OPTIONS]\n\n%s\n\n", command->name, command->words, command->description);
    options_print_help(command->flag, stdout);
    printf("\nExample:\n%s\n", command->example);
}

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_overview(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_FINE;
    }
    const struct command *command = find_command(argv[1]);
    int first = command == NULL ? 1 : 2;
    if (command == NULL)
        command = &commands[0];
    char mistake[MISTAKE_SIZE] = "", line[LINE_SIZE];
    struct options options;
    bool parsed = options_parse(&options, command->flag, argc - first, argv + first, mistake, sizeof mistake);
    if (parsed && options.help) {
        print_help(command);
        return EXIT_FINE;
    }
    if (parsed && (options.words_count < command->words_min || options.words_count > command->words_max)) {
        snprintf(mistake, sizeof mistake, "usage: failpoint %s %s; --help says more", command->name, command->words);
        parsed = false;
    }
    if (!parsed) {
        fprintf(stderr, "failpoint: %s\n", mistake);
        return EXIT_USAGE;
    }
    options_quote_line(argc, argv, line, sizeof line);
    int code = command->run(&options, line);
    return fflush(stdout) == 0 ? code : EXIT_MISSED;
}
