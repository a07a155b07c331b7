#include "process.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REST_S 1

static FILE *open_file(pid_t pid, const char *name) {
    char path[384];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s", path);
    return file;
}

/* "stat" of the process, or "task/TID/stat" of a thread; only of a thread whose name begins like this. */
static unsigned long read_ticks(pid_t pid, const char *stat, const char *name) {
    char line[1024];
    unsigned long user, kernel;
    FILE *file = open_file(pid, stat);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    fclose(file);
    ck_assert_int_eq(sscanf(strrchr(line, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel), 2);
    return strncmp(strchr(line, '(') + 1, name, strlen(name)) == 0 ? user + kernel : 0;
}

unsigned long process_ticks(pid_t pid) {
    return read_ticks(pid, "stat", "");
}

unsigned long process_thread_ticks(pid_t pid, const char *name) {
    char path[64], stat[320];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    unsigned long ticks = 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(stat, sizeof stat, "task/%s/stat", entry->d_name);
        ticks += read_ticks(pid, stat, name);
    }
    closedir(directory);
    return ticks;
}

long process_status(pid_t pid, const char *name) {
    char line[256];
    size_t len = strlen(name);
    long value = -1;
    FILE *file = open_file(pid, "status");
    while (value < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            value = strtol(line + len + 1, NULL, 10);
    fclose(file);
    ck_assert_msg(value >= 0, "there is no %s", name);
    return value;
}

static long sum_of_pages_kib(pid_t pid, const char *name) {
    char line[256];
    long value = -1;
    FILE *file = open_file(pid, "smaps_rollup");
    while (value < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtol(line + strlen(name), NULL, 10);
    fclose(file);
    ck_assert(value >= 0);
    return value;
}

long process_own_memory_kib(pid_t pid) {
    return sum_of_pages_kib(pid, "Anonymous:");
}

long process_resident_kib(pid_t pid) {
    return sum_of_pages_kib(pid, "Rss:");
}

unsigned long process_descriptors(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    unsigned long count = 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* 0 when there is no such file: the thread has ended, or the kernel does not count. */
static double read_waited_s(const char *path) {
    unsigned long long waited_ns = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %llu", &waited_ns) != 1)
        waited_ns = 0;
    fclose(file);
    return (double)waited_ns / 1e9;
}

struct waits process_waits(pid_t pid) {
    struct waits waits = { .count = 0 };
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL && waits.count < WAITS_MAX;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, entry->d_name);
        waits.items[waits.count].thread = strtol(entry->d_name, NULL, 10);
        waits.items[waits.count++].waited_s = read_waited_s(path);
    }
    closedir(directory);
    return waits;
}

static double waited_before(const struct waits *before, long thread) {
    for (size_t i = 0; i < before->count; i++)
        if (before->items[i].thread == thread)
            return before->items[i].waited_s;
    return 0;
}

double longest_wait_s(pid_t pid, const struct waits *before) {
    struct waits now = process_waits(pid);
    double longest_s = 0;
    for (size_t i = 0; i < now.count; i++) {
        double waited_s = now.items[i].waited_s - waited_before(before, now.items[i].thread);
        if (waited_s > longest_s)
            longest_s = waited_s;
    }
    return longest_s;
}

double thread_waited_s(void) {
    return read_waited_s("/proc/thread-self/schedstat");
}

void process_assert_rests(pid_t pid) {
    unsigned long before = process_ticks(pid);
    sleep(REST_S);
    unsigned long used = process_ticks(pid) - before;
    ck_assert_msg(used * 10 < REST_S * (unsigned long)sysconf(_SC_CLK_TCK), "%lu ticks in %d s of nothing", used, REST_S);
}
