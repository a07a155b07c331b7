/* cgroup and cores. */
#include "jwtd/cgroup.h"
#include "jwtd/cores.h"
#include "jwtd/macros.h"

#include <check.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *cores_suite(void);

#define FILES_MAX 8

#define V2_MOUNT "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
#define OTHER_MOUNTS                                                                                                             \
    "23 0 8:1 / / rw,relatime - ext4 /dev/root rw\n"                                                                             \
    "30 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"

struct tree_file {
    const char *path, *text;
};

/* What a process finds in its files, and the limit that holds for it. */
static const struct tree {
    const char *name, *cgroup, *mounts;
    struct tree_file files[FILES_MAX];
    double cores;
    const char *path;
} trees[] = {
    { "no groups at all", "", OTHER_MOUNTS, { { NULL } }, 0, "" },
    { "version 2 without limits",
      "0::/jwtd\n",
      OTHER_MOUNTS V2_MOUNT,
      { { "/sys/fs/cgroup/jwtd/cpu.max", "max 100000\n" } },
      0,
      "" },
    { "version 2 with a limit of its own",
      "0::/system.slice/jwtd.service\n",
      OTHER_MOUNTS V2_MOUNT,
      { { "/sys/fs/cgroup/system.slice/jwtd.service/cpu.max", "150000 100000\n" },
        { "/sys/fs/cgroup/system.slice/cpu.max", "max 100000\n" } },
      1.5,
      "/sys/fs/cgroup/system.slice/jwtd.service" },
    { "version 2, the smallest is in the middle, by the quotient",
      "0::/a/b/c\n",
      V2_MOUNT,
      { { "/sys/fs/cgroup/a/cpu.max", "300000 100000\n" },
        { "/sys/fs/cgroup/a/b/cpu.max", "400000 200000\n" },
        { "/sys/fs/cgroup/a/b/c/cpu.max", "250000 100000\n" } },
      2,
      "/sys/fs/cgroup/a/b" },
    { "version 2, a group without the processor below one with it",
      "0::/a/b\n",
      V2_MOUNT,
      { { "/sys/fs/cgroup/a/cpu.max", "50000 100000\n" }, { "/sys/fs/cgroup/a/b/cgroup.procs", "" } },
      0.5,
      "/sys/fs/cgroup/a" },
    { "version 2 in a container of its own name space",
      "0::/\n",
      V2_MOUNT,
      { { "/sys/fs/cgroup/cpu.max", "200000 100000\n" } },
      2,
      "/sys/fs/cgroup" },
    { "version 2, a container whose group is named relative to it",
      "0::/../other\n",
      V2_MOUNT,
      { { "/sys/fs/cgroup/cpu.max", "300000 100000\n" }, { "/sys/fs/other/cpu.max", "100000 100000\n" } },
      3,
      "/sys/fs/cgroup" },
    { "version 2, a mount that begins above the container",
      "0::/../jwtd\n",
      "31 23 0:28 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
      { { "/sys/fs/cgroup/jwtd/cpu.max", "100000 100000\n" } },
      1,
      "/sys/fs/cgroup/jwtd" },
    { "version 1 without limits",
      "4:cpu,cpuacct:/jwtd\n",
      OTHER_MOUNTS V1_MOUNT,
      { { "/sys/fs/cgroup/cpu,cpuacct/jwtd/cpu.cfs_quota_us", "-1\n" },
        { "/sys/fs/cgroup/cpu,cpuacct/jwtd/cpu.cfs_period_us", "100000\n" } },
      0,
      "" },
    { "version 1, nested",
      "5:cpuset:/\n4:cpuacct,cpu:/outer/inner\n",
      OTHER_MOUNTS V1_MOUNT,
      { { "/sys/fs/cgroup/cpu,cpuacct/outer/cpu.cfs_quota_us", "25000\n" },
        { "/sys/fs/cgroup/cpu,cpuacct/outer/cpu.cfs_period_us", "10000\n" },
        { "/sys/fs/cgroup/cpu,cpuacct/outer/inner/cpu.cfs_quota_us", "400000\n" },
        { "/sys/fs/cgroup/cpu,cpuacct/outer/inner/cpu.cfs_period_us", "100000\n" } },
      2.5,
      "/sys/fs/cgroup/cpu,cpuacct/outer" },
    { "version 1 in a container that sees its own part under the host's name",
      "4:cpu,cpuacct:/docker/1234\n",
      "32 31 0:29 /docker/1234 /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
      { { "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n" },
        { "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n" },
        { "/sys/fs/cgroup/cpu/docker/1234/cpu.cfs_quota_us", "100000\n" }, /* what a careless join would read */
        { "/sys/fs/cgroup/cpu/docker/1234/cpu.cfs_period_us", "100000\n" } },
      2,
      "/sys/fs/cgroup/cpu" },
    { "version 1, the nearest of two mounts, and another container's",
      "4:cpu:/pods/one/jwtd\n",
      "32 31 0:29 /pods/other /other rw - cgroup cgroup rw,cpu\n"
      "33 31 0:29 /pods/one /one rw - cgroup cgroup rw,cpu\n"
      "34 31 0:29 /pods/on /near rw - cgroup cgroup rw,cpu\n",
      { { "/one/jwtd/cpu.cfs_quota_us", "300000\n" },
        { "/one/jwtd/cpu.cfs_period_us", "100000\n" },
        { "/other/cpu.cfs_quota_us", "100000\n" },
        { "/other/cpu.cfs_period_us", "100000\n" } },
      3,
      "/one/jwtd" },
    { "both versions, the processor in version 1",
      "4:cpu,cpuacct:/jwtd\n1:name=systemd:/system.slice\n0::/system.slice/jwtd.service\n",
      V1_MOUNT "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
      { { "/sys/fs/cgroup/cpu,cpuacct/jwtd/cpu.cfs_quota_us", "120000\n" },
        { "/sys/fs/cgroup/cpu,cpuacct/jwtd/cpu.cfs_period_us", "100000\n" },
        { "/sys/fs/cgroup/unified/system.slice/jwtd.service/cgroup.procs", "" } },
      1.2,
      "/sys/fs/cgroup/cpu,cpuacct/jwtd" },
    { "a mount point with a space",
      "0::/jwtd\n",
      "31 23 0:28 / /control\\040groups rw - cgroup2 cgroup2 rw\n",
      { { "/control groups/jwtd/cpu.max", "100000 100000\n" } },
      1,
      "/control groups/jwtd" },
    { "a group with a colon in its name",
      "0::/a:b\n",
      V2_MOUNT,
      { { "/sys/fs/cgroup/a:b/cpu.max", "100000 50000\n" } },
      2,
      "/sys/fs/cgroup/a:b" },
    { "a controller whose name begins alike", "4:cpuset:/jwtd\n", OTHER_MOUNTS, { { NULL } }, 0, "" },
    { "lines that are cut or make no sense",
      "\n0\n0:\n4:cpu\nxyz\n0::/jwtd",
      "\n31\n31 23 0:28 /\n31 23 0:28 / /x rw\n31 23 0:28 / /x rw - \n31 23 0:28 / /x rw - cgroup2\n" V2_MOUNT,
      { { "/sys/fs/cgroup/jwtd/cpu.max", "100000 100000" } },
      1,
      "/sys/fs/cgroup/jwtd" },
    { "values that make no sense",
      "0::/a/b/c/d/e\n",
      V2_MOUNT,
      { { "/sys/fs/cgroup/a/b/c/d/e/cpu.max", "100000 0\n" },
        { "/sys/fs/cgroup/a/b/c/d/cpu.max", "100000\n" },
        { "/sys/fs/cgroup/a/b/c/cpu.max", "" },
        { "/sys/fs/cgroup/a/b/cpu.max", "99999999999999999999999 100000\n" },
        { "/sys/fs/cgroup/a/cpu.max", "-5 100000\n" } },
      0,
      "" },
};

