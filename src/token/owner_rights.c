#include "owner_rights.h"

#include "jwtd/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOGROUP 65534 /* has no files, by convention of the kernel and of Debian */

static bool are_changed;
static gid_t own_group; /* while are_changed */

/* A directory made by root for a user often keeps root's group, whose rights the user does not have. The user last, since without
 * root's rights the groups cannot be changed. */
static bool take_rights_of_owner(int directory) {
    struct stat status;
    if (geteuid() != 0)
        return true;
    if (fstat(directory, &status) != 0)
        return false;
    if (status.st_uid == 0)
        return true;
    own_group = getegid();
    are_changed = true;
    return setgroups(0, NULL) == 0 && setegid(status.st_gid == 0 ? NOGROUP : status.st_gid) == 0 && seteuid(status.st_uid) == 0;
}

/* Closes `directory`. */
static int enter_one(int directory, struct text component, bool make) {
    char name[NAME_MAX + 1];
    int next = -1;
    if (component.len > NAME_MAX) {
        errno = ENAMETOOLONG;
    } else {
        memcpy(name, component.bytes, component.len);
        name[component.len] = '\0';
        if (!make || mkdirat(directory, name, 0700) == 0 || errno == EEXIST)
            next = openat(directory, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    int failure = errno;
    close(directory);
    errno = failure;
    return next;
}

/* The directory, or -1 with it closed. */
static int with_rights_of_owner(int directory) {
    if (directory < 0 || take_rights_of_owner(directory))
        return directory;
    int failure = errno;
    close(directory);
    errno = failure;
    return -1;
}

int owner_rights_enter(const char *path, bool make) {
    assert(!are_changed);
    int directory = with_rights_of_owner(open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    path += strspn(path, "/");
    while (directory >= 0 && path[0] != '\0') {
        struct text component = { path, strcspn(path, "/") };
        path += component.len;
        path += strspn(path, "/");
        directory = with_rights_of_owner(enter_one(directory, component, make && path[0] == '\0'));
    }
    return directory;
}

void owner_rights_leave(int directory) {
    if (directory >= 0)
        close(directory);
    if (!are_changed)
        return;
    int failure = seteuid(0);
    failure |= setegid(own_group);
    assert(failure == 0); /* it is still the real or the saved user, who may */
    are_changed = false;
}
