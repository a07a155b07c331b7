#include "exchange.h"

#include "jwtd/log.h"

#include <stdio.h>
#include <string.h>

static const char *const method_names[] = {
    [METHOD_GET] = "GET", [METHOD_POST] = "POST", [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE", [METHOD_ANY] = "*"
};

/* Paths are compared with the raw target: what is percent-encoded matches no row, so no second spelling reaches a handler. */
static bool path_matches(const char *pattern, const char *path, struct uuid *id) {
    size_t len = strlen(pattern);
    if (pattern[len - 1] == '*')
        return strncmp(path, pattern, len - 1) == 0;
    const char *parameter = strstr(pattern, "{id}");
    if (parameter == NULL)
        return strcmp(path, pattern) == 0;
    size_t prefix = (size_t)(parameter - pattern);
    return strncmp(path, pattern, prefix) == 0 && uuid_parse(path + prefix, strlen(path + prefix), id);
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
        if (!path_matches(routes[i].path, exchange->path, &exchange->request.path_id))
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
        struct uuid ignored;
        if (!path_matches(routes[i].path, exchange->path, &ignored))
            continue;
        const char *name = routes[i].method == METHOD_GET ? "GET, HEAD" : method_names[routes[i].method];
        if (len + strlen(name) + 3 < sizeof list)
            len += (size_t)snprintf(list + len, sizeof list - len, ", %s", name);
    }
    return arena_copy(exchange->request.arena, list, len);
}

bool routes_are_sound(const struct route *routes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (routes[i].access == ACCESS_UNSET || routes[i].limit == LIMIT_UNSET || routes[i].path == NULL ||
            routes[i].path[0] != '/' || routes[i].steps[0] == NULL) {
            log_event(LOG_ERROR, "route_incomplete", "path=%s", routes[i].path);
            return false;
        }
    }
    return true;
}
