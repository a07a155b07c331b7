/* The types of settings that are text, checked by their form. */
#include "settings.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

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

static bool copy_text(const void *value, void *place) {
    char *copy = strdup(*(char *const *)value);
    if (copy != NULL)
        *(char **)place = copy;
    return copy != NULL;
}

static bool replace_text(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    char *copy = strdup(text);
    if (copy == NULL)
        return setting_reject(error, OUT_OF_MEMORY);
    setting->type->release(place);
    *(char **)place = copy;
    return true;
}

static bool parse_text(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    size_t len = strlen(text);
    if (len < (size_t)setting->min)
        return setting_reject(error, "must not be empty");
    if (len > (size_t)setting->max) {
        snprintf(error, ERROR_SIZE, "must not be longer than %lld bytes", (long long)setting->max);
        return false;
    }
    /* An INI file cannot hold them; the environment and --set take no other values than a file. */
    if (len > 0 && (text[0] == ' ' || text[len - 1] == ' '))
        return setting_reject(error, "must not begin or end with a space");
    if (has_controls(text))
        return setting_reject(error, "must not contain control characters");
    if (!text_is_utf8(text_of(text)))
        return setting_reject(error, "must be UTF-8");
    return replace_text(setting, text, place, error);
}

static void print_text(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    fputs(*(char *const *)place, out);
}

/* A kid becomes the name of a file: no separators, and no name that the file system or a shell reads otherwise. */
static bool parse_kid(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    if (!text_is_made_of(text_of(text), TEXT_ID_ALPHABET, 0, SIZE_MAX))
        return setting_reject(error, "must consist of A-Z a-z 0-9 . _ -");
    return parse_text(setting, text, place, error);
}

static bool parse_digest(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    if (text[0] != '\0' && !text_is_made_of(text_of(text), "0123456789abcdef", 64, 64))
        return setting_reject(error, "must be 64 digits 0-9 a-f, as sha256sum prints them");
    return parse_text(setting, text, place, error);
}

/* RFC 3986, without query and fragment: a path is put behind it; without user information: it is public. */
static bool is_web_address(const char *text) {
    static const char alphabet[] = TEXT_ALPHANUMERIC "-._~%!$&'()*+,;=:@/[]";
    size_t len = strlen(text), scheme = 0;
    if (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0)
        scheme = text[4] == ':' ? 7 : 8;
    const char *authority = text + scheme;
    bool has_user = memchr(authority, '@', strcspn(authority, "/")) != NULL;
    bool is_address = scheme > 0 && len > scheme && text[scheme] != '/' && text[len - 1] != '/' && !has_user;
    return len == 0 || (is_address && text_is_made_of(text_of(text), alphabet, 0, len));
}

#define WITHOUT_THE_REST ", without user or password, without query and without a slash at its end"

static bool parse_web_address(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    if (!is_web_address(text))
        return setting_reject(error, "must be a URL like https://auth.example.com" WITHOUT_THE_REST);
    return parse_text(setting, text, place, error);
}

/* Other programs have two settings of OpenTelemetry: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is the whole URL. */
static bool parse_otlp_url(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    static const char path[] = "/v1/traces";
    size_t len = strlen(text), path_len = strlen(path);
    if (!is_web_address(text))
        return setting_reject(error, "must be a URL like http://127.0.0.1:4318" WITHOUT_THE_REST);
    if (len >= path_len && strcmp(text + len - path_len, path) == 0)
        return setting_reject(error, "must be the URL without /v1/traces, which is appended, as in OTEL_EXPORTER_OTLP_ENDPOINT: "
                                     "like http://127.0.0.1:4318");
    return parse_text(setting, text, place, error);
}

static bool parse_endpoint(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    struct endpoint endpoint = { .is_unix = false };
    bool is_none = text[0] == '\0' && setting->min == 0;
    if (!is_none && !endpoint_parse(text_of(text), &endpoint))
        return setting_reject(error, "must be address:port, [address]:port or unix:/path");
    *(struct endpoint *)place = endpoint;
    return true;
}

static void print_endpoint(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    char text[ENDPOINT_TEXT_SIZE];
    fputs(endpoint_text((const struct endpoint *)place, text), out);
}

const struct setting_type text_setting = { sizeof(char *), parse_text, print_text, copy_text, release_text };
const struct setting_type url_setting = { sizeof(char *), parse_text, print_text, copy_text, release_secret };
const struct setting_type digest_setting = { sizeof(char *), parse_digest, print_text, copy_text, release_text };
const struct setting_type kid_setting = { sizeof(char *), parse_kid, print_text, copy_text, release_text };
const struct setting_type web_address_setting = { sizeof(char *), parse_web_address, print_text, copy_text, release_text };
const struct setting_type otlp_url_setting = { sizeof(char *), parse_otlp_url, print_text, copy_text, release_text };
const struct setting_type endpoint_setting = { sizeof(struct endpoint), parse_endpoint, print_endpoint, NULL, NULL };
