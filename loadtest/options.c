#include "options.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_SECONDS };

struct option {
    const char *name, *value; /* value: its name in --help */
    enum option_kind kind;
    size_t offset;
    unsigned commands;
    double min, max;
    const char *help;
};

#define AT(member) offsetof(struct options, member)
#define FOR_TARGETS (FOR_RUNS | FOR_SEED)
#define MANY 1e9

static const struct option table[] = {
    { "--scenario", "NAME", OPTION_TEXT, AT(scenario), FOR_LOAD | FOR_COMPARE, 0, 0,
      "register, login (default), refresh, me, verify, mixed, session" },
    { "--slo", "LIST", OPTION_TEXT, AT(slo), FOR_LOAD | FOR_COMPARE, 0, 0,
      "what is good: p99<=1s,err<=0.1% (default for what hashes passwords), login.p95<=2s for one endpoint" },
    { "--by", "WHAT", OPTION_TEXT, AT(by), FOR_FIND, 0, 0,
      "what is varied: rate (default), or users, who wait for their replies" },
    { "--rate", "N", OPTION_NUMBER, AT(rate), FOR_HOLD | FOR_RAMP | FOR_SOAK | FOR_COMPARE, 0, MANY,
      "requests per second; for ramp the first" },
    { "--to", "N", OPTION_NUMBER, AT(rate_end), FOR_RAMP, 0, MANY, "requests per second at the end of the ramp" },
    { "--users", "N", OPTION_NUMBER, AT(users), FOR_HOLD | FOR_SOAK | FOR_COMPARE, 1, 1e6,
      "users who each wait for a reply before they go on (closed loop)" },
    { "--duration", "TIME", OPTION_SECONDS, AT(duration_s), FOR_HOLD | FOR_RAMP | FOR_SOAK | FOR_IDLE | FOR_COMPARE, 0, 0,
      "how long: 10s, 5m, 8h" },
    { "--requests", "N", OPTION_NUMBER, AT(requests), FOR_HOLD, 1, 1e12, "stop after so many" },
    { "--once", NULL, OPTION_FLAG, AT(once), FOR_HOLD, 0, 0,
      "with --users: a user stops when it has been answered well once; tells how long that took all" },
    { "--retry-after", "WORD", OPTION_TEXT, AT(retry_after), FOR_LOAD, 0, 0,
      "with --users: honour (wait as 429 and 503 say) or ignore (default: at once again)" },
    { "--think", "TIME", OPTION_SECONDS, AT(think_s), FOR_LOAD, 0, 0,
      "mean pause of users, and between the steps of a session (1s there)" },
    { "--max", "N", OPTION_NUMBER, AT(max), FOR_FIND, 1, MANY, "do not go above this load" },
    { "--precision", "P", OPTION_NUMBER, AT(precision), FOR_FIND, 0.1, 50, "width of the last bracket in percent (2)" },
    { "--no-overload", NULL, OPTION_FLAG, AT(no_overload), FOR_FIND, 0, 0, "do not look what happens above the limit" },
    { "--connections", "N", OPTION_NUMBER, AT(connections), FOR_RUNS, 1, 1e6,
      "connections at most (2000; for idle: to open, 10000)" },
    { "--new-connections", NULL, OPTION_FLAG, AT(new_connections), FOR_LOAD | FOR_COMPARE, 0, 0,
      "a new connection for each request" },
    { "--timeout", "TIME", OPTION_SECONDS, AT(timeout_s), FOR_RUNS, 0, 0, "a request without an answer by then has failed (5s)" },
    { "--arrivals", "WORD", OPTION_TEXT, AT(arrivals), FOR_LOAD | FOR_COMPARE, 0, 0, "poisson (default) or uniform" },
    { "--seed", "N", OPTION_NUMBER, AT(seed), FOR_LOAD | FOR_COMPARE, 0, 9e15, "of the arrivals (1)" },
    { "--workers", "N", OPTION_NUMBER, AT(workers), FOR_RUNS | FOR_SELFTEST, 1, 64, "processes that send" },
    { "--sources", "N", OPTION_NUMBER, AT(sources), FOR_RUNS, 1, 250,
      "loopback addresses to come from: 127.0.0.1 and on (1; more when ports run out)" },
    { "--accounts", "N", OPTION_NUMBER, AT(accounts), FOR_TARGETS, 1, 1e8,
      "accounts to use (16, registered if need be; seed: 100000)" },
    { "--seeded", NULL, OPTION_FLAG, AT(seeded), FOR_RUNS, 0, 0, "the accounts are there: do not register them" },
    { "--sessions", "N", OPTION_NUMBER, AT(sessions), FOR_LOAD | FOR_COMPARE, 1, 1e6,
      "sessions to open before (256 for refresh and mixed, 16 for me and verify)" },
    { "--email", "FORM", OPTION_TEXT, AT(email), FOR_TARGETS, 0, 0,
      "addresses of accounts, {} for the number (failpoint-{}@example.org)" },
    { "--password", "TEXT", OPTION_TEXT, AT(password), FOR_TARGETS, 0, 0, "of all accounts" },
    { "--api", "FILE", OPTION_TEXT, AT(api), FOR_TARGETS, 0, 0, "JSON with the paths and names of another service" },
    { "--insecure", NULL, OPTION_FLAG, AT(insecure), FOR_TARGETS, 0, 0, "https: believe any certificate" },
    { "--pg", "URL", OPTION_TEXT, AT(pg), FOR_TARGETS, 0, 0,
      "the service's PostgreSQL, to look at its activity (for seed: to fill)" },
    { "--pid", "N", OPTION_NUMBER, AT(pid), FOR_RUNS, 1, 1e7, "the server's process (default: who listens there)" },
    { "--metrics", "URL", OPTION_TEXT, AT(metrics), FOR_LOAD | FOR_COMPARE, 0, 0,
      "where /metrics is (default: at the target, if there)" },
    { "--tolerance", "P", OPTION_NUMBER, AT(tolerance), FOR_GATE, 0, 100,
      "how much worse is still no regression, in percent (5)" },
    { "--out", "FILE", OPTION_TEXT, AT(out), FOR_RUNS, 0, 0, "the record (RUN.json)" },
    { "--html", "FILE", OPTION_TEXT, AT(html), FOR_RUNS | FOR_REPORT, 0, 0, "the report (RUN.html)" },
    { "--handicap", "US", OPTION_NUMBER, AT(artificial_delay_us), FOR_RUNS | FOR_SELFTEST, 0, 1e6,
      "waste so many microseconds before each request: a slow generator, to test what is said of it" },
    { "--quiet", NULL, OPTION_FLAG, AT(quiet), FOR_RUNS | FOR_SEED | FOR_SELFTEST, 0, 0, "show nothing but the result" },
    { "--help", NULL, OPTION_FLAG, AT(help), ~0U, 0, 0, "this text" },
};
#define TABLE_COUNT (sizeof table / sizeof table[0])

