#include "target.h"

#include "framing.h"

#include "jwtd/macros.h"

#include <string.h>

/* RFC 9112 section 3.2.2: a server must accept the absolute form although only proxies need it. The authority ends before "?" and
 * "#", too (RFC 3986 section 3.2): a reader that searched for "/" alone would take a part of the query for the path. NULL: the
 * authority is malformed or empty, or no path follows. */
static const char *skip_authority(const char *target) {
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t scheme_len = strlen(schemes[i]);
        if (strncmp(target, schemes[i], scheme_len) != 0)
            continue;
        const char *bytes = target + scheme_len;
        struct text authority = { bytes, strcspn(bytes, "/?#") };
        return authority.len > 0 && framing_is_host(authority) ? bytes + authority.len : NULL;
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
