#include "router.h"

#include "exchange.h"

#include "jwtd/snapshot.h"

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

static bool matches(const struct route *route, enum route_listener listener, const struct exchange *exchange,
                    struct uuid ids[ROUTE_IDS_MAX]) {
    return route_is_at(route, listener) && path_matches(route->path, exchange->path, ids) &&
           (route->is_enabled == NULL || route->is_enabled(&exchange->request.snapshot->config));
}

/* METHOD_UNSET: no row has it but those for any method. */
static enum method read_method(const char *name) {
    if (strcmp(name, "HEAD") == 0)
        return METHOD_GET;
    for (enum method method = METHOD_GET; method < METHOD_ANY; method++)
        if (strcmp(name, method_names[method]) == 0)
            return method;
    return METHOD_UNSET;
}

enum status router_find(const struct route *routes, size_t count, enum route_listener listener, struct exchange *exchange) {
    enum method method = read_method(exchange->method);
    struct uuid *ids = exchange->request.path_ids;
    for (size_t i = 0; i < count; i++) {
        if ((routes[i].method != METHOD_ANY && routes[i].method != method) || !matches(&routes[i], listener, exchange, ids))
            continue;
        exchange->allowed_path = &routes[i];
        exchange->request.route = &routes[i];
        return STATUS_OK;
    }
    for (size_t i = 0; i < count; i++)
        if (matches(&routes[i], listener, exchange, ids))
            exchange->allowed_path = &routes[i];
    return exchange->allowed_path != NULL ? STATUS_METHOD_NOT_ALLOWED : STATUS_NOT_FOUND;
}

const char *router_allowed_methods(const struct route *routes, size_t count, enum route_listener listener,
                                   const struct exchange *exchange) {
    char list[128] = "OPTIONS";
    size_t len = strlen(list);
    for (size_t i = 0; i < count; i++) {
        struct uuid ignored[ROUTE_IDS_MAX];
        if (!matches(&routes[i], listener, exchange, ignored))
            continue;
        const char *name = routes[i].method == METHOD_GET ? "GET, HEAD" : method_names[routes[i].method];
        if (len + strlen(name) + 3 < sizeof list)
            len += (size_t)snprintf(list + len, sizeof list - len, ", %s", name);
    }
    return arena_copy(exchange->request.arena, list, len);
}
