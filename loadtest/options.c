#include "options.h"

#include "duration.h"
#include "jwtd/macros.h"
#include "probes.h"

#include <getopt.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The values of the last two are texts too; they are shown as *** and without the passwords of a conninfo. */
enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_SECONDS, OPTION_CHOICE, OPTION_SECRET, OPTION_CONNINFO };

struct option_row {
    const char *name, *value; /* value: its name in --help */
    enum option_kind kind;
    size_t offset;
    unsigned commands;
    double min, max;
    const char *help;
    const struct names *names; /* of a choice: the names of an enum of two */
};

_Static_assert(sizeof(enum run_by) == sizeof(int) && sizeof(enum arrivals) == sizeof(int) &&
                   sizeof(enum retry_after) == sizeof(int),
               "a choice is stored as an int");

#define AT(member) offsetof(struct options, member)
#define FOR_TARGETS (FOR_RUNS | FOR_SEED)
#define FOR_ACCOUNTS (FOR_LOAD | FOR_COMPARE)
#define MANY 1e9
#define HIDDEN "***"
#define SHOWN_SIZE 1024

static const struct option_row table[] = {
    { "scenario", "NAME", OPTION_TEXT, AT(scenario), FOR_LOAD | FOR_COMPARE, 0, 0,
      "register, login (default), refresh, me, verify, mixed (default of day), session", NULL },
    { "slo", "LIST", OPTION_TEXT, AT(slo), FOR_LOAD | FOR_COMPARE, 0, 0,
      "what is good: p99<=1s,err<=0.1% (default for what hashes passwords), login.p95<=2s for one endpoint", NULL },
    { "by", "WHAT", OPTION_CHOICE, AT(by), FOR_FIND, 0, 0, "what is varied: rate (default), or users, who wait for their replies",
      &run_by_names },
    { "rate", "N", OPTION_NUMBER, AT(rate), FOR_HOLD | FOR_RAMP | FOR_SOAK | FOR_COMPARE, 0, MANY,
      "requests per second; for ramp the first", NULL },
    { "to", "N", OPTION_NUMBER, AT(rate_end), FOR_RAMP, 0, MANY, "requests per second at the end of the ramp", NULL },
    { "peak", "N", OPTION_NUMBER, AT(peak), FOR_DAY, 1, MANY, "requests per second at nine in the morning (180)", NULL },
    { "users", "N", OPTION_NUMBER, AT(users), FOR_HOLD | FOR_SOAK | FOR_COMPARE, 1, 1e6,
      "users who each wait for a reply before they go on (closed loop)", NULL },
    { "duration", "TIME", OPTION_SECONDS, AT(duration_s), FOR_HOLD | FOR_RAMP | FOR_SOAK | FOR_IDLE | FOR_COMPARE | FOR_DAY, 0, 0,
      "how long: 10s, 5m, 8h", NULL },
    { "requests", "N", OPTION_NUMBER, AT(requests), FOR_HOLD, 1, 1e12, "stop after so many", NULL },
    { "once", NULL, OPTION_FLAG, AT(once), FOR_HOLD, 0, 0,
      "with --users: a user stops when it has been answered well once; reports how long that took", NULL },
    { "retry-after", "WORD", OPTION_CHOICE, AT(retry_after), FOR_FIND | FOR_HOLD | FOR_SOAK, 0, 0,
      "with --users: honour (wait as 429 and 503 say) or ignore (default: at once again)", &retry_after_names },
    { "think", "TIME", OPTION_SECONDS, AT(think_s), FOR_LOAD, 0, 0,
      "mean pause of users, and between the steps of a session (1s there)", NULL },
    { "max", "N", OPTION_NUMBER, AT(max), FOR_FIND, 1, MANY, "do not go above this load", NULL },
    { "precision", "P", OPTION_NUMBER, AT(precision), FOR_FIND, 0.1, 50,
      "width of the last bracket in percent (2; 10 with --quick)", NULL },
    { "quick", NULL, OPTION_FLAG, AT(quick), FOR_FIND, 0, 0, "a minute instead of three, and says how uncertain the limit is",
      NULL },
    { "no-overload", NULL, OPTION_FLAG, AT(no_overload), FOR_FIND, 0, 0, "do not measure what happens above the limit", NULL },
    { "connections", "N", OPTION_NUMBER, AT(connections), FOR_RUNS, 1, 1e6,
      "connections at most (2000; for idle: to open, 10000)", NULL },
    { "new-connections", NULL, OPTION_FLAG, AT(new_connections), FOR_LOAD | FOR_COMPARE, 0, 0,
      "a new connection for each request", NULL },
    { "timeout", "TIME", OPTION_SECONDS, AT(timeout_s), FOR_RUNS, 0, 0, "a request without an answer by then has failed (5s)",
      NULL },
    { "arrivals", "WORD", OPTION_CHOICE, AT(arrivals), FOR_LOAD | FOR_COMPARE, 0, 0, "poisson (default) or uniform",
      &arrivals_names },
    { "seed", "N", OPTION_NUMBER, AT(seed), FOR_LOAD | FOR_COMPARE, 0, 9e15, "of the arrivals (1)", NULL },
    { "workers", "N", OPTION_NUMBER, AT(workers), FOR_RUNS | FOR_SELFTEST, 1, 64, "processes that send", NULL },
    { "sources", "N", OPTION_NUMBER, AT(sources), FOR_RUNS, 1, 250,
      "loopback addresses to come from: 127.0.0.1 and on (1; more when ports run out)", NULL },
    { "accounts", "N", OPTION_NUMBER, AT(accounts), FOR_ACCOUNTS | FOR_SEED, 1, 1e8,
      "accounts to use (16, registered if need be; seed: 100000)", NULL },
    { "seeded", NULL, OPTION_FLAG, AT(seeded), FOR_ACCOUNTS, 0, 0, "the accounts are there: do not register them", NULL },
    { "sessions", "N", OPTION_NUMBER, AT(sessions), FOR_LOAD | FOR_COMPARE, 1, 1e6,
      "sessions to open before (256 for refresh and mixed, 16 for me and verify)", NULL },
    { "email", "FORM", OPTION_TEXT, AT(email), FOR_ACCOUNTS | FOR_SEED, 0, 0,
      "addresses of accounts, {} for the number (failpoint-{}@example.org)", NULL },
    { "password", "TEXT", OPTION_SECRET, AT(password), FOR_ACCOUNTS | FOR_SEED, 0, 0, "of all accounts", NULL },
    { "api", "FILE", OPTION_TEXT, AT(api), FOR_ACCOUNTS | FOR_SEED, 0, 0, "JSON with the paths and names of another service",
      NULL },
    { "insecure", NULL, OPTION_FLAG, AT(insecure), FOR_TARGETS, 0, 0, "https: accept any certificate", NULL },
    { "pg", "URL", OPTION_CONNINFO, AT(pg), FOR_TARGETS, 0, 0,
      "the service's PostgreSQL, to read its activity (for seed: to fill)", NULL },
    { "pid", "N", OPTION_NUMBER, AT(pid), FOR_RUNS, 1, 1e7, "the server's process (default: who listens there)", NULL },
    { "metrics", "URL", OPTION_TEXT, AT(metrics), FOR_LOAD | FOR_COMPARE, 0, 0,
      "where /metrics is (default: at the target, if there)", NULL },
    { "core-price", "N", OPTION_NUMBER, AT(core_price), FOR_FIND | FOR_HOLD | FOR_SOAK | FOR_DAY, 0, MANY,
      "of a core (a month, say): prices 1,000 requests a second by the cores of server and database", NULL },
    { "tolerance", "P", OPTION_NUMBER, AT(tolerance), FOR_GATE, 0, 100, "how much worse is still no regression, in percent (5)",
      NULL },
    { "out", "FILE", OPTION_TEXT, AT(out), FOR_RUNS, 0, 0, "the record (RUN.json)", NULL },
    { "html", "FILE", OPTION_TEXT, AT(html), FOR_RUNS | FOR_REPORT, 0, 0, "the report (RUN.html)", NULL },
    { "handicap", "US", OPTION_NUMBER, AT(artificial_delay_us), FOR_RUNS | FOR_SELFTEST, 0, 1e6,
      "spin for so many microseconds before each request: a slow generator, to test how it is reported", NULL },
    { "quiet", NULL, OPTION_FLAG, AT(quiet), FOR_RUNS | FOR_SEED | FOR_SELFTEST, 0, 0, "show nothing but the result", NULL },
    { "help", NULL, OPTION_FLAG, AT(help), ~0U, 0, 0, "this text", NULL },
};
#define OPTIONS ARRAY_LEN(table)
#define FIRST_VALUE 256 /* what getopt_long returns for the first row: no character */

