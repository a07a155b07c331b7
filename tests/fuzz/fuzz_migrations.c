/*
 * How a migration's file is embedded in the program (tools/embed_migrations.sh): the input is the file.
 *
 * Checked: the C string literals that come out, read as a C11 compiler reads them, are the lines between "-- migrate:up" and "--
 * migrate:down", each ended by one line feed. A file with a NUL is not tried: awk and C strings cannot hold it.
 */
#include "fuzz.h"

#include <assert.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX ((size_t)1 << 20)

static char input_path[64], output_path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    const char *directory = fuzz_directory();
    snprintf(input_path, sizeof input_path, "%s/0001_x.sql", directory);
    snprintf(output_path, sizeof output_path, "%s/out.c", directory);
    return 0;
}

static void write_input(const uint8_t *bytes, size_t len) {
    FILE *file = fopen(input_path, "we");
    assert(file != NULL);
    size_t written = len > 0 ? fwrite(bytes, 1, len, file) : 0;
    int failure = fclose(file);
    assert(written == len && failure == 0);
}

static char *run_tool(void) {
    char *arguments[] = { "sh", "tools/embed_migrations.sh", output_path, input_path, NULL };
    char *environment[] = { "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL };
    pid_t pid;
    int status = -1;
    int failure = posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environment);
    assert(failure == 0);
    pid_t ended = waitpid(pid, &status, 0);
    assert(ended == pid && status == 0);
    FILE *file = fopen(output_path, "re");
    assert(file != NULL);
    char *text = calloc(1, OUTPUT_MAX);
    assert(text != NULL);
    size_t len = fread(text, 1, OUTPUT_MAX - 1, file);
    assert(len < OUTPUT_MAX - 1 && strlen(text) == len);
    fclose(file);
    return text;
}

/* Replaces trigraphs (C11, section 5.2.1.1), which come before everything else. */
static void replace_trigraphs(char *text) {
    static const char from[] = "=()/'<>!-", to[] = "#[]\\^{}|~";
    char *end = text;
    for (const char *at = text; *at != '\0'; at++) {
        const char *found = at[0] == '?' && at[1] == '?' && at[2] != '\0' ? strchr(from, at[2]) : NULL;
        *end++ = found != NULL ? to[found - from] : *at;
        at += found != NULL ? 2 : 0;
    }
    *end = '\0';
}

/* Appends the characters of a literal, from behind its quote; returns what is behind its end. */
static const char *read_literal(const char *at, char *value, size_t *len) {
    for (; *at != '"'; at++) {
        assert(*at != '\0' && *at != '\n');
        if (*at == '\\') {
            at++;
            assert(*at == 'n' || strchr("\"\\?", *at) != NULL);
            value[(*len)++] = *at == 'n' ? '\n' : *at;
        } else {
            value[(*len)++] = *at;
        }
    }
    return at + 1;
}

/* The literals behind the file's name and version. */
static char *read_embedded(char *text) {
    replace_trigraphs(text);
    const char *at = strstr(text, "{ \"0001\", \"0001_x.sql\",\n");
    assert(at != NULL);
    at += strlen("{ \"0001\", \"0001_x.sql\",\n");
    char *value = calloc(1, OUTPUT_MAX);
    assert(value != NULL);
    size_t len = 0;
    for (at += strspn(at, " \n"); *at == '"'; at += strspn(at, " \n"))
        at = read_literal(at + 1, value, &len);
    assert(strncmp(at, "},\n};\nconst size_t migration_files_count = 1;\n", 46) == 0);
    return value;
}

static bool begins_with(struct text line, const char *prefix) {
    return line.len >= strlen(prefix) && memcmp(line.bytes, prefix, strlen(prefix)) == 0;
}

static char *expected(struct text rest) {
    char *value = calloc(1, rest.len + 2);
    assert(value != NULL);
    size_t len = 0;
    bool is_up = false;
    while (rest.len > 0) {
        struct text line = fuzz_take_line(&rest);
        bool begins = begins_with(line, "-- migrate:up"), ends = begins_with(line, "-- migrate:down");
        is_up = begins || (is_up && !ends);
        if (!is_up || begins)
            continue;
        memcpy(value + len, line.bytes, line.len);
        len += line.len;
        value[len++] = '\n';
    }
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    if (len > 0 && memchr(bytes, '\0', len) != NULL)
        return 0;
    write_input(bytes, len);
    char *text = run_tool();
    char *embedded = read_embedded(text);
    char *up = expected((struct text){ (const char *)bytes, len });
    assert(strcmp(embedded, up) == 0);
    free(text);
    free(embedded);
    free(up);
    return 0;
}
