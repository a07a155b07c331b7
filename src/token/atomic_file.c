#include "atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define ASIDE "~new" /* behind the name of a file that is being written; no name of a key has a "~" */
#define LOCK_PAUSE_MS 10

/* ---- writing ---- */

/* Goes on after a short write and a signal. */
static bool write_all(int fd, struct text content) {
    while (content.len > 0) {
        ssize_t written = write(fd, content.bytes, content.len);
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            content.bytes += written;
            content.len -= (size_t)written;
        }
    }
    return true;
}

static bool set_access(int fd, const struct file_access *access) {
    struct stat now;
    bool is_for_group = (access->mode & (S_IRGRP | S_IWGRP)) != 0 && access->group != FILE_GROUP_ANY;
    return fstat(fd, &now) == 0 && (!is_for_group || now.st_gid == access->group || fchown(fd, (uid_t)-1, access->group) == 0) &&
           fchmod(fd, access->mode) == 0;
}

static void remove_aside(int directory, const char *aside) {
    int failure = errno;
    unlinkat(directory, aside, 0);
    errno = failure;
}

/* Not by stdio, whose writes cannot be made to fail by the tests. */
static bool write_aside(int directory, const char *aside, const struct file_access *access, struct text content) {
    int fd = openat(directory, aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return false;
    bool is_written = set_access(fd, access) && write_all(fd, content) && fsync(fd) == 0;
    int failure = errno;
    close(fd);
    errno = failure;
    if (!is_written)
        remove_aside(directory, aside);
    return is_written;
}

static bool name_aside(char aside[NAME_MAX + 1], const char *name, const char *suffix) {
    int len = snprintf(aside, NAME_MAX + 1, "%s%s", name, suffix);
    if (len > 0 && len <= NAME_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

enum file_result atomic_file_create(int directory, const char *name, const struct file_access *access, struct text content) {
    char aside[NAME_MAX + 1], suffix[sizeof ASIDE "-12345678"];
    (void)snprintf(suffix, sizeof suffix, ASIDE "-%08x", (unsigned)randombytes_random());
    if (!name_aside(aside, name, suffix) || !write_aside(directory, aside, access, content))
        return FILE_FAILED;
    /* link, not rename: rename would replace a file that another process has made meanwhile */
    enum file_result result = FILE_FAILED;
    if (linkat(directory, aside, directory, name, 0) == 0)
        result = directory_sync(directory) ? FILE_WRITTEN : FILE_UNSYNCED;
    else if (errno == EEXIST)
        result = FILE_EXISTS;
    remove_aside(directory, aside);
    return result;
}

enum file_result atomic_file_replace(int directory, const char *name, const struct file_access *access, struct text content) {
    char aside[NAME_MAX + 1];
    if (!name_aside(aside, name, ASIDE) || (unlinkat(directory, aside, 0) != 0 && errno != ENOENT) ||
        !write_aside(directory, aside, access, content))
        return FILE_FAILED;
    if (renameat(directory, aside, directory, name) == 0)
        return directory_sync(directory) ? FILE_WRITTEN : FILE_UNSYNCED;
    remove_aside(directory, aside);
    return FILE_FAILED;
}

/* ---- the directory ---- */

/* What O_PATH has opened can be neither synced nor locked. */
static int open_readable(int directory) {
    return openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool directory_sync(int directory) {
    int fd = open_readable(directory);
    if (fd < 0)
        return false;
    bool is_synced = fsync(fd) == 0;
    int failure = errno;
    close(fd);
    errno = failure;
    return is_synced;
}

/* 0, or an errno. */
static int try_lock(int fd, int wait_ms) {
    for (;; wait_ms -= LOCK_PAUSE_MS) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if ((errno != EWOULDBLOCK && errno != EINTR) || wait_ms <= 0)
            return errno;
        nanosleep(&(struct timespec){ .tv_nsec = LOCK_PAUSE_MS * 1000000L }, NULL);
    }
}

int directory_lock(int directory, int wait_ms, const char **reason) {
    int fd = open_readable(directory);
    int failure = fd < 0 ? errno : try_lock(fd, wait_ms);
    if (failure == 0)
        return fd;
    *reason = failure == EWOULDBLOCK ? "another process is changing it" : strerrordesc_np(failure);
    if (fd >= 0)
        close(fd);
    return -1;
}
