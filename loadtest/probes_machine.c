#include "probes.h"

#include "jwtd/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CGROUP_PATH 512

/* "cpu user nice system idle iowait irq softirq steal ...": all but idle and iowait. */
double probe_machine_busy_s(void) {
    char line[512];
    FILE *file = fopen("/proc/stat", "re");
    if (file == NULL)
        return 0;
    bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    if (!read || strncmp(line, "cpu ", 4) != 0)
        return 0;
    char *at = line + 4;
    double ticks = 0;
    for (unsigned i = 0; i < 8; i++) {
        double value = strtod(at, &at);
        ticks += i == 3 || i == 4 ? 0 : value;
    }
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Two lines, the names and the values. */
static double read_pair(const char *names, const char *values, const char *name) {
    size_t len = strlen(name);
    while (*names != '\0' && *values != '\0') {
        names += strspn(names, " \n");
        values += strspn(values, " \n");
        size_t word = strcspn(names, " \n");
        if (word == len && strncmp(names, name, len) == 0)
            return strtod(values, NULL);
        names += word;
        values += strcspn(values, " \n");
    }
    return 0;
}

double probe_listen_overflows(void) {
    char names[4096], values[4096];
    double overflows = 0;
    FILE *file = fopen("/proc/net/netstat", "re");
    while (file != NULL && fgets(names, sizeof names, file) != NULL && fgets(values, sizeof values, file) != NULL)
        if (strncmp(names, "TcpExt:", 7) == 0)
            overflows = read_pair(names, values, "ListenOverflows");
    if (file != NULL)
        fclose(file);
    return overflows;
}

/* ---- control group, version 2 ---- */

static bool read_group_path(pid_t pid, char group[CGROUP_PATH]) {
    char path[64], line[CGROUP_PATH];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "0::", 3) == 0) {
            snprintf(group, CGROUP_PATH, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
            found = true;
        }
    }
    if (file != NULL)
        fclose(file);
    return found;
}

static bool read_group_file(const char *group, const char *name, char *text, size_t size) {
    char path[CGROUP_PATH + 64];
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", group, name);
    return probe_read_file(path, text, size);
}

bool probe_cgroup(pid_t pid, struct probe_cgroup *cgroup) {
    char group[CGROUP_PATH], text[2048];
    *cgroup = (struct probe_cgroup){ .quota_cores = 0 };
    if (!read_group_path(pid, group) || !read_group_file(group, "cpu.stat", text, sizeof text))
        return false;
    const char *throttled = strstr(text, "throttled_usec ");
    if (throttled != NULL)
        cgroup->throttled_us = strtoull(throttled + strlen("throttled_usec "), NULL, 10);
    char process[16];
    struct cgroup_quota quota;
    snprintf(process, sizeof process, "%d", (int)pid);
    cgroup_read_quota("", process, &quota);
    cgroup->quota_cores = quota.cores;
    if (read_group_file(group, "memory.max", text, sizeof text) && strncmp(text, "max", 3) != 0)
        cgroup->memory_limit_mib = strtod(text, NULL) / (1024 * 1024);
    return true;
}
