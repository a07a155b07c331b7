/*
 * command: failpoint's commands. Each is a file; commands.c has the table, which main, --help and the manual page (man/) read.
 */
#ifndef FAILPOINT_COMMAND_H
#define FAILPOINT_COMMAND_H

#include "options.h"

enum exit_code {
    EXIT_FINE = 0,
    EXIT_MISSED = 1, /* an objective, or a leak */
    EXIT_USAGE = 2,
    EXIT_UNREACHABLE = 3, /* or something else answers there */
    EXIT_GENERATOR = 4,   /* the generator was the limit */
    EXIT_BROKE = 5,       /* crashed, or did not recover */
    EXIT_REGRESSION = 6,
    EXIT_INTERRUPTED = 130
};

/* `run` returns the exit code; `line` is the command line without its passwords. */
struct command {
    const char *name;
    unsigned flag; /* of enum option_commands */
    const char *operands, *summary, *description, *example;
    size_t operands_count;
    int (*run)(const struct options *options, const char *line);
};

extern const struct command commands[]; /* the first is the one that runs without a name */
extern const size_t commands_count;

extern const struct exit_meaning {
    enum exit_code code;
    const char *meaning;
} exit_meanings[];
extern const size_t exit_meanings_count;

/* NULL: there is none of this name. */
const struct command *command_named(const char *name);

/* "failpoint: ..." on standard error; returns `code`. */
int command_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

int command_find(const struct options *options, const char *line);
int command_hold(const struct options *options, const char *line);
int command_ramp(const struct options *options, const char *line);
int command_day(const struct options *options, const char *line);
int command_soak(const struct options *options, const char *line);
int command_idle(const struct options *options, const char *line);
int command_seed(const struct options *options, const char *line);
int command_compare(const struct options *options, const char *line);
int command_gate(const struct options *options, const char *line);
int command_report(const struct options *options, const char *line);
int command_selftest(const struct options *options, const char *line);

#endif
