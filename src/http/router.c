#include "router.h"

#include "exchange.h"

#include <stdio.h>
#include <string.h>

static const char *const method_names[] = {
    [METHOD_GET] = "GET", [METHOD_POST] = "POST", [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE", [METHOD_ANY] = "*"
};

/* Compares one segment of the pattern and of the path, which begin after the slash; both are moved to its end. */
static bool segment_matches(const char **pattern, const char **path, struct uuid *ids, size_t *count) {
    size_t wanted_len = strcspn(*pattern, "/"), len = strcspn(*path, "/");
    const char *wanted = *pattern, *segment = *path;
    *pattern += wanted_len;
    *path += len;
    if (wanted[0] == '{')
        return *count < ROUTE_IDS_MAX && uuid_parse(segment, len, &ids[(*count)++]);
    return wanted_len == len && memcmp(wanted, segment, len) == 0;
}

/* Paths are compared with the raw target: what is percent-encoded matches no row, so no second spelling reaches a step. */
static bool path_matches(const char *pattern, const char *path, struct uuid ids[ROUTE_IDS_MAX]) {
    size_t count = 0;
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        if (strcmp(pattern, "*") == 0)
            return true;
        if (!segment_matches(&pattern, &path, ids, &count))
            return false;
    }
    return *pattern == '\0' && *path == '\0';
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
