/* The service in a control group of its own, nested in one that has half a processor. */
#include "support/server.h"

#include "tests/runner.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *cgroup_suite(void);

static char outer[64], inner[80];

static bool write_value(const char *name, const char *value) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", outer, name);
    FILE *file = fopen(path, "r+e"); /* makes no file where there are no groups */
    bool is_written = file != NULL && fputs(value, file) != EOF;
    return file != NULL && fclose(file) == 0 && is_written;
}

static void remove_groups(void) {
    /* a group counts its last process for a moment after it has ended */
    for (int i = 0; i < 100 && rmdir(inner) != 0 && errno == EBUSY; i++)
        usleep(10000);
    rmdir(outer);
}

static bool make_groups(const char *mount) {
    snprintf(outer, sizeof outer, "%s/jwtd-test-%d", mount, (int)getpid());
    snprintf(inner, sizeof inner, "%s/inner", outer);
    if (mkdir(outer, 0700) == 0 && (write_value("cpu.max", "50000 100000") || write_value("cpu.cfs_quota_us", "50000")) &&
        mkdir(inner, 0700) == 0)
        return true;
    remove_groups();
    return false;
}

static int count_threads(pid_t pid, const char *prefix) {
    char path[64], name[400], comm[32];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    ck_assert_ptr_nonnull(tasks);
    int count = 0;
    for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        snprintf(name, sizeof name, "%s/%s/comm", path, entry->d_name);
        FILE *file = fopen(name, "re");
        if (file == NULL)
            continue;
        count += fgets(comm, sizeof comm, file) != NULL && strncmp(comm, prefix, strlen(prefix)) == 0;
        fclose(file);
    }
    closedir(tasks);
    return count;
}

START_TEST(threads_are_as_many_as_the_quota_pays_for) {
    if (!make_groups("/sys/fs/cgroup") && !make_groups("/sys/fs/cgroup/cpu"))
        SKIP_TEST("no control group with a CPU quota can be made here");
    struct server keys = server_start(NULL);
    const char *const wrapper[] = { "/bin/sh", "-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"", inner, NULL };
    struct server server = server_start_wrapped(&keys, wrapper, (const char *const[]){ NULL });
    char cgroup[96];
    snprintf(cgroup, sizeof cgroup, "\"cgroup\":\"%s\"", outer);
    ck_assert(server_log_contains(&server, "\"event\":\"cores\",\"available\":1,"));
    ck_assert(server_log_contains(&server, "\"quota\":\"0.50\""));
    ck_assert(server_log_contains(&server, cgroup));
    ck_assert_int_eq(count_threads(server.pid, "crypto-"), 1);
    server_finish(&server);
    remove_groups();
    ck_assert_int_ne(access(outer, F_OK), 0);
    server_finish(&keys);
}
END_TEST

Suite *cgroup_suite(void) {
    Suite *suite = suite_create("cgroup");
    TCase *tcase = tcase_create("a group of its own");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, threads_are_as_many_as_the_quota_pays_for);
    suite_add_tcase(suite, tcase);
    return suite;
}
