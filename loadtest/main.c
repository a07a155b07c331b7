/* The command line: one row of the table of commands. */
#include "command.h"
#include "jwtd/macros.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 1024
#define ERROR_SIZE 512

/* The first is the one without a name. */
static const struct command commands[] = {
    { "find", FOR_FIND, "URL", "find the load at which it fails, and why (default)",
      "Doubles the load until it is bad, bisects, holds the limit, goes to 1.5 times of it and back to half; says what fails "
      "first, which\n"
      "resource is used up, what happens above and how fast it recovers. Takes two to five minutes.",
      "failpoint http://127.0.0.1:8080\n"
      "failpoint find http://127.0.0.1:8080 --scenario refresh --slo 'p99<=50ms,err<=0.1%' --pg postgres://localhost/jwtd\n"
      "failpoint find http://127.0.0.1:8080 --by users",
      1, command_find },
    { "hold", FOR_HOLD, "URL", "keep one load and say whether the objective holds",
      "Sends at a fixed rate (open loop), or keeps N users busy who wait for their replies (closed loop). With --once each user "
      "stops when it\n"
      "was answered well; --retry-after honour lets users come back when a 429 or 503 says they may. Exit code 1: the objective "
      "was missed.",
      "failpoint hold http://127.0.0.1:8080 --scenario login --rate 100 --requests 10000\n"
      "failpoint hold http://127.0.0.1:8080 --scenario login --users 5000 --duration 10s --retry-after honour",
      1, command_hold },
    { "ramp", FOR_RAMP, "URL", "raise the rate evenly and say where the objective is first missed",
      "Sends at --rate at first and at --to at the end of --duration (60s). A picture rather than a limit: find measures that.",
      "failpoint ramp http://127.0.0.1:8080 --scenario me --rate 100 --to 20000 --duration 60s", 1, command_ramp },
    { "soak", FOR_SOAK, "URL", "keep one load for long and say whether memory, descriptors or latency grow",
      "Holds a rate or users for --duration (1h) and reports the slope of each with its 95 % interval. Exit code 1: something "
      "grows.",
      "failpoint soak http://127.0.0.1:8080 --scenario mixed --rate 500 --duration 8h", 1, command_soak },
    { "idle", FOR_IDLE, "URL", "open many connections, keep them idle, and say what each costs the server",
      "Opens --connections (10000), keeps them for --duration (10s), and counts those that the server closes.",
      "failpoint idle http://127.0.0.1:8080 --connections 18000", 1, command_idle },
    { "seed", FOR_SEED, "URL", "fill the database with accounts, 100,000 in seconds",
      "Registers one account over HTTP and copies its password hash for all others, so that they are as costly to log in as real "
      "ones.\n"
      "Accounts that are there already stay as they are.",
      "failpoint seed http://127.0.0.1:8080 --pg postgres:///jwtd?host=/run/postgresql --accounts 100000", 1, command_seed },
    { "compare", FOR_COMPARE, "URL URL", "say which of two services is better, and how sure that is",
      "Loads both in turn, in slices of the order ABBA, so that whatever else the machine does falls on both; reports the ratio "
      "with "
      "its 99 %\n"
      "interval, and shows no difference when 1 is inside. --users N (16) compares how much is answered, --rate N how long it "
      "takes.",
      "failpoint compare http://127.0.0.1:8080 http://127.0.0.1:8081 --scenario login --duration 2m", 2, command_compare },
    { "gate", FOR_GATE, "RUN BASELINE", "fail when a run is worse than an earlier one",
      "Compares limit, answered requests and p99 of two records of the same test. Refuses (2) when machine, hash parameters or "
      "the "
      "test\n"
      "itself differ; 6 when something is worse by more than --tolerance (5 %).",
      "failpoint gate RUN.json baseline.json --tolerance 10", 2, command_gate },
    { "report", FOR_REPORT, "RUN.json", "make the page from a record",
      "Writes RUN.html: the verdict, charts and steps of a run as one file that loads nothing.",
      "failpoint report RUN.json --html RUN.html", 1, command_report },
    { "selftest", FOR_SELFTEST, "", "measure this tester's own ceiling against a server that does nothing",
      "Says how many requests a second one process sends here, and how late it is with them.", "failpoint selftest", 0,
      command_selftest },
};

static void print_overview(FILE *out) {
    fputs("failpoint says where a service breaks, and why.\n\nusage: failpoint [COMMAND] ARGUMENT... [OPTIONS]\n\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-9s %-15s %s\n", commands[i].name, commands[i].operands, commands[i].summary);
    fputs("\nWithout a command it is find. `failpoint COMMAND --help` explains one, with an example.\n"
          "Exit codes: 0 fine, 1 objective missed or leak, 2 usage, 3 unreachable, 4 the generator was the limit,\n"
          "5 crashed or did not recover, 6 regression, 130 interrupted.\n",
          out);
}

static void print_help(const struct command *command) {
    printf("usage: failpoint %s %s [OPTIONS]\n\n%s\n\n", command->name, command->operands, command->description);
    options_print_help(command->flag, stdout);
    printf("\nExample:\n%s\n", command->example);
}

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
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