static void write_file(const char *root, const char *path, const char *text) {
    char name[512];
    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *slash = strchr(name + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(name, 0700);
        *slash = '/';
    }
    FILE *file = fopen(name, "we");
    ck_assert_msg(file != NULL, "%s", name);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at) {
    (void)status, (void)kind, (void)at;
    return remove(path);
}

START_TEST(the_smallest_quota_on_the_path_to_the_root_holds) {
    const struct tree *tree = &trees[_i];
    char root[] = "/tmp/jwtd-cores-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(root));
    write_file(root, "/proc/self/cgroup", tree->cgroup);
    write_file(root, "/proc/self/mountinfo", tree->mounts);
    for (size_t i = 0; i < FILES_MAX && tree->files[i].path != NULL; i++)
        write_file(root, tree->files[i].path, tree->files[i].text);
    struct cgroup_quota quota;
    cgroup_read_quota(root, "self", &quota);
    ck_assert_msg(quota.cores == tree->cores, "%s: %f", tree->name, quota.cores);
    ck_assert_msg(strcmp(quota.path, tree->path) == 0, "%s: %s", tree->name, quota.path);
    ck_assert_int_eq(nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}
END_TEST

START_TEST(without_proc_there_is_no_quota) {
    struct cgroup_quota quota;
    cgroup_read_quota("/nonexistent", "self", &quota);
    ck_assert(quota.cores == 0);
    ck_assert_str_eq(quota.path, "");
    cgroup_read_quota("", "no process", &quota);
    ck_assert(quota.cores == 0);
}
END_TEST

static const struct {
    unsigned affinity;
    double quota;
    unsigned available;
} sizes[] = {
    { 1, 0, 1 },  { 8, 0, 8 }, { 64, 2, 2 },   { 64, 2.0001, 3 },     { 64, 1.5, 2 },       { 64, 0.01, 1 }, { 64, 1, 1 },
    { 2, 64, 2 }, { 2, 2, 2 }, { 2, 1.99, 2 }, { 2000, 1e300, 2000 }, { 2000, 1500, 1500 }, { 4, -1, 4 },
};

START_TEST(threads_are_limited_by_the_quota_rounded_up) {
    ck_assert_uint_eq(cores_within_quota(sizes[_i].affinity, sizes[_i].quota), sizes[_i].available);
}
END_TEST

START_TEST(the_affinity_is_the_schedulers) {
    cpu_set_t all, one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    ck_assert_uint_eq(cores_affinity(), (unsigned)CPU_COUNT(&all));
    size_t first = 0;
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_uint_eq(cores_affinity(), 1);
    ck_assert_uint_eq(cores_available(), 1);
}
END_TEST

Suite *cores_suite(void) {
    Suite *suite = suite_create("cores");
    TCase *tcase = tcase_create("cores");
    tcase_add_loop_test(tcase, the_smallest_quota_on_the_path_to_the_root_holds, 0, (int)ARRAY_LEN(trees));
    tcase_add_test(tcase, without_proc_there_is_no_quota);
    tcase_add_loop_test(tcase, threads_are_limited_by_the_quota_rounded_up, 0, (int)ARRAY_LEN(sizes));
    tcase_add_test(tcase, the_affinity_is_the_schedulers);
    suite_add_tcase(suite, tcase);
    return suite;
}
