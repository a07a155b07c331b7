/*
 * The database's URL or conninfo: how it is printed, and how its hosts are ordered (src/store/db_hosts.c). The fuzzer is to put
 * SECRET where a password may stand.
 *
 * Checked: when libpq finds SECRET in a password, and nowhere else, what `jwtd check-config` prints does not hold it, neither as
 * it is nor behind percent-encoding (in a URL) or backslashes (elsewhere), nor does an error of the setting; the hosts of
 * each connection attempt are those that were given, beginning with another one.
 */
#include "fuzz.h"

#include "jwtd/config.h"

#include "src/store/link.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "S3cr3tQx"
#define ATTEMPTS 4

static void print(const void *config, FILE *out) {
    config_print(config, db_print_url, out);
}

static int digit(char c) {
    const char *digits = "0123456789abcdef";
    const char *found = c != '\0' ? strchr(digits, c | 0x20) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

static bool is_url(const char *text) {
    return strncmp(text, "postgres://", 11) == 0 || strncmp(text, "postgresql://", 13) == 0;
}

/* What libpq makes of escapes: "%41" in a URL becomes A; in a conninfo string a backslash only takes the next character with it.
 */
static char *decoded(const char *text, bool in_url) {
    char *copy = strdup(text);
    assert(copy != NULL);
    size_t len = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (in_url && *at == '%' && digit(at[1]) >= 0 && digit(at[2]) >= 0) {
            copy[len++] = (char)(digit(at[1]) * 16 + digit(at[2]));
            at += 2;
        } else if (in_url || *at != '\\') {
            copy[len++] = *at;
        }
    }
    copy[len] = '\0';
    return copy;
}

static void assert_hides_secret(const char *printed, bool in_url) {
    char *meant = decoded(printed, in_url);
    assert(strstr(printed, SECRET) == NULL);
    assert(strstr(meant, SECRET) == NULL);
    free(meant);
}

/* Whether libpq has it in a password, and in nothing else. */
static bool is_secret(const PQconninfoOption *options) {
    bool in_password = false;
    for (; options->keyword != NULL; options++) {
        if (options->val == NULL || strstr(options->val, SECRET) == NULL)
            continue;
        if (strcmp(options->keyword, "password") != 0 && strcmp(options->keyword, "sslpassword") != 0)
            return false;
        in_password = true;
    }
    return in_password;
}

/* As --set database.url. */
static void check_printing(const char *url, const PQconninfoOption *options) {
    struct config config;
    char *argument, *mistakes = NULL;
    size_t len;
    int made = asprintf(&argument, "database.url=%s", url);
    FILE *out = open_memstream(&mistakes, &len);
    assert(made > 0 && out != NULL);
    bool is_good = config_load(&config, &(struct config_source){ .set = (const char *const[]){ argument }, .set_count = 1 }, out);
    fclose(out);
    assert(strstr(mistakes, SECRET) == NULL);
    char *printed = fuzz_printed(print, &config);
    if (is_good && options != NULL && is_secret(options))
        assert_hides_secret(printed, is_url(url));
    config_fini(&config);
    free(printed);
    free(mistakes);
    free(argument);
}

static void assert_is_rotation(const char *list, const char *rotated, unsigned by) {
    unsigned count = 1;
    for (const char *at = list; *at != '\0'; at++)
        count += *at == ',';
    char *twice;
    int made = asprintf(&twice, "%s,%s", list, list);
    assert(made > 0);
    const char *start = twice;
    for (unsigned skip = by % count; skip > 0; skip--)
        start = strchr(start, ',') + 1;
    assert(strlen(rotated) == strlen(list) && strncmp(start, rotated, strlen(list)) == 0);
    free(twice);
}

static void check_hosts(const PQconninfoOption *options) {
    for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct db_hosts hosts;
        bool has_memory = db_order_hosts(options, attempt, &hosts);
        assert(has_memory);
        const char *const given[] = { db_option(options, "host"), db_option(options, "hostaddr"), db_option(options, "port") };
        const char *const ordered[] = { hosts.host, hosts.hostaddr, hosts.port };
        for (size_t i = 0; i < 3; i++) {
            assert(ordered[i] != NULL || given[i] == NULL || strchr(given[i], ',') == NULL);
            if (ordered[i] != NULL)
                assert_is_rotation(given[i], ordered[i], attempt);
        }
        db_free_hosts(&hosts);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    char *url = fuzz_string((struct text){ (const char *)bytes, len });
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    check_printing(url, options);
    if (options != NULL)
        check_hosts(options);
    PQconninfoFree(options);
    free(url);
    return 0;
}