/* ---- values ---- */

static bool parse_number(const struct option_row *row, const char *text, double *number) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < row->min || value > row->max)
        return false;
    *number = value;
    return true;
}

static bool set_choice(int *member, const struct option_row *row, const char *value, char *error, size_t error_size) {
    *member = names_find(row->names, value);
    if (*member < 0)
        snprintf(error, error_size, "--%s is %s or %s", row->name, row->names->items[0], row->names->items[1]);
    return *member >= 0;
}

static bool set_option(struct options *options, const struct option_row *row, const char *value, char *error, size_t error_size) {
    char *member = (char *)options + row->offset;
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)member = true;
        return true;
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_CONNINFO:
        memcpy(member, (const void *)&value, sizeof value);
        return true;
    case OPTION_NUMBER:
        if (parse_number(row, value, (double *)(void *)member))
            return true;
        snprintf(error, error_size, "--%s takes a number from %.10g to %.0f, not \"%.60s\"", row->name, row->min, row->max,
                 value);
        return false;
    case OPTION_SECONDS:
        if (duration_parse(value, true, (double *)(void *)member))
            return true;
        snprintf(error, error_size, "--%s takes a time like 500ms, 10s, 5m or 8h, not \"%.60s\"", row->name, value);
        return false;
    case OPTION_CHOICE:
        return set_choice((int *)(void *)member, row, value, error, error_size);
    }
    return false;
}

