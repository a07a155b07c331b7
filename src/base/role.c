#include "jwtd/role.h"

#include <string.h>

bool role_is_valid(struct text role) {
    /* those that a role may begin with stand first */
    static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";
    static const size_t count = sizeof characters - 1, first_count = sizeof characters - 1 - 3;
    if (role.len < 1 || role.len > ROLE_MAX_LEN || memchr(characters, role.bytes[0], first_count) == NULL)
        return false;
    for (size_t i = 1; i < role.len; i++)
        if (memchr(characters, role.bytes[i], count) == NULL)
            return false;
    return true;
}

struct text roles_next(struct text *rest) {
    const char *start = rest->len == 0 ? NULL : memchr(rest->bytes, '"', rest->len);
    size_t len = 0, left = start == NULL ? 0 : rest->len - (size_t)(++start - rest->bytes);
    while (len < left && start[len] != '"')
        len += start[len] == '\\' ? 2 : 1;
    if (len >= left) {
        *rest = (struct text){ NULL, 0 };
        return (struct text){ NULL, 0 };
    }
    *rest = (struct text){ start + len + 1, left - len - 1 };
    return (struct text){ start, len };
}

bool roles_contain(struct text roles_json, struct text wanted) {
    struct text role;
    while ((role = roles_next(&roles_json)).bytes != NULL)
        if (text_equal(role, wanted))
            return true;
    return false;
}
