/* Reads a connection string as libpq does, and prints it without its passwords. */
#include "link.h"

#include <errno.h>
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
