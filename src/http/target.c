#include "target.h"

#include "jwtd/macros.h"

#include <string.h>

/* RFC 9112 section 3.2.2: a server must accept the absolute form although only proxies need it. */
static const char *skip_authority(const char *target) {
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (strncmp(target, schemes[i], len) == 0)
            return strchr(target + len, '/');
    }
    return target;
}

enum status target_path(struct arena *arena, const char *target, char **path_copy) {
    const char *path = target != NULL ? skip_authority(target) : NULL;
    *path_copy = NULL;
    if (path == NULL || path[0] != '/')
        return STATUS_BAD_REQUEST;
    size_t len = strcspn(path, "?");
    for (size_t i = 0; i < len; i++)
        if (path[i] <= ' ' || path[i] > '~')
            return STATUS_BAD_REQUEST;
    *path_copy = arena_copy(arena, path, len);
    return *path_copy != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}
