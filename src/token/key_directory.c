#include "key_directory.h"

#include "owner_rights.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool key_path_join(char path[PATH_MAX], struct text directory, const char *file_name, struct key_error error) {
    int len = snprintf(path, PATH_MAX, "%.*s/%s", (int)directory.len, directory.bytes, file_name);
    if (len > 0 && len < PATH_MAX)
        return true;
    snprintf(error.text, error.size, "%.*s: name too long", (int)directory.len, directory.bytes);
    return false;
}

struct text key_path_directory(const char *file, const char **name) {
    const char *slash = strrchr(file, '/');
    *name = slash == NULL ? file : slash + 1;
    return slash == NULL ? text_of(".") : (struct text){ file, (size_t)(slash - file) };
}

bool key_directory_visit(DIR *directory, const char *path, bool (*visit)(void *context, const char *name, struct key_error error),
                         void *context, struct key_error error) {
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(directory)) != NULL)
        if (!visit(context, entry->d_name, error))
            return false;
    int failure = errno;
    if (failure != 0)
        snprintf(error.text, error.size, "%s: %s", path, strerrordesc_np(failure));
    return failure == 0;
}

/* Why root has no permission: it acts as another user here. */
bool key_directory_leave(int directory, bool done, struct key_error error) {
    size_t len = strlen(error.text);
    if (!done && errno == EACCES && geteuid() != getuid())
        snprintf(error.text + len, error.size - len, " (as user %u, who owns a directory on the way)", (unsigned)geteuid());
    owner_rights_leave(directory);
    return done;
}
