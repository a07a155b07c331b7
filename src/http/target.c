#include "exchange.h"

#include <string.h>

/* RFC 9112 section 3.2.2: a server must accept the absolute form although only proxies need it. */
static const char *skip_authority(const char *target) {
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i]);
        if (strncmp(target, schemes[i], len) == 0)
            return strchr(target + len, '/');
    }
    return target;
}

char *target_path(struct arena *arena, const char *target) {
    const char *path = skip_authority(target);
    if (path == NULL || path[0] != '/')
        return NULL;
    size_t len = strcspn(path, "?");
    for (size_t i = 0; i < len; i++) {
        if (path[i] <= ' ' || path[i] > '~')
            return NULL;
    }
    return arena_copy(arena, path, len);
}
