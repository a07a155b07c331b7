/* Prints a connection string without its passwords, as libpq itself reads it. */
#include "jwtd/db.h"

#include <libpq-fe.h>
#include <string.h>

#define HIDDEN "***"

static bool is_printable(const char *value) {
    for (; *value != '\0'; value++)
        if ((unsigned char)*value < ' ' || *value == 0x7f)
            return false;
    return true;
}

/* A password with an unescaped "@" or "/" makes another URL of the same text, in which a part of it stands elsewhere. */
static bool may_hold_password(const PQconninfoOption *option) {
    return option->dispchar[0] != '*' && option->val != NULL && strchr(option->val, '@') != NULL;
}

static bool is_misread_url(const char *url, const PQconninfoOption *options) {
    bool is_url = strncmp(url, "postgres://", 11) == 0 || strncmp(url, "postgresql://", 13) == 0;
    for (; is_url && options->keyword != NULL; options++)
        if (may_hold_password(options))
            return true;
    return false;
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
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (options == NULL || is_misread_url(url, options))
        fputs(HIDDEN, out);
    else
        print_options(options, out);
    PQconninfoFree(options);
}
