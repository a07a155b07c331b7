#include "config_fixture.h"

#include "jwtd/db.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct outcome load(const struct config_source *source) {
    struct outcome outcome;
    size_t len;
    FILE *errors = open_memstream(&outcome.errors, &len);
    outcome.loaded = config_load(&outcome.config, source, errors);
    fclose(errors);
    FILE *printed = open_memstream(&outcome.printed, &len);
    config_print(&outcome.config, db_print_url, printed);
    fclose(printed);
    return outcome;
}

void outcome_fini(struct outcome *outcome) {
    config_fini(&outcome->config);
    free(outcome->errors);
    free(outcome->printed);
}

struct outcome load_set(const char *set) {
    return load(&(struct config_source){ .set = &set, .set_count = set != NULL ? 1 : 0 });
}

char file_name[64];

const char *write_file(const char *bytes, size_t len) {
    snprintf(file_name, sizeof file_name, "/tmp/test_config_XXXXXX");
    int fd = mkstemp(file_name);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
    close(fd);
    return file_name;
}

struct outcome load_file(const char *text) {
    struct outcome outcome = load(&(struct config_source){ .file = write_file(text, strlen(text)) });
    unlink(file_name);
    return outcome;
}

int count_lines(const char *text) {
    int lines = 0;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

bool has_line(const char *text, const char *needle) {
    size_t len = strlen(needle);
    for (const char *at = strstr(text, needle); at != NULL; at = strstr(at + 1, needle))
        if ((at == text || at[-1] == '\n') && at[len] == '\n')
            return true;
    return false;
}
