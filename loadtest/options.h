/*
 * options: the command line, as a table: one row an option, from which parsing and --help come.
 */
#ifndef FAILPOINT_OPTIONS_H
#define FAILPOINT_OPTIONS_H

#include "plan.h"
#include "run.h"

#include <stdbool.h>
#include <stdio.h>

enum option_commands { /* which commands take an option: a set */
                       FOR_FIND = 1,
                       FOR_HOLD = 2,
                       FOR_RAMP = 4,
                       FOR_SOAK = 8,
                       FOR_IDLE = 16,
                       FOR_SELFTEST = 32,
                       FOR_SEED = 64,
                       FOR_COMPARE = 128,
                       FOR_GATE = 256,
                       FOR_REPORT = 512,
                       FOR_DAY = 1024,
                       FOR_LOAD = FOR_FIND | FOR_HOLD | FOR_RAMP | FOR_SOAK | FOR_DAY,
                       FOR_RUNS = FOR_LOAD | FOR_IDLE | FOR_COMPARE
};

#define OPTIONS_OPERANDS_MAX 2

/* Texts belong to the command line. Numbers are 0 where nothing was said and there is no default. */
struct options {
    const char *operands[OPTIONS_OPERANDS_MAX]; /* URLs, or files */
    size_t operands_count;
    const char *scenario, *slo, *api, *pg, *out, *html, *email, *password, *metrics;
    enum run_by by;
    enum arrivals arrivals;
    enum retry_after retry_after;
    double rate, rate_end, users, duration_s, requests, timeout_s, think_s;
    double workers, connections, sources, accounts, sessions, seed, pid, precision, max, artificial_delay_us;
    bool new_connections, insecure, once, quick, quiet, help, seeded, no_overload;
    double tolerance, core_price, peak;
    double accounts_before; /* no option: how many accounts belong to the other side of a comparison */
};

/*
 * Reads argv[1] and on by the rows of that command; options and operands may come in any order. False, with a sentence in
 * `error`, when a word is no option of that command, a value is none of its kind, or there are too many operands.
 */
bool options_parse(struct options *options, unsigned command, int argc, char **argv, char *error, size_t error_size);

/* Calls the visitor for each option that the command takes. `value`: the name of its value, or NULL; `context` as it was given.
 */
typedef void options_visitor(void *context, const char *name, const char *value, const char *help);
void options_visit(unsigned command, options_visitor *visit, void *context);
void options_print_help(unsigned command, FILE *out);

/*
 * The command line for a shell, "failpoint find http://... --rate 100", without its passwords: it goes into records and reports.
 * Cut when it does not fit.
 */
void options_quote_line(int argc, char **argv, char *line, size_t size);

#endif
