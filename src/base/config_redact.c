/* Prints a connection string without its passwords. libpq's own parser is known in src/store/ only, so this reads with care
 * instead. */
#include "jwtd/config.h"

#include "jwtd/macros.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define HIDDEN "***"

static bool is_secret(const char *key, size_t len) {
    static const char *const secrets[] = { "password", "sslpassword" };
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        if (strlen(secrets[i]) == len && strncasecmp(secrets[i], key, len) == 0)
            return true;
    return memchr(key, '%', len) != NULL; /* libpq decodes names too: p%61ssword */
}

/* "?a=b&password=c": the values of secrets are hidden. */
static void print_query(const char *query, FILE *out) {
    while (*query != '\0') {
        size_t lead = strspn(query, "?&");
        size_t key = strcspn(query + lead, "=&");
        size_t pair = strcspn(query + lead, "&");
        bool hide = key < pair && is_secret(query + lead, key);
        fprintf(out, "%.*s%s", (int)(lead + (hide ? key + 1 : pair)), query, hide ? HIDDEN : "");
        query += lead + pair;
    }
}

static bool is_port(const char *text) {
    return strchr("/?,", text[strspn(text, "0123456789")]) != NULL;
}

/*
 * To libpq, what stands before an "@" that comes before any "/" is the user and the password, and may have a "?" in it; otherwise
 * the first "?" begins the query. A password with an unescaped "@", "/" or "?" is no valid URL but may be typed, so the last "@"
 * before the query that follows the first one ends it; and where nobody can tell one from an "@" in the query, all is hidden.
 */
static void print_url(const char *url, FILE *out) {
    const char *authority = strstr(url, "://") + strlen("://");
    const char *at = strchr(authority, '@');
    const char *colon = strchr(authority, ':');
    const char *query = authority + strcspn(authority, "?");
    bool has_user = authority[strcspn(authority, "@/")] == '@';
    bool is_in_query = at != NULL && !has_user && query < at;
    if (is_in_query && colon != NULL && colon < query && !is_port(colon + 1)) {
        fprintf(out, "%.*s" HIDDEN, (int)(colon + 1 - url), url);
        return;
    }
    if (at != NULL && !is_in_query) {
        bool hide = colon != NULL && colon < at;
        fprintf(out, "%.*s%s", (int)((hide ? colon + 1 : at) - url), url, hide ? HIDDEN : "");
        url = hide ? (const char *)memrchr(at, '@', strcspn(at, "?")) : at;
    }
    size_t before_query = strcspn(url, "?");
    fprintf(out, "%.*s", (int)before_query, url);
    print_query(url + before_query, out);
}

/* The length of a conninfo value: quoted, or up to white space; a backslash takes the next byte with it. */
static size_t value_len(const char *value) {
    bool quoted = value[0] == '\'';
    size_t len = quoted ? 1 : 0;
    while (value[len] != '\0') {
        if (quoted ? value[len] == '\'' : isspace((unsigned char)value[len]) != 0)
            return quoted ? len + 1 : len;
        len += value[len] == '\\' && value[len + 1] != '\0' ? 2 : 1;
    }
    return len;
}

/* "key = value key='value'": libpq allows white space around "=". */
static void print_conninfo(const char *info, FILE *out) {
    static const char blanks[] = " \t\n\v\f\r";
    while (*info != '\0') {
        size_t start = strspn(info, blanks);
        size_t key = strspn(info + start, "abcdefghijklmnopqrstuvwxyz_");
        size_t equals = start + key + strspn(info + start + key, blanks);
        if (key == 0 || info[equals] != '=') {
            fprintf(out, "%.*s%s", (int)start, info, info[start] != '\0' ? HIDDEN : "");
            return; /* not a conninfo string from here on: nobody can tell what the rest is */
        }
        size_t value = equals + 1 + strspn(info + equals + 1, blanks);
        size_t end = value + value_len(info + value);
        bool hide = is_secret(info + start, key);
        fprintf(out, "%.*s%s", (int)(hide ? value : end), info, hide ? HIDDEN : "");
        info += end;
    }
}

/* The prefixes by which libpq tells a URL from a conninfo string. */
void url_print_redacted(const char *url, FILE *out) {
    bool is_url = strncmp(url, "postgres://", 11) == 0 || strncmp(url, "postgresql://", 13) == 0;
    if (is_url)
        print_url(url, out);
    else
        print_conninfo(url, out);
}
