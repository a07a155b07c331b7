/*
 * atomic_file: how commands write files that others read at the same time. A file is written aside, synced to the disk, and takes
 * its name by one link(2) or rename(2), after which its directory is synced: whenever the process is killed or the machine stops,
 * the name has its old content or the new one, whole. What was written aside may remain ("<name>~new", or with 8 hexadecimal
 * digits behind that); it is removed whenever a call fails.
 *
 * `directory` is an open directory, of O_PATH too, and `name` a name in it. Used in src/token only; any thread.
 */
#ifndef JWTD_TOKEN_ATOMIC_FILE_H
#define JWTD_TOKEN_ATOMIC_FILE_H

#include "jwtd/status.h"
#include "jwtd/text.h"

#include <sys/stat.h>
#include <sys/types.h>

#define DIRECTORY_LOCK_WAIT_MS 10000

/* Who may read and write a new file; it belongs to the user of the process. */
struct file_access {
    mode_t mode;
    gid_t group; /* used only if mode lets the group read or write; FILE_GROUP_ANY: whichever the file gets */
};

#define FILE_GROUP_ANY ((gid_t)-1)

enum file_result {
    FILE_WRITTEN,
    FILE_EXISTS,   /* there is a file of this name, which stays as it is */
    FILE_UNSYNCED, /* it has its name, but the directory could not be synced; errno says why */
    FILE_FAILED    /* all is as it was; errno says why */
};

/* Makes a file that is not there yet. Concurrent calls do not disturb each other: one of them makes it. */
enum file_result atomic_file_create(int directory, const char *name, const struct file_access *access,
                                    struct text content) MUST_CHECK;

/* Makes a file, or replaces it. The caller holds the lock of the directory; what a killed process has left aside is removed. */
enum file_result atomic_file_replace(int directory, const char *name, const struct file_access *access,
                                     struct text content) MUST_CHECK;

/* A name is safe on disk only after its directory was synced. False and errno. */
bool directory_sync(int directory) MUST_CHECK;

/* Lets one process at a time change the files of a directory: an exclusive flock(2) on the directory itself, which must be
 * readable. It is tried for `wait_ms`. -1, and *reason, a constant; otherwise a descriptor to be closed, which ends the lock, as
 * the end of the process does. */
int directory_lock(int directory, int wait_ms, const char **reason) MUST_CHECK;

#endif
