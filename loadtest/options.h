/*
 * options: the command line, as a table: one row an option, from which parsing, --help and the defaults come.
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
                       FOR_LOAD = FOR_FIND | FOR_HOLD | FOR_RAMP | FOR_SOAK,
                       FOR_RUNS = FOR_LOAD | FOR_IDLE | FOR_COMPARE
};

#define OPTIONS_WORDS_MAX 2

struct options {
    const char *words[OPTIONS_WORDS_MAX]; /* URL, or files */
    size_t words_count;
    const char *scenario, *slo, *api, *by, *arrivals, *retry_after, *pg, *out, *html, *email, *password, *metrics;
    double rate, rate_end, users, duration_s, requests, timeout_s, think_s;
    double workers, connections, sources, accounts, sessions, seed, pid, precision, max, artificial_delay_us;
    bool new_connections, insecure, once, quiet, help, seeded, no_overload;
    double tolerance;
};

/* False, with a sentence in `mistake`, when a word is no option of that command or a value is none of its kind. */
bool options_parse(struct options *options, unsigned command, int argc, char **argv, char *mistake, size_t mistake_size);
void options_print_help(unsigned command, FILE *out);

/* "find http://... --rate 100": the words of a shell that say the same again, without the passwords of URLs. Cut when it does not
 * fit. */
void options_quote_line(int argc, char **argv, char *line, size_t size);

#endif
