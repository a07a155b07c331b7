/*
 * The configuration file (config_load of config.h), with the INI file that the input is.
 *
 * Checked: a file that is refused has at least one line that says why, without control characters; one that is accepted prints as
 * a file that is accepted and prints the same, and as --set arguments that make the same configuration, in which a reload finds
 * nothing to change.
 */
#include "fuzz.h"

#include "jwtd/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SETTINGS_MAX 128

static int file;
static char file_name[64];

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    file = memfd_create("fuzz_config", 0);
    assert(file >= 0);
    snprintf(file_name, sizeof file_name, "/proc/self/fd/%d", file);
    return 0;
}

static bool load(struct config *config, const struct config_source *source, char **mistakes) {
    size_t len;
    FILE *out = open_memstream(mistakes, &len);
    assert(out != NULL);
    bool is_good = config_load(config, source, out);
    fclose(out);
    assert(is_good == (len == 0));
    for (size_t i = 0; i < len; i++)
        assert((unsigned char)(*mistakes)[i] >= ' ' || (*mistakes)[i] == '\n');
    assert(len == 0 || (*mistakes)[len - 1] == '\n');
    return is_good;
}

static bool load_file(struct config *config, const void *bytes, size_t len) {
    char *mistakes;
    int failure = ftruncate(file, 0);
    ssize_t written = pwrite(file, bytes, len, 0);
    assert(failure == 0 && written == (ssize_t)len);
    bool is_good = load(config, &(struct config_source){ .file = file_name }, &mistakes);
    free(mistakes);
    return is_good;
}

static void print_as_it_is(const char *secret, FILE *out) {
    fputs(secret, out);
}

static void print(const void *config, FILE *out) {
    config_print(config, print_as_it_is, out);
}

/* The lines of a printed configuration as "section.key=value"; returns their number. */
static size_t make_arguments(const char *printed, char *arguments[SETTINGS_MAX]) {
    struct text rest = text_of(printed);
    char section[64] = "";
    size_t count = 0;
    while (rest.len > 0) {
        struct text line = fuzz_take_line(&rest);
        const char *equals = line.len > 0 ? memmem(line.bytes, line.len, " = ", 3) : NULL;
        if (line.len > 0 && line.bytes[0] == '[')
            snprintf(section, sizeof section, "%.*s", (int)line.len - 2, line.bytes + 1);
        if (equals == NULL)
            continue;
        assert(count < SETTINGS_MAX);
        int key = (int)(equals - line.bytes);
        int len = asprintf(&arguments[count++], "%s.%.*s=%.*s", section, key, line.bytes, (int)line.len - key - 3, equals + 3);
        assert(len > 0);
    }
    return count;
}

static void count_difference(const char *name, bool takes_effect, void *count) {
    (void)takes_effect;
    ++*(unsigned *)count;
    fprintf(stderr, "differs: %s\n", name);
}

static void assert_same_rate(const struct limit_rate *one, const struct limit_rate *other) {
    assert(one->amount == other->amount);
    assert(one->amount == 0 || (one->period_ms == other->period_ms && one->burst == other->burst));
}

static void assert_same(const struct config *one, const struct config *other) {
    unsigned differences = 0;
    assert_same_rate(&one->limit.register_, &other->limit.register_);
    assert_same_rate(&one->limit.login, &other->limit.login);
    assert(one->server.header_timeout_ms == other->server.header_timeout_ms);
    assert(one->server.body_limit == other->server.body_limit && one->log.level == other->log.level);
    assert(one->server.trusted_proxies.count == other->server.trusted_proxies.count);
    assert(one->cors.allowed_origins.count == other->cors.allowed_origins.count);
    struct config next;
    bool has_memory = config_reload(one, other, &next, count_difference, &differences);
    assert(has_memory && differences == 0);
    config_fini(&next);
}

static void check_arguments(const struct config *config, const char *printed) {
    char *arguments[SETTINGS_MAX], *mistakes;
    size_t count = make_arguments(printed, arguments);
    struct config again;
    bool is_good = load(&again, &(struct config_source){ .set = (const char *const *)arguments, .set_count = count }, &mistakes);
    if (!is_good)
        fprintf(stderr, "%s", mistakes);
    assert(is_good);
    assert_same(config, &again);
    config_fini(&again);
    free(mistakes);
    for (size_t i = 0; i < count; i++)
        free(arguments[i]);
}

static void check_accepted(const struct config *config) {
    struct config again;
    char *printed = fuzz_printed(print, config);
    bool is_good = load_file(&again, printed, strlen(printed));
    assert(is_good);
    assert_same(config, &again);
    char *printed_again = fuzz_printed(print, &again);
    assert(strcmp(printed, printed_again) == 0);
    check_arguments(config, printed);
    config_fini(&again);
    free(printed);
    free(printed_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct config config;
    if (load_file(&config, bytes, len))
        check_accepted(&config);
    config_fini(&config);
    return 0;
}
