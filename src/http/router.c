#include "router.h"

#include "exchange.h"

#include <stdio.h>
#include <string.h>

static const char *const method_names[] = {
    [METHOD_GET] = "GET", [METHOD_POST] = "POST", [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE", [METHOD_ANY] = "*"
};

/* Whether the path has a UUID where the pattern has a "{name}", a whole segment. Both are moved to the end of theirs. */
static bool id_matches(const char **pattern, const char **path, struct uuid *id) {
    size_t len = strcspn(*path, "/");
    bool is_id = uuid_parse(*path, len, id);
    *pattern += strcspn(*pattern, "/");
    *path += len;
    return is_id;
}

/* Paths are compared with the raw target: what is percent-encoded matches no row, so no second spelling reaches a step. A row has
 * no more ids than there is space for, and "*" at its end only (routes_are_sound). */
static bool path_matches(const char *pattern, const char *path, struct uuid ids[ROUTE_IDS_MAX]) {
    size_t count = 0;
    while (*pattern != '\0' && *pattern != '*') {
        if (*pattern == '{') {
            if (!id_matches(&pattern, &path, &ids[count++]))
                return false;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *pattern == '*' || *path == '\0';
}

static bool method_matches(const struct route *route, const char *method) {
    if (route->method == METHOD_ANY)
        return true;
    if (strcmp(method_names[route->method], method) == 0)
        return true;
    return route->method == METHOD_GET && strcmp(method, "HEAD") == 0;
}

enum status router_find(const struct route *routes, size_t count, struct exchange *exchange) {
    for (size_t i = 0; i < count; i++) {
        if (!path_matches(routes[i].path, exchange->path, exchange->request.path_ids))
            continue;
        exchange->allowed_path = &routes[i];
        if (!method_matches(&routes[i], exchange->method))
            continue;
        exchange->request.route = &routes[i];
        return STATUS_OK;
    }
    return exchange->allowed_path != NULL ? STATUS_METHOD_NOT_ALLOWED : STATUS_NOT_FOUND;
}

const char *router_allowed_methods(const struct route *routes, size_t count, const struct exchange *exchange) {
    char list[128] = "OPTIONS";
    size_t len = strlen(list);
    for (size_t i = 0; i < count; i++) {
        struct uuid ignored[ROUTE_IDS_MAX];
        if (!path_matches(routes[i].path, exchange->path, ignored))
            continue;
        const char *name = routes[i].method == METHOD_GET ? "GET, HEAD" : method_names[routes[i].method];
        if (len + strlen(name) + 3 < sizeof list)
            len += (size_t)snprintf(list + len, sizeof list - len, ", %s", name);
    }
    return arena_copy(exchange->request.arena, list, len);
}
