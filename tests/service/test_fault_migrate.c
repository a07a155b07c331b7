/*
 * Each allocation of `jwtd migrate` fails once, for one after the other until there is none left to fail. It ends with exit code
 * 0, or with 1 and a line of the log that has the cause. ONLY=1 runs one row of the table, STRIDE=10 every tenth call.
 */
#include "support/faults.h"
#include "support/http.h"
#include "support/server.h"

#include "jwtd/macros.h"

#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *fault_migrate_suite(void);

/* An allocation whose failure libpq keeps to itself costs the ten seconds that all of them wait for the database. */
#define WORKERS 16
#define CALLS_MAX 10000
#define OUTPUT_SIZE 4096

static const char *const options[] = { NULL, "--status" };

static struct faults faults[WORKERS];
static struct {
    const char *option;
    atomic_long next; /* call that is to fail */
    atomic_long calls;
} run;

/* The database is migrated already. */
static int migrate(const struct faults *own_faults, const char *option, char output[OUTPUT_SIZE]) {
    char url[512];
    snprintf(url, sizeof url, "database.url=%s", getenv("JWTD_TEST_OWNER_DATABASE"));
    const char *words[16];
    size_t count = 0;
    for (; own_faults->wrapper[count] != NULL; count++)
        words[count] = own_faults->wrapper[count];
    const char *const own[] = { getenv("JWTD_TEST_PROGRAM"), "--set", url, "migrate", option, NULL };
    memcpy(words + count, own, sizeof own);
    return command_run(words, NULL, output, OUTPUT_SIZE);
}

/* Returns whether a call has failed. */
static bool fail_call(struct faults *own_faults, const char *option, long wanted) {
    static const struct fault no_memory = { FAULT_MEMORY, ENOMEM };
    char output[OUTPUT_SIZE];
    faults_arm(own_faults, no_memory, FAULT_ANY_THREAD, FAULT_ONE, wanted);
    int code = migrate(own_faults, option, output);
    faults_disarm(own_faults);
    const char *what = faults_describe(own_faults, no_memory, wanted);
    ck_assert_msg(code == 0 || code == 1, "%s: exit code %d: %s", what, code, output);
    ck_assert_msg(code == 0 || strcasestr(output, "memory") != NULL || strstr(output, "database_unavailable") != NULL,
                  "%s: no cause in: %s", what, output);
    return atomic_load(&own_faults->control->failed) > 0;
}

static void fail_calls(size_t index, void *context) {
    (void)context;
    long wanted;
    do {
        wanted = atomic_fetch_add(&run.next, faults_stride());
        ck_assert_int_lt(wanted, CALLS_MAX);
    } while (fail_call(&faults[index], run.option, wanted));
    atomic_store(&run.calls, atomic_load(&faults[index].control->seen));
}

START_TEST(whichever_allocation_fails_it_succeeds_or_logs_the_cause) {
    char directory[] = "/tmp/jwtd-test-XXXXXX", names[WORKERS][16], file[512];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    for (size_t i = 0; i < WORKERS; i++) {
        snprintf(names[i], sizeof names[i], "fault%zu", i);
        faults_open(&faults[i], directory, names[i]);
    }
    run.option = options[_i];
    atomic_store(&run.next, 1);
    run_parallel(WORKERS, fail_calls, NULL);
    printf("migrate, row %d: %ld allocations\n", _i, atomic_load(&run.calls));
    ck_assert_int_gt(atomic_load(&run.calls), 0);
    for (size_t i = 0; i < WORKERS; i++) {
        faults_close(&faults[i]);
        snprintf(file, sizeof file, "%s/%s", directory, names[i]);
        unlink(file);
    }
    ck_assert_int_eq(rmdir(directory), 0);
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
