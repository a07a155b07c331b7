/* Reads a connection string as libpq does, and prints it without its passwords. */
#include "link.h"

#include "jwtd/config.h"
#include "jwtd/macros.h"
#include "jwtd/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HIDDEN "***"

static bool is_printable(const char *value) {
    for (; *value != '\0'; value++)
        if ((unsigned char)*value < ' ' || *value == 0x7f)
            return false;
    return true;
}

static bool is_url(const char *text) {
    return strncmp(text, "postgres://", 11) == 0 || strncmp(text, "postgresql://", 13) == 0;
}

static bool assigns_password(const char *value) {
    static const char word[] = "password";
    for (const char *at = strstr(value, word); at != NULL; at = strstr(at + 1, word)) {
        const char *behind = at + sizeof word - 1;
        if (behind[strspn(behind, " \t\r\n\v\f")] == '=')
            return true;
    }
    return false;
}

/* In a URL, a password with an unescaped "@" or "/" puts a part of itself into the host, the port or the database's name. A
 * whole connection string that is given as one value is not read again by libpq, so its password is a part of that value. */
static bool may_hold_password(const PQconninfoOption *option, bool in_url) {
    const char *value = option->val;
    if (option->dispchar[0] == '*' || value == NULL)
        return false;
    if (in_url && strchr(value, '@') != NULL)
        return true;
    if (in_url && strcmp(option->keyword, "port") == 0 && value[strspn(value, "0123456789,")] != '\0')
        return true;
    return strstr(value, "://") != NULL || assigns_password(value);
}

PQconninfoOption *db_parse_url(const char *url) {
    errno = 0; /* malloc sets it, and libpq returns NULL then as well */
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++) {
        if (may_hold_password(option, is_url(url))) {
            PQconninfoFree(options);
            return NULL;
        }
    }
    return options;
}

bool db_url_is_valid(const char *url) {
    PQconninfoOption *options = db_parse_url(url);
    bool is_valid = options != NULL;
    PQconninfoFree(options);
    return is_valid;
}

/* libpq 15; the same in later ones. Of a loose one libpq ignores the case, and takes "" for nothing said. */
static const struct {
    const char *keyword, *words;
    bool is_loose;
} of_few_words[] = {
    { "sslmode", "disable, allow, prefer, require, verify-ca, verify-full", false },
    { "target_session_attrs", "any, read-write, read-only, primary, standby, prefer-standby", false },
    { "gssencmode", "disable, prefer, require", false },
    { "channel_binding", "disable, prefer, require", false },
    { "sslsni", "0, 1", false },
    { "ssl_min_protocol_version", "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3", true },
    { "ssl_max_protocol_version", "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3", true },
};

static const char *const numbers[] = { "connect_timeout",     "keepalives",       "keepalives_idle",
                                       "keepalives_interval", "keepalives_count", "tcp_user_timeout" };

static bool is_among(const char *words, bool is_loose, const char *word) {
    size_t len = strcspn(word, ",");
    if (is_loose && len == 0)
        return true;
    for (const char *at = words; at != NULL && word[len] == '\0'; at = strstr(at, ", ")) {
        at += strspn(at, ", ");
        bool is_it = is_loose ? strncasecmp(at, word, len) == 0 : strncmp(at, word, len) == 0;
        if (is_it && (at[len] == ',' || at[len] == '\0') && len > 0)
            return true;
    }
    return false;
}

static bool is_number(const char *value) {
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    return end != value && errno == 0 && number >= INT_MIN && number <= INT_MAX && end[strspn(end, " \t\r\n\v\f")] == '\0';
}

/* One for each host, or one; an empty one is libpq's default. */
static bool are_ports(const char *value) {
    for (;;) {
        size_t len = strcspn(value, ",");
        uint64_t number;
        if (len > 0 && (!text_parse_unsigned((struct text){ value, len }, 65535, &number) || number == 0))
            return false;
        if (value[len] == '\0')
            return true;
        value += len + 1;
    }
}

static bool check_word(const PQconninfoOption *option, char error[DB_URL_PROBLEM_SIZE]) {
    for (size_t i = 0; i < ARRAY_LEN(of_few_words); i++) {
        if (strcmp(option->keyword, of_few_words[i].keyword) == 0 &&
            !is_among(of_few_words[i].words, of_few_words[i].is_loose, option->val)) {
            (void)snprintf(error, DB_URL_PROBLEM_SIZE, "%s must be one of %s", option->keyword, of_few_words[i].words);
            return false;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (strcmp(option->keyword, numbers[i]) == 0 && !is_number(option->val)) {
            (void)snprintf(error, DB_URL_PROBLEM_SIZE, "%s must be a whole number", option->keyword);
            return false;
        }
    }
    if (strcmp(option->keyword, "port") != 0 || are_ports(option->val))
        return true;
    (void)snprintf(error, DB_URL_PROBLEM_SIZE, "port must be 1 to 65535, or one such for each host");
    return false;
}

bool db_url_check_words(const char *url, char error[DB_URL_PROBLEM_SIZE]) {
    PQconninfoOption *options = db_parse_url(url);
    bool is_right = true;
    for (const PQconninfoOption *option = options; is_right && option != NULL && option->keyword != NULL; option++)
        is_right = option->val == NULL || check_word(option, error);
    PQconninfoFree(options);
    return is_right;
}

bool db_check_config(const struct config *config, FILE *errors) {
    char problem[DB_URL_PROBLEM_SIZE];
    if (!db_url_is_valid(config->database.url)) {
        fputs(errno == ENOMEM ? "database.url: out of memory\n" : "database.url " DB_URL_ERROR "\n", errors);
        return false;
    }
    bool is_right = db_url_check_words(config->database.url, problem);
    if (!is_right)
        fprintf(errors, "database.url: %s\n", problem);
    return is_right;
}

bool db_password_is_exposed(const struct config *config) {
    if (!config->is_exposed)
        return false;
    PQconninfoOption *options = db_parse_url(config->database.url);
    bool has_password = false;
    for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
        has_password = has_password || (option->dispchar[0] == '*' && option->val != NULL && option->val[0] != '\0');
    PQconninfoFree(options);
    return has_password;
}

static void print_value(const char *value, FILE *out) {
    bool is_quoted = value[0] == '\0' || strpbrk(value, " '\\") != NULL;
    if (is_quoted)
        fputc('\'', out);
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\')
            fputc('\\', out);
        fputc(*value, out);
    }
    if (is_quoted)
        fputc('\'', out);
}

static void print_options(const PQconninfoOption *options, FILE *out) {
    const char *space = "";
    for (; options->keyword != NULL; options++) {
        if (options->val == NULL)
            continue;
        fprintf(out, "%s%s=", space, options->keyword);
        if (options->dispchar[0] == '*' || !is_printable(options->val))
            fputs(HIDDEN, out);
        else
            print_value(options->val, out);
        space = " ";
    }
}

void db_print_url(const char *url, FILE *out) {
    PQconninfoOption *options = db_parse_url(url);
    if (options == NULL)
        fputs(HIDDEN, out);
    else
        print_options(options, out);
    PQconninfoFree(options);
}