static const struct option *find_option(const char *name, unsigned command) {
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (strcmp(table[i].name, name) == 0 && (table[i].commands & command) != 0)
            return &table[i];
    return NULL;
}

static bool parse_seconds(const char *text, double *seconds) {
    static const struct {
        const char *suffix;
        double seconds;
    } units[] = { { "us", 1e-6 }, { "ms", 1e-3 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "", 1 } };
    char *end;
    double value = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (end != text && value > 0 && value < MANY && strcmp(end, units[i].suffix) == 0) {
            *seconds = value * units[i].seconds;
            return true;
        }
    }
    return false;
}

static bool parse_number(const struct option *option, const char *text, double *number) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < option->min || value > option->max)
        return false;
    *number = value;
    return true;
}

static bool set_option(struct options *options, const struct option *option, const char *value, char *mistake,
                       size_t mistake_size) {
    char *place = (char *)options + option->offset;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)place = true;
        return true;
    case OPTION_TEXT:
        memcpy(place, (const void *)&value, sizeof value);
        return true;
    case OPTION_NUMBER:
        if (parse_number(option, value, (double *)(void *)place))
            return true;
        snprintf(mistake, mistake_size, "%s takes a number from %.10g to %.10g, not \"%.60s\"", option->name, option->min,
                 option->max, value);
        return false;
    case OPTION_SECONDS:
        if (parse_seconds(value, (double *)(void *)place))
            return true;
        snprintf(mistake, mistake_size, "%s takes a time like 500ms, 10s, 5m or 8h, not \"%.60s\"", option->name, value);
        return false;
    }
    return false;
}

