#include "browser.h"

#include "server.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define OUTPUT_SIZE ((size_t)64 * 1024)
#define WORDS_MAX 16

static char output[OUTPUT_SIZE];

void browser_run(const char *script, const char *const *words) {
    const char *const prepare[] = { "tools/browser.sh", NULL };
    ck_assert_msg(command_run(prepare, NULL, output, sizeof output) == 0, "%s", output);
    char path[128];
    const char *command[WORDS_MAX] = { "/usr/bin/nice", "node", path }; /* beside tests that measure time */
    size_t count = 3;
    snprintf(path, sizeof path, "build/browser/%s", script);
    for (; words[count - 3] != NULL; count++) {
        ck_assert_uint_lt(count, WORDS_MAX - 1);
        command[count] = words[count - 3];
    }
    int code = command_run(command, NULL, output, sizeof output);
    ck_assert_msg(code == 0 && strstr(output, " passed, 0 failed\n") != NULL, "%s", output);
}