/* ---- the command line ---- */

/* The rows that a command takes, as getopt_long wants them. */
static void list_options(unsigned command, struct option list[OPTIONS + 1]) {
    size_t count = 0;
    for (size_t i = 0; i < OPTIONS; i++)
        if ((table[i].commands & command) != 0)
            list[count++] = (struct option){ table[i].name, table[i].kind == OPTION_FLAG ? no_argument : required_argument, NULL,
                                             FIRST_VALUE + (int)i };
    list[count] = (struct option){ .name = NULL };
}

/* getopt_long also takes the beginnings of names. They are refused: --pass would not be known as the option whose value is
 * hidden. */
static bool is_whole_name(const char *word, const struct option_row *row) {
    size_t len = strlen(row->name);
    return strncmp(word, "--", 2) == 0 && strncmp(word + 2, row->name, len) == 0 &&
           (word[2 + len] == '\0' || word[2 + len] == '=');
}

static bool add_operand(struct options *options, const char *word, char *error, size_t error_size) {
    if (options->operands_count == OPTIONS_OPERANDS_MAX) {
        snprintf(error, error_size, "\"%.60s\" is one word too many", word);
        return false;
    }
    options->operands[options->operands_count++] = word;
    return true;
}

static bool explain_unknown(const char *word, char *error, size_t error_size) {
    snprintf(error, error_size, "there is no option \"%.60s\" here; --help lists them", word);
    return false;
}

/* `found` is '?' for an unknown option or a value that a flag does not take, ':' for a value that is missing. */
static bool explain(int found, const char *word, char *error, size_t error_size) {
    const struct option_row *row = optopt >= FIRST_VALUE ? &table[optopt - FIRST_VALUE] : NULL;
    if (row == NULL || !is_whole_name(word, row))
        return explain_unknown(word, error, error_size);
    if (found == ':')
        snprintf(error, error_size, "--%s takes a value: %s", row->name, row->value);
    else
        snprintf(error, error_size, "--%s takes no value", row->name);
    return false;
}

static bool take_word(struct options *options, int found, const char *word, char *error, size_t error_size) {
    if (found == 1)
        return add_operand(options, word, error, error_size);
    if (found == '?' || found == ':')
        return explain(found, word, error, error_size);
    const struct option_row *row = &table[found - FIRST_VALUE];
    if (!is_whole_name(word, row))
        return explain_unknown(word, error, error_size);
    return set_option(options, row, optarg, error, error_size);
}

/* In the order of the command line, which stays as it is ("-"), without messages by getopt itself. */
static bool parse_words(struct options *options, unsigned command, int argc, char **argv, char *error, size_t error_size) {
    struct option list[OPTIONS + 1];
    list_options(command, list);
    optind = 0; /* glibc: from the beginning, whatever was parsed before */
    opterr = 0;
    while (true) {
        const char *word = argv[optind == 0 ? 1 : optind];
        int found = getopt_long(argc, argv, "-:", list, NULL);
        if (found == -1)
            break;
        if (!take_word(options, found, word, error, error_size))
            return false;
    }
    while (optind < argc) /* behind "--" */
        if (!add_operand(options, argv[optind++], error, error_size))
            return false;
    return true;
}