/* "--name=value" or "--name value": gives how many words it took; 0: a mistake. */
static int take_option(struct options *options, unsigned command, int left, char **words, char *mistake, size_t mistake_size) {
    char name[32];
    const char *equals = strchr(words[0], '=');
    size_t len = equals != NULL ? (size_t)(equals - words[0]) : strlen(words[0]);
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : 0), words[0]);
    const struct option *option = find_option(name, command);
    if (option == NULL) {
        snprintf(mistake, mistake_size, "there is no option \"%.60s\" here; --help lists them", words[0]);
        return 0;
    }
    if ((option->kind == OPTION_FLAG) == (equals != NULL) && equals != NULL) {
        snprintf(mistake, mistake_size, "%s takes no value", option->name);
        return 0;
    }
    if (option->kind == OPTION_FLAG)
        return set_option(options, option, NULL, mistake, mistake_size) ? 1 : 0;
    if (equals == NULL && left < 2) {
        snprintf(mistake, mistake_size, "%s takes a value: %s", option->name, option->value);
        return 0;
    }
    const char *value = equals != NULL ? equals + 1 : words[1];
    if (!set_option(options, option, value, mistake, mistake_size))
        return 0;
    return equals != NULL ? 1 : 2;
}

bool options_parse(struct options *options, unsigned command, int argc, char **argv, char *mistake, size_t mistake_size) {
    *options = (struct options){ .scenario = "login",
                                 .by = "rate",
                                 .arrivals = "poisson",
                                 .retry_after = "ignore",
                                 .timeout_s = 5,
                                 .seed = 1,
                                 .precision = 2,
                                 .tolerance = 5,
                                 .out = "RUN.json",
                                 .html = "RUN.html",
                                 .email = "failpoint-{}@example.org",
                                 .password = "failpoint walks along the sea wall" };
    for (int i = 0; i < argc;) {
        if (strncmp(argv[i], "--", 2) == 0) {
            int taken = take_option(options, command, argc - i, argv + i, mistake, mistake_size);
            if (taken == 0)
                return false;
            i += taken;
        } else if (options->words_count == OPTIONS_WORDS_MAX) {
            snprintf(mistake, mistake_size, "\"%.60s\" is one word too many", argv[i]);
            return false;
        } else {
            options->words[options->words_count++] = argv[i++];
        }
    }
    return true;
}

void options_print_help(unsigned command, FILE *out) {
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        const struct option *option = &table[i];
        if ((option->commands & command) == 0)
            continue;
        char left[40];
        snprintf(left, sizeof left, "%s%s%s", option->name, option->value == NULL ? "" : " ",
                 option->value == NULL ? "" : option->value);
        fprintf(out, "  %-20s %s\n", left, option->help);
    }
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

/* Of "scheme://user:password@host" or "host=... password=..." the password; 0 bytes where there is none. */
static const char *find_password(const char *word, size_t *len) {
    static const char key[] = "password=";
    const char *named = strstr(word, key);
    if (named != NULL) {
        const char *value = named + sizeof key - 1;
        *len = value[0] == '\'' ? strlen(value) : strcspn(value, " &");
        return value;
    }
    const char *authority = strstr(word, "://");
    if (authority == NULL)
        return NULL;
    authority += 3;
    size_t end = strcspn(authority, "/?");
    const char *at = memrchr(authority, '@', end);
    const char *colon = at == NULL ? NULL : memchr(authority, ':', (size_t)(at - authority));
    *len = colon == NULL ? 0 : (size_t)(at - colon - 1);
    return colon == NULL ? NULL : colon + 1;
}

/* With passwords left out: the line goes into reports that people show around. */
static void append_word(char *line, size_t size, const char *word) {
    char shown[1024];
    size_t len = 0;
    const char *password = find_password(word, &len);
    if (password != NULL)
        snprintf(shown, sizeof shown, "%.*s***%s", (int)(password - word), word, password + len);
    else
        snprintf(shown, sizeof shown, "%s", word);
    if (is_plain(shown))
        append(line, size, shown, strlen(shown));
    else
        append_quoted(line, size, shown);
}

void options_quote_line(int argc, char **argv, char *line, size_t size) {
    line[0] = '\0';
    for (int i = 0; i < argc; i++) {
        if (i > 0)
            append(line, size, " ", 1);
        bool is_password = i > 0 && strcmp(argv[i - 1], "--password") == 0;
        append_word(line, size, is_password ? "***" : argv[i]);
    }
}
