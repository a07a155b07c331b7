#include "steps.h"

#include "jwtd/reply.h"

#include <string.h>

/* ["admin","x"] as admin,x. A role with an escape in it is left out: it could hold a comma or worse, and no role of ours has one. */
static const char *roles_list(struct request *request) {
    struct text json = request->claims.roles_json;
    char *list = arena_alloc(request->arena, json.len + 1);
    if (list == NULL)
        return NULL;
    size_t len = 0;
    const char *end = json.bytes + json.len;
    const char *open = memchr(json.bytes, '"', json.len);
    while (open != NULL) {
        const char *role = open + 1;
        const char *close = memchr(role, '"', (size_t)(end - role));
        if (close == NULL)
            break;
        size_t role_len = (size_t)(close - role);
        if (memchr(role, '\\', role_len) != NULL)
            return NULL;
        if (memchr(role, ',', role_len) == NULL) {
            if (len > 0)
                list[len++] = ',';
            memcpy(list + len, role, role_len);
            len += role_len;
        }
        open = memchr(close + 1, '"', (size_t)(end - close - 1));
    }
    return list;
}

/* Decided from memory; for proxies that ask before they let a request through (nginx auth_request, Envoy ext_authz, Traefik). */
static enum step_result answer(struct request *request) {
    char id[UUID_TEXT_SIZE];
    reply_header(request, "X-Auth-Subject", uuid_text(&request->claims.user_id, id));
    reply_header(request, "X-Auth-Session", uuid_text(&request->claims.session_id, id));
    reply_header(request, "X-Auth-Roles", roles_list(request));
    return reply_empty(request, 200);
}

const struct step verify_answer = { "answer", ON_HTTP, answer };