bool options_parse(struct options *options, unsigned command, int argc, char **argv, char *error, size_t error_size) {
    *options = (struct options){ .scenario = command == FOR_DAY ? "mixed" : "login",
                                 .by = BY_RATE,
                                 .arrivals = ARRIVALS_POISSON,
                                 .retry_after = RETRY_IGNORE,
                                 .timeout_s = 5,
                                 .seed = 1,
                                 .tolerance = 5,
                                 .out = "RUN.json",
                                 .html = "RUN.html",
                                 .email = "failpoint-{}@example.org",
                                 .password = "failpoint walks along the sea wall" };
    return parse_words(options, command, argc, argv, error, error_size);
}

void options_visit(unsigned command, options_visitor *visit, void *context) {
    for (size_t i = 0; i < OPTIONS; i++)
        if ((table[i].commands & command) != 0)
            visit(context, table[i].name, table[i].value, table[i].help);
}

static void print_help(void *context, const char *name, const char *value, const char *help) {
    char left[40];
    snprintf(left, sizeof left, "--%s%s%s", name, value == NULL ? "" : " ", value == NULL ? "" : value);
    fprintf((FILE *)context, "  %-20s %s\n", left, help);
}

void options_print_help(unsigned command, FILE *out) {
    options_visit(command, print_help, out);
}

static bool is_plain(const char *word) {
    return *word != '\0' &&
           word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,")] == '\0';
}

static void append(char *line, size_t size, const char *text, size_t len) {
    size_t used = strlen(line);
    if (used + len < size) {
        memcpy(line + used, text, len);
        line[used + len] = '\0';
    }
}

/* In single quotes, which only a single quote leaves. */
static void append_quoted(char *line, size_t size, const char *word) {
    append(line, size, "'", 1);
    for (; *word != '\0'; word++)
        append(line, size, *word == '\'' ? "'\\''" : word, *word == '\'' ? 4 : 1);
    append(line, size, "'", 1);
}

/* The row of an option that is written "--name", or "--name=" and more. */
static const struct option_row *find_row(const char *word) {
    for (size_t i = 0; i < OPTIONS; i++)
        if (is_whole_name(word, &table[i]))
            return &table[i];
    return NULL;
}

/* A URL without what is before the host, which may be a name and a password. */
static void hide_userinfo(const char *word, char *shown, size_t size) {
    const char *authority = strstr(word, "://");
    const char *at = authority == NULL ? NULL : memrchr(authority + 3, '@', strcspn(authority + 3, "/?"));
    if (at == NULL)
        snprintf(shown, size, "%s", word);
    else
        snprintf(shown, size, "%.*s***%s", (int)(authority + 3 - word), word, at);
}

/* The value of an option, or an operand, as it may be shown. */
static void redact(const struct option_row *row, const char *value, char *shown, size_t size) {
    if (row != NULL && row->kind == OPTION_SECRET)
        snprintf(shown, size, "%s", HIDDEN);
    else if (row != NULL && row->kind == OPTION_CONNINFO)
        probe_redact_conninfo(value, shown, size);
    else
        hide_userinfo(value, shown, size);
}

/* `row` is of the option whose value this word is; NULL: it is an operand, or an option itself. */
static void append_word(char *line, size_t size, const struct option_row *row, const char *word) {
    char shown[SHOWN_SIZE];
    const char *equals = row == NULL ? strchr(word, '=') : NULL;
    const struct option_row *own = equals == NULL ? NULL : find_row(word);
    size_t name_len = own == NULL ? 0 : (size_t)(equals + 1 - word);
    snprintf(shown, sizeof shown, "%.*s", (int)name_len, word);
    name_len = strlen(shown);
    redact(own == NULL ? row : own, word + name_len, shown + name_len, sizeof shown - name_len);
    if (is_plain(shown))
        append(line, size, shown, strlen(shown));
    else
        append_quoted(line, size, shown);
}

void options_quote_line(int argc, char **argv, char *line, size_t size) {
    const struct option_row *row = NULL;
    line[0] = '\0';
    for (int i = 0; i < argc; i++) {
        if (i > 0)
            append(line, size, " ", 1);
        append_word(line, size, row, argv[i]);
        bool takes_next = row == NULL && strchr(argv[i], '=') == NULL;
        row = takes_next ? find_row(argv[i]) : NULL;
        if (row != NULL && row->kind == OPTION_FLAG)
            row = NULL;
    }
}
