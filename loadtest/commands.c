/* The table of commands. */
#include "command.h"
#include "jwtd/macros.h"

#include <string.h>

const struct command commands[] = {
    { "find", FOR_FIND, "URL", "find the load at which it fails, and why (default)",
      "Doubles the load until it is bad, bisects, holds the limit, goes to 1.5 times of it and back to half; says what fails "
      "first, which\n"
      "resource is used up, what happens above and how fast it recovers. It says at the start about how long it takes, and again "
      "when\nthat changes by over half: two to four minutes at 100 requests a second, more at fewer or on a busy machine. "
      "--quick "
      "takes\nhalf of that or less and says how uncertain the limit is.",
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
    { "day", FOR_DAY, "URL", "the traffic of a day: 1.2 million requests, a peak of 180 a second at nine in the morning",
      "Follows the rates of a day and says whether the objective held, and when it was worst. Takes --duration (24h): a shorter "
      "day\nkeeps the rates and shortens the hours and the peak, which lasts 15 s of 24m. It refuses one whose peak lasts less "
      "than "
      "ten\ntimes what a reply may take: 16m, where that is 1 s. --peak N raises or lowers all rates.",
      "failpoint day http://127.0.0.1:8080 --duration 24m", 1, command_day },
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
const size_t commands_count = ARRAY_LEN(commands);

const struct exit_meaning exit_meanings[] = {
    { EXIT_FINE, "fine" },
    { EXIT_MISSED, "objective missed or leak" },
    { EXIT_USAGE, "usage" },
    { EXIT_UNREACHABLE, "unreachable, or not what was to be tested" },
    { EXIT_GENERATOR, "failpoint itself was the limit" },
    { EXIT_BROKE, "crashed or did not recover" },
    { EXIT_REGRESSION, "regression" },
    { EXIT_INTERRUPTED, "interrupted" },
};
const size_t exit_meanings_count = ARRAY_LEN(exit_meanings);

const struct command *command_named(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}
