/*
 * Each call of `jwtd keygen` fails once, kind by kind, for one after the other until there is none left to fail. It ends with
 * exit code 0 and whole keys, or with 1 and the cause; it leaves no broken key and no file beside, and may be run again. ONLY=4
 * runs one row of the table, STRIDE=10 every tenth call.
 */
#include "support/faults.h"
#include "support/server.h"

#include "jwtd/clock.h"
#include "jwtd/keyring.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *fault_keygen_suite(void);

#define CALLS_MAX 1000
#define OUTPUT_SIZE 2048

static char directory[64], keys_dir[80], refresh_file[96];
static struct faults faults;

static int keygen(bool with_faults, char output[OUTPUT_SIZE]) {
    char keys[128], refresh[128];
    snprintf(keys, sizeof keys, "token.keys_dir=%s", keys_dir);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s", refresh_file);
    const char *words[16];
    size_t count = 0;
    for (; with_faults && faults.wrapper[count] != NULL; count++)
        words[count] = faults.wrapper[count];
    const char *const own[] = { getenv("JWTD_TEST_PROGRAM"), "--set", keys, "--set", refresh, "keygen", "--if-missing", NULL };
    memcpy(words + count, own, sizeof own);
    return command_run(words, NULL, output, OUTPUT_SIZE);
}

/* Files of a directory whose name ends with `suffix`; 0 without the directory. */
static unsigned count_files(const char *path, const char *suffix) {
    unsigned count = 0;
    DIR *files = opendir(path);
    const struct dirent *entry;
    while (files != NULL && (entry = readdir(files)) != NULL) {
        size_t len = strlen(entry->d_name), suffix_len = strlen(suffix);
        count += entry->d_name[0] != '.' && len >= suffix_len && strcmp(entry->d_name + len - suffix_len, suffix) == 0;
    }
    if (files != NULL)
        closedir(files);
    return count;
}

static void remove_keys(void) {
    DIR *files = opendir(keys_dir);
    const struct dirent *entry;
    while (files != NULL && (entry = readdir(files)) != NULL) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", keys_dir, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (files != NULL)
        closedir(files);
    rmdir(keys_dir);
    unlink(refresh_file);
}

static void check_keys(const char *what) {
    char error[512];
    struct key_rules rules = { .keys_dir = keys_dir, .active_kid = "", .refresh_key_file = refresh_file };
    struct keyring *ring = keyring_load(&rules, clock_wall_s(), error, sizeof error);
    ck_assert_msg(ring != NULL, "%s: %s", what, error);
    keyring_destroy(ring);
    ck_assert_msg(count_files(keys_dir, ".hs256") == 1, "%s: %u keys", what, count_files(keys_dir, ".hs256"));
}

/* Returns whether a call has failed. */
static bool fail_call(const struct command_fault *command_fault, long wanted) {
    char output[OUTPUT_SIZE];
    remove_keys();
    faults_arm(&faults, command_fault->fault, FAULT_ANY_THREAD, FAULT_ONE, wanted);
    int code = keygen(true, output);
    faults_disarm(&faults);
    const char *what = faults_describe(&faults, command_fault->fault, wanted);
    ck_assert_msg(code == 0 || (code == 1 && command_fault->cause != NULL), "%s: exit code %d: %s", what, code, output);
    ck_assert_msg(code == 0 || strcasestr(output, command_fault->cause) != NULL, "%s: %s", what, output);
    ck_assert_msg(count_files(keys_dir, "") == count_files(keys_dir, ".hs256"), "%s: a file is left beside the key", what);
    ck_assert_msg(count_files(directory, "") <= 3, "%s: a file is left beside the refresh key", what);
    if (code == 0)
        check_keys(what);
    ck_assert_msg(keygen(false, output) == 0, "%s: and then %s", what, output);
    check_keys(what);
    return atomic_load(&faults.control->failed) > 0;
}

START_TEST(whichever_call_fails_there_are_whole_keys_or_a_cause) {
    long wanted = 1;
    snprintf(directory, sizeof directory, "/tmp/jwtd-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(keys_dir, sizeof keys_dir, "%s/keys", directory);
    snprintf(refresh_file, sizeof refresh_file, "%s/refresh.key", directory);
    faults_open(&faults, directory, "fault");
    for (; fail_call(&command_faults[_i], wanted); wanted += faults_stride())
        ck_assert_int_lt(wanted, CALLS_MAX);
    long seen = atomic_load(&faults.control->seen);
    printf("keygen, kind %d, error %d: %ld calls\n", (int)command_faults[_i].fault.kind, command_faults[_i].fault.error, seen);
    ck_assert_int_gt(seen, 0);
    faults_close(&faults);
    remove_keys();
    char file[96];
    snprintf(file, sizeof file, "%s/fault", directory);
    unlink(file);
    rmdir(directory);
}
END_TEST

Suite *fault_keygen_suite(void) {
    Suite *suite = suite_create("fault_keygen");
    TCase *tcase = tcase_create("every call");
    tcase_set_timeout(tcase, 60);
    faults_add_test(tcase, whichever_call_fails_there_are_whole_keys_or_a_cause, COMMAND_FAULTS);
    suite_add_tcase(suite, tcase);
    return suite;
}
