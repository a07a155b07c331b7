/*
 * Runs the suites named on the command line, or all of them. Check's variables hold (CK_RUN_CASE, CK_FORK, CK_VERBOSITY,
 * CK_TIMEOUT_MULTIPLIER). The last line is "N passed, M failed"; the exit code is 0 when something ran and nothing failed.
 */
#include "suites.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct suite_entry *find_suite(const char *name) {
    for (const struct suite_entry *entry = suites; entry->name != NULL; entry++)
        if (strcmp(entry->name, name) == 0)
            return entry;
    return NULL;
}

static void add_all(SRunner *runner) {
    for (const struct suite_entry *entry = suites; entry->name != NULL; entry++)
        srunner_add_suite(runner, entry->create());
}

static bool add_named(SRunner *runner, int count, char **names) {
    for (int i = 0; i < count; i++) {
        const struct suite_entry *entry = find_suite(names[i]);
        if (entry == NULL) {
            fprintf(stderr, "there is no suite %s\n", names[i]);
            return false;
        }
        srunner_add_suite(runner, entry->create());
    }
    return true;
}

int main(int argc, char **argv) {
    SRunner *runner = srunner_create(NULL);
    if (argc > 1 && !add_named(runner, argc - 1, argv + 1)) {
        srunner_free(runner);
        return 2;
    }
    if (argc <= 1)
        add_all(runner);
    srunner_run_all(runner, CK_ENV);
    int ran = srunner_ntests_run(runner);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("%d passed, %d failed\n", ran - failed, failed);
    return ran > 0 && failed == 0 ? 0 : 1;
}
