#include "probes.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 96
#define INODES_MAX 64

bool probe_read_file(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    fclose(file);
    return len > 0;
}

static pid_t parse_pid(const char *name) {
    char *end;
    long pid = strtol(name, &end, 10);
    return *end == '\0' && pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* ---- one process ---- */

/* schedstat counts in nanoseconds, where stat counts in hundredths of a second. */
static bool read_thread(pid_t pid, pid_t id, struct probe_thread *thread) {
    char path[PATH_SIZE], text[128];
    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int)pid, (int)id);
    if (!probe_read_file(path, text, sizeof text))
        return false;
    thread->id = id;
    thread->cpu_ns = strtoull(text, NULL, 10);
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", (int)pid, (int)id);
    if (!probe_read_file(path, text, sizeof text))
        return false;
    snprintf(thread->name, sizeof thread->name, "%.*s", (int)strcspn(text, "\n"), text);
    return true;
}

size_t probe_threads(pid_t pid, struct probe_thread threads[PROBE_THREADS], size_t count) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return count;
    for (const struct dirent *entry = readdir(tasks); entry != NULL && count < PROBE_THREADS; entry = readdir(tasks)) {
        pid_t id = parse_pid(entry->d_name);
        if (id > 0 && read_thread(pid, id, &threads[count]))
            count++;
    }
    closedir(tasks);
    return count;
}

uint64_t probe_cpu_ns(pid_t pid) {
    struct probe_thread thread;
    return read_thread(pid, pid, &thread) ? thread.cpu_ns : 0;
}

static double read_status_kib(pid_t pid, const char *name) {
    char path[PATH_SIZE], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    const char *line = probe_read_file(path, text, sizeof text) ? strstr(text, name) : NULL;
    return line == NULL ? 0 : strtod(line + strlen(name), NULL);
}

double probe_rss_mib(pid_t pid) {
    return read_status_kib(pid, "\nVmRSS:") / 1024;
}

double probe_descriptors(pid_t pid) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *descriptors = opendir(path);
    if (descriptors == NULL)
        return 0;
    double count = 0;
    for (const struct dirent *entry = readdir(descriptors); entry != NULL; entry = readdir(descriptors))
        count += entry->d_name[0] == '.' ? 0 : 1;
    closedir(descriptors);
    return count;
}

double probe_descriptors_max(pid_t pid) {
    char path[PATH_SIZE], text[4096];
    static const char name[] = "Max open files";
    snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
    const char *line = probe_read_file(path, text, sizeof text) ? strstr(text, name) : NULL;
    return line == NULL ? 0 : strtod(line + sizeof name - 1, NULL);
}

bool probe_lives(pid_t pid) {
    char path[PATH_SIZE], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    const char *end = probe_read_file(path, text, sizeof text) ? strrchr(text, ')') : NULL;
    return end != NULL && end[1] == ' ' && end[2] != 'Z' && end[2] != 'X';
}

bool probe_name(pid_t pid, char *name, size_t size) {
    char path[PATH_SIZE], text[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    if (!probe_read_file(path, text, sizeof text))
        return false;
    snprintf(name, size, "%.*s", (int)strcspn(text, "\n"), text);
    return true;
}

/* ---- listeners ---- */

/* Another machine's address cannot be bound to; what listens here on the same port has nothing to do with it. */
static bool is_local(const struct target *target) {
    struct sockaddr_storage address = target->address;
    if (address.ss_family == AF_INET)
        ((struct sockaddr_in *)&address)->sin_port = 0;
    else
        ((struct sockaddr_in6 *)&address)->sin6_port = 0;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool bound = bind(fd, (const struct sockaddr *)&address, target->address_len) == 0;
    close(fd);
    return bound;
}

/* Lines of /proc/net/tcp: "sl local_address:port remote state ... uid timeout inode", in hexadecimal up to the state, which is
 * 0A. */
static size_t read_inodes(const char *path, unsigned port, unsigned long *inodes, size_t count) {
    char line[256];
    FILE *file = fopen(path, "re");
    while (file != NULL && count < INODES_MAX && fgets(line, sizeof line, file) != NULL) {
        unsigned local_port, state;
        unsigned long inode;
        /* NOLINTNEXTLINE(cert-err34-c): a kernel's own file, whose numbers fit */
        if (sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*s %*s %lu", &local_port, &state, &inode) == 3 &&
            local_port == port && state == 0x0A)
            inodes[count++] = inode;
    }
    if (file != NULL)
        fclose(file);
    return count;
}

static bool holds_one(pid_t pid, const unsigned long *inodes, size_t count) {
    char path[PATH_SIZE * 4], link[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *descriptors = opendir(path);
    bool holds = false;
    if (descriptors == NULL)
        return false;
    for (const struct dirent *entry = readdir(descriptors); entry != NULL && !holds; entry = readdir(descriptors)) {
        snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)pid, entry->d_name);
        ssize_t len = readlink(path, link, sizeof link - 1);
        if (len <= 8 || memcmp(link, "socket:[", 8) != 0)
            continue;
        link[len] = '\0';
        unsigned long inode = strtoul(link + 8, NULL, 10);
        for (size_t i = 0; i < count && !holds; i++)
            holds = inodes[i] == inode;
    }
    closedir(descriptors);
    return holds;
}

size_t probe_listeners(const struct target *target, pid_t *pids, size_t max) {
    unsigned long inodes[INODES_MAX];
    size_t inodes_count = 0, count = 0;
    if (is_local(target)) {
        inodes_count = read_inodes("/proc/net/tcp", target->port, inodes, 0);
        inodes_count = read_inodes("/proc/net/tcp6", target->port, inodes, inodes_count);
    }
    DIR *processes = inodes_count == 0 ? NULL : opendir("/proc");
    if (processes == NULL)
        return 0;
    for (const struct dirent *entry = readdir(processes); entry != NULL && count < max; entry = readdir(processes)) {
        pid_t pid = parse_pid(entry->d_name);
        if (pid > 0 && holds_one(pid, inodes, inodes_count))
            pids[count++] = pid;
    }
    closedir(processes);
    return count;
}
