/*
 * Each allocation of `jwtd migrate` fails once, for one after the other until there is none left to fail. It ends with exit code
 * 0, or with 1 and a line of the log that has the cause. ONLY=1 runs one row of the table, STRIDE=10 every tenth call.
 */
#include "support/faults.h"
#include "support/server.h"

#include "jwtd/macros.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *fault_migrate_suite(void);

#define CALLS_MAX 10000
#define OUTPUT_SIZE 4096

static const char *const options[] = { NULL, "--status" };

static struct faults faults;

/* The database is migrated already. */
static int migrate(const char *option, char output[OUTPUT_SIZE]) {
    char url[512];
    snprintf(url, sizeof url, "database.url=%s", getenv("JWTD_TEST_OWNER_DATABASE"));
    const char *words[16];
    size_t count = 0;
    for (; faults.wrapper[count] != NULL; count++)
        words[count] = faults.wrapper[count];
    const char *const own[] = { getenv("JWTD_TEST_PROGRAM"), "--set", url, "migrate", option, NULL };
    memcpy(words + count, own, sizeof own);
    return command_run(words, NULL, output, OUTPUT_SIZE);
}

/* Returns whether a call has failed. */
static bool fail_call(const char *option, long wanted) {
    static const struct fault no_memory = { FAULT_MEMORY, ENOMEM };
    char output[OUTPUT_SIZE];
    faults_arm(&faults, no_memory, FAULT_ANY_THREAD, FAULT_ONE, wanted);
    int code = migrate(option, output);
    faults_disarm(&faults);
    const char *what = faults_describe(&faults, no_memory, wanted);
    ck_assert_msg(code == 0 || code == 1, "%s: exit code %d: %s", what, code, output);
    ck_assert_msg(code == 0 || strcasestr(output, "memory") != NULL || strstr(output, "database_unavailable") != NULL,
                  "%s: no cause in: %s", what, output);
    return atomic_load(&faults.control->failed) > 0;
}

START_TEST(whichever_allocation_fails_it_succeeds_or_logs_the_cause) {
    char directory[] = "/tmp/jwtd-test-XXXXXX", file[64];
    long wanted = 1;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    faults_open(&faults, directory, "fault");
    for (; fail_call(options[_i], wanted); wanted += faults_stride())
        ck_assert_int_lt(wanted, CALLS_MAX);
    printf("migrate, row %d: %ld allocations\n", _i, atomic_load(&faults.control->seen));
    faults_close(&faults);
    snprintf(file, sizeof file, "%s/fault", directory);
    unlink(file);
    rmdir(directory);
}
END_TEST

Suite *fault_migrate_suite(void) {
    Suite *suite = suite_create("fault_migrate");
    TCase *tcase = tcase_create("every allocation");
    tcase_set_timeout(tcase, 120);
    faults_add_test(tcase, whichever_allocation_fails_it_succeeds_or_logs_the_cause, ARRAY_LEN(options));
    suite_add_tcase(suite, tcase);
    return suite;
}
