/* key_directory: what reading and writing keys in a directory has in common. Used in src/token only; any thread, but for
 * key_directory_leave. */
#ifndef JWTD_TOKEN_KEY_DIRECTORY_H
#define JWTD_TOKEN_KEY_DIRECTORY_H

#include "jwtd/text.h"
#include "key_files.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>

/* Writes "directory/file_name"; false, with the reason in `error`, if that is too long. */
bool key_path_join(char path[PATH_MAX], struct text directory, const char *file_name, struct key_error error) MUST_CHECK;

/* The directory of a file, borrowed from its path, and the name in it. */
struct text key_path_directory(const char *file, const char **name);

/* Calls `visit` for each name in the directory until it returns false, which is then the result. */
bool key_directory_visit(DIR *directory, const char *path, bool (*visit)(void *context, const char *name, struct key_error error),
                         void *context, struct key_error error) MUST_CHECK;

/* Ends what owner_rights_enter began, and returns `done`; when it is false, adds to `error` whose permission was missing. */
bool key_directory_leave(int directory, bool done, struct key_error error);

#endif
