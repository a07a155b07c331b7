/*
 * owner_rights: a directory to write in, and the rights to write there with.
 *
 * `jwtd keygen` may be run by root for a service that has a user of its own, and that user can put a symbolic link in the place
 * of whatever lies in his directories, at any moment. So root follows a path with its own rights through directories of root
 * only, and takes the effective user and group of the first one that belongs to another user: wherever a link leads, it is that
 * user who goes there, and what is made belongs to him without a chown. A process without root's rights keeps those that it has.
 *
 * The rights are those of the whole process, so this is for commands, on one thread; one directory at a time.
 */
#ifndef JWTD_TOKEN_OWNER_RIGHTS_H
#define JWTD_TOKEN_OWNER_RIGHTS_H

#include <stdbool.h>

/* Opens the directory (O_PATH, for openat and its like) with the rights to write there, and makes it before, with mode 0700, if
 * `make` says so and it is missing. -1 and errno if it cannot. owner_rights_leave ends either. */
int owner_rights_enter(const char *path, bool make);

/* Closes the directory and returns to the rights from before, without supplementary groups. */
void owner_rights_leave(int directory);

#endif
