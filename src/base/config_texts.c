/* The types of settings that are text, checked by their form. */
#include "settings.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define OUT_OF_MEMORY "cannot be kept: out of memory"
#define UNIX_PREFIX "unix:"
#define UNIX_PATH_MAX 107 /* sockaddr_un.sun_path, less its NUL */

static bool refuse(char error[ERROR_SIZE], const char *why) {
    snprintf(error, ERROR_SIZE, "%s", why);
    return false;
}

static bool has_controls(const char *text) {
    for (const unsigned char *byte = (const unsigned char *)text; *byte != '\0'; byte++)
        if (*byte < 0x20 || *byte == 0x7f)
            return true;
    return false;
}

static void release_text(void *place) {
    char **string = (char **)place;
    free(*string);
    *string = NULL;
}

static void release_secret(void *place) {
    char **string = (char **)place;
    if (*string != NULL)
        sodium_memzero(*string, strlen(*string));
    release_text(place);
}

static bool replace_text(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    char *copy = strdup(text);
    if (copy == NULL)
        return refuse(error, OUT_OF_MEMORY);
    setting->type->release(place);
    *(char **)place = copy;
    return true;
}

static bool parse_text(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    size_t len = strlen(text);
    if (len < (size_t)setting->min)
        return refuse(error, "must not be empty");
    if (len > (size_t)setting->max) {
        snprintf(error, ERROR_SIZE, "must not be longer than %lld bytes", (long long)setting->max);
        return false;
    }
    /* An INI file cannot hold them; the environment and --set must not mean something else. */
    if (len > 0 && (text[0] == ' ' || text[len - 1] == ' '))
        return refuse(error, "must not begin or end with a space");
    if (has_controls(text))
        return refuse(error, "must not contain control characters");
    if (!text_is_utf8(text_of(text)))
        return refuse(error, "must be UTF-8");
    return replace_text(setting, text, place, error);
}

static void print_text(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    fputs(*(char *const *)place, out);
}

static void print_url(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    url_print_redacted(*(char *const *)place, out);
}

/* A kid becomes the name of a file: no separators, and no name that the file system or a shell reads otherwise. */
static bool parse_kid(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    if (!text_is_made_of(text_of(text), TEXT_ID_ALPHABET, 0, SIZE_MAX))
        return refuse(error, "must consist of A-Z a-z 0-9 . _ -");
    return parse_text(setting, text, place, error);
}

static bool is_unix_address(const char *text) {
    size_t prefix = strlen(UNIX_PREFIX);
    return strncmp(text, UNIX_PREFIX "/", prefix + 1) == 0 && strlen(text) <= prefix + UNIX_PATH_MAX;
}

/* An address alone parses too, but to listen there must be a port: behind the one colon, or behind the bracket. */
static bool is_internet_address(const char *text) {
    struct address address;
    const char *colon = strrchr(text, ':');
    bool has_port = colon != NULL && (text[0] == '[' ? colon[-1] == ']' : strchr(text, ':') == colon);
    return has_port && address_parse(text_of(text), &address);
}

static bool parse_listen(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    if (!is_unix_address(text) && !is_internet_address(text))
        return refuse(error, "must be address:port, [address]:port or unix:/path");
    return parse_text(setting, text, place, error);
}

const struct setting_type text_setting = { parse_text, print_text, release_text };
const struct setting_type url_setting = { parse_text, print_url, release_secret };
const struct setting_type kid_setting = { parse_kid, print_text, release_text };
const struct setting_type listen_setting = { parse_listen, print_text, release_text };
