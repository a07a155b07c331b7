/*
 * Each call of `jwtd service rotate` fails once, kind by kind, for one after the other until there is none left to fail. It ends
 * with exit code 0 and a second secret, or with 1 and the cause; the file is whole in both cases, no file is left beside it, and
 * the command may be run again. ONLY=4 runs one row of the table, STRIDE=10 every tenth call.
 */
#include "support/faults.h"
#include "support/server.h"

#include "jwtd/service_credentials.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *fault_service_suite(void);

#define CALLS_MAX 1000
#define OUTPUT_SIZE 2048

static char directory[64], file[96];
static struct faults faults;

static int run(bool with_faults, const char *subcommand, char output[OUTPUT_SIZE]) {
    char setting[160];
    snprintf(setting, sizeof setting, "services.credentials_file=%s", file);
    const char *words[16];
    size_t count = 0;
    for (; with_faults && faults.wrapper[count] != NULL; count++)
        words[count] = faults.wrapper[count];
    const char *const own[] = { getenv("JWTD_TEST_PROGRAM"), "--set", setting, "service", subcommand, "orders", NULL };
    memcpy(words + count, own, sizeof own);
    return command_run(words, NULL, output, OUTPUT_SIZE);
}

static size_t count_secrets(const char *what) {
    char error[512];
    struct service_credentials *set = service_credentials_load(file, error, sizeof error);
    ck_assert_msg(set != NULL, "%s: %s", what, error);
    size_t count = service_credentials_count(set);
    service_credentials_destroy(set);
    return count;
}

/* Returns whether a call has failed. */
static bool fail_call(const struct command_fault *command_fault, long wanted) {
    char output[OUTPUT_SIZE], aside[128];
    unlink(file);
    ck_assert_int_eq(run(false, "add", output), 0);
    faults_arm(&faults, command_fault->fault, FAULT_ANY_THREAD, FAULT_ONE, wanted);
    int code = run(true, "rotate", output);
    faults_disarm(&faults);
    const char *what = faults_describe(&faults, command_fault->fault, wanted);
    ck_assert_msg(code == 0 || (code == 1 && command_fault->cause != NULL), "%s: exit code %d: %s", what, code, output);
    ck_assert_msg(code == 0 || strcasestr(output, command_fault->cause) != NULL, "%s: %s", what, output);
    snprintf(aside, sizeof aside, "%s~new", file);
    ck_assert_msg(access(aside, F_OK) != 0, "%s: a file is left", what);
    size_t count = count_secrets(what);
    bool is_changed = code == 0 || strstr(output, "replaced, but not synced") != NULL;
    ck_assert_msg(count == (is_changed ? 2 : 1), "%s: %zu secrets", what, count);
    ck_assert_msg(!is_changed || strcspn(output, "\n") == SERVICE_SECRET_LEN, "%s: the secret is lost: %s", what, output);
    ck_assert_msg(run(false, is_changed ? "drop-old" : "rotate", output) == 0, "%s: and then %s", what, output);
    return atomic_load(&faults.control->failed) > 0;
}

START_TEST(whichever_call_fails_the_file_is_whole) {
    long wanted = 1;
    snprintf(directory, sizeof directory, "/tmp/jwtd-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(file, sizeof file, "%s/services", directory);
    faults_open(&faults, directory, "fault");
    for (; fail_call(&command_faults[_i], wanted); wanted += faults_stride())
        ck_assert_int_lt(wanted, CALLS_MAX);
    long seen = atomic_load(&faults.control->seen);
    printf("service, kind %d, error %d: %ld calls\n", (int)command_faults[_i].fault.kind, command_faults[_i].fault.error, seen);
    ck_assert_int_gt(seen, 0);
    faults_close(&faults);
    char control[96];
    snprintf(control, sizeof control, "%s/fault", directory);
    unlink(control);
    unlink(file);
    rmdir(directory);
}
END_TEST

Suite *fault_service_suite(void) {
    Suite *suite = suite_create("fault_service");
    TCase *tcase = tcase_create("fault_service");
    tcase_set_timeout(tcase, 120);
    faults_add_test(tcase, whichever_call_fails_the_file_is_whole, COMMAND_FAULTS);
    suite_add_tcase(suite, tcase);
    return suite;
}
