#include "jwtd/role.h"

#include <string.h>

bool role_is_valid(struct text role) {
    /* those that may come first come first */
    static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";
    static const size_t count = sizeof characters - 1, first_count = sizeof characters - 1 - 3;
    if (role.len < 1 || role.len > ROLE_MAX_LEN || memchr(characters, role.bytes[0], first_count) == NULL)
        return false;
    for (size_t i = 1; i < role.len; i++)
        if (memchr(characters, role.bytes[i], count) == NULL)
            return false;
    return true;
}
