/*
 * Each call of the commands that change keys fails once, kind by kind, one after the other until there is none left to fail: a
 * full disk, no descriptors, no memory. A command ends with exit code 0, or with 1 and the cause; afterwards there are the states
 * from before or those from after, whole, no file is left aside, and it may be run again. ONLY=4 runs one row of the table,
 * STRIDE=10 every tenth call.
 */
#include "support/faults.h"
#include "support/server.h"

#include "jwtd/clock.h"
#include "jwtd/keyring.h"
#include "jwtd/macros.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *fault_key_suite(void);

#define CALLS_MAX 1000
#define OUTPUT_SIZE 4096
#define KEY_TEXT "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"

static const struct {
    const char *words[3];
    const char *active; /* after it, the key that signs */
} commands[] = {
    { { "add" }, "a" },
    { { "activate", "b", "--now" }, "b" },
    { { "retire", "b" }, "a" },
    { { "rotate-refresh" }, "a" },
};

static char directory[64], keys_dir[80], refresh_file[96];
static struct faults faults;

/* Each change is noted in the database, if there is one; its absence is only said. Without a user and a file of passwords libpq
 * asks glibc for those of the process, which aborts when there is no memory. */
static const char no_database[] = "database.url=host=/nonexistent user=nobody passfile=/nonexistent";

static int run(const char *const words[3], bool with_faults, char output[OUTPUT_SIZE]) {
    char keys[128], refresh[128];
    snprintf(keys, sizeof keys, "token.keys_dir=%s", keys_dir);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s", refresh_file);
    const char *all[24];
    size_t count = 0;
    for (; with_faults && faults.wrapper[count] != NULL; count++)
        all[count] = faults.wrapper[count];
    const char *const own[] = { getenv("JWTD_TEST_PROGRAM"),
                                "--set",
                                keys,
                                "--set",
                                refresh,
                                "--set",
                                no_database,
                                "key",
                                words[0],
                                words[1],
                                words[2],
                                NULL };
    memcpy(all + count, own, sizeof own);
    return command_run(all, NULL, output, OUTPUT_SIZE);
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fchmod(fileno(file), 0600), 0);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

/* "a" signs, "b" is standby. */
static void start_again(void) {
    char path[128], output[OUTPUT_SIZE];
    ck_assert_int_eq(command_run((const char *const[]){ "/bin/rm", "-rf", keys_dir, NULL }, NULL, output, sizeof output), 0);
    ck_assert_int_eq(mkdir(keys_dir, 0700), 0);
    static const char *const names[] = { "a.hs256", "b.hs256" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", keys_dir, names[i]);
        write_file(path, KEY_TEXT);
    }
    snprintf(path, sizeof path, "%s/keys.conf", keys_dir);
    write_file(path, "a active 2026-11-21T00:00:00Z\nb standby 2026-11-21T00:00:00Z\n");
    write_file(refresh_file, KEY_TEXT);
    snprintf(path, sizeof path, "%s.next", refresh_file);
    unlink(path);
}

/* The key that signs. */
static void read_active(const char *what, char kid[KID_MAX_LEN + 1]) {
    char error[512];
    struct key_rules rules = { .keys_dir = keys_dir, .active_kid = "", .refresh_key_file = refresh_file, .keep_s = 900 };
    struct keyring *ring = keyring_load(&rules, clock_wall_s(), error, sizeof error);
    ck_assert_msg(ring != NULL, "%s: %s", what, error);
    ck_assert_msg(keyring_active(ring) != NULL, "%s", what);
    memcpy(kid, keyring_active(ring)->kid, KID_MAX_LEN + 1);
    keyring_destroy(ring);
}

static void check_nothing_is_left_aside(const char *what) {
    const char *const places[] = { keys_dir, directory };
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        DIR *names = opendir(places[i]);
        ck_assert_ptr_nonnull(names);
        for (const struct dirent *entry; (entry = readdir(names)) != NULL;)
            ck_assert_msg(strchr(entry->d_name, '~') == NULL, "%s: %s is left", what, entry->d_name);
        closedir(names);
    }
}

/* Returns whether a call has failed. */
static bool fail_call(size_t command, size_t failure, long wanted) {
    char output[OUTPUT_SIZE], again[OUTPUT_SIZE], kid[KID_MAX_LEN + 1];
    start_again();
    faults_arm(&faults, command_faults[failure].fault, FAULT_ANY_THREAD, FAULT_ONE, wanted);
    int code = run(commands[command].words, true, output);
    faults_disarm(&faults);
    const char *what = faults_describe(&faults, command_faults[failure].fault, wanted), *cause = command_faults[failure].cause;
    ck_assert_msg(code == 0 || (code == 1 && cause != NULL), "%s %s: exit code %d: %s", commands[command].words[0], what, code,
                  output);
    ck_assert_msg(code == 0 || strcasestr(output, cause) != NULL, "%s %s: %s", commands[command].words[0], what, output);
    check_nothing_is_left_aside(what);
    read_active(what, kid);
    ck_assert_msg(strcmp(kid, commands[command].active) == 0 || (code == 1 && strcmp(kid, "a") == 0), "%s: %s signs", what, kid);
    const char *const with_force[3] = { "rotate-refresh", "--now", NULL };
    bool is_rotation = strcmp(commands[command].words[0], "rotate-refresh") == 0;
    ck_assert_msg(run(is_rotation ? with_force : commands[command].words, false, again) == 0, "%s: and then %s", what, again);
    read_active(what, kid);
    ck_assert_str_eq(kid, commands[command].active);
    return atomic_load(&faults.control->failed) > 0;
}

START_TEST(whichever_call_fails_the_states_are_whole_and_the_command_may_run_again) {
    /* in memory, since each of hundreds of runs syncs */
    snprintf(directory, sizeof directory, "/dev/shm/jwtd-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(keys_dir, sizeof keys_dir, "%s/keys", directory);
    snprintf(refresh_file, sizeof refresh_file, "%s/refresh.key", directory);
    faults_open(&faults, directory, "fault");
    for (size_t command = 0; command < ARRAY_LEN(commands); command++) {
        long wanted = 1;
        for (; fail_call(command, (size_t)_i, wanted); wanted += faults_stride())
            ck_assert_int_lt(wanted, CALLS_MAX);
        ck_assert_int_gt(wanted, 1);
    }
    faults_close(&faults);
    char output[OUTPUT_SIZE];
    command_run((const char *const[]){ "/bin/rm", "-rf", directory, NULL }, NULL, output, sizeof output);
}
END_TEST

Suite *fault_key_suite(void) {
    Suite *suite = suite_create("fault_key");
    TCase *tcase = tcase_create("every call");
    tcase_set_timeout(tcase, 120);
    faults_add_test(tcase, whichever_call_fails_the_states_are_whole_and_the_command_may_run_again, COMMAND_FAULTS);
    suite_add_tcase(suite, tcase);
    return suite;
}
