#include "steps.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/reply.h"
#include "jwtd/role.h"
#include "jwtd/services.h"

#include <stdio.h>
#include <string.h>

#define STALE_US (2 * CLOCK_US_PER_S) /* the revocations are read twice a second */

/* ["admin","x"] as admin,x, and [] as -: no role has a comma or is "-" (role.h). NULL if out of memory. */
static const char *roles_list(struct request *request) {
    struct text role, rest = request->claims.roles_json;
    char *list = arena_alloc(request->arena, rest.len + 1); /* a role takes two bytes more in JSON, for its quotes */
    if (list == NULL)
        return NULL;
    size_t len = 0;
    while ((role = roles_next(&rest)).bytes != NULL) {
        if (len > 0)
            list[len++] = ',';
        memcpy(list + len, role.bytes, role.len);
        len += role.len;
    }
    if (len == 0)
        list[len++] = '-';
    list[len] = '\0';
    return list;
}

/* All that the proxy asks for must hold: some proxies append the query of their own client, who can only ask for more. No token
 * has the empty role, which a value is that cannot be read. */
static bool has_asked_roles(const struct request *request) {
    struct text wanted;
    for (size_t i = 0; (wanted = request_query(request, "role", i)).bytes != NULL; i++)
        if (!roles_contain(request->claims.roles_json, wanted))
            return false;
    return true;
}

/* While the database is away: for how many seconds a session may have been ended elsewhere without this instance knowing. */
static enum status add_staleness(struct request *request) {
    char seconds[24];
    int64_t age_us = services_revocations_age_us(request->services, clock_monotonic_us());
    if (age_us < STALE_US)
        return STATUS_OK;
    snprintf(seconds, sizeof seconds, "%lld", (long long)(age_us / CLOCK_US_PER_S));
    return reply_header(request, "X-Auth-Stale-For", seconds);
}

/*
 * Decided without the database; for proxies that ask before they forward a request (nginx auth_request, Envoy ext_authz,
 * Traefik). A proxy that is to copy a header which is missing here may forward the client's own, so a 200 has all of them.
 */
static enum step_result answer(struct request *request) {
    if (!has_asked_roles(request))
        return reply_problem(request, STATUS_INSUFFICIENT_SCOPE);
    char subject[UUID_TEXT_SIZE], session[UUID_TEXT_SIZE];
    const char *roles = roles_list(request);
    if (roles == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    const struct {
        const char *name, *value;
    } headers[] = {
        { "X-Auth-Subject", uuid_text(&request->claims.user_id, subject) },
        { "X-Auth-Session", uuid_text(&request->claims.session_id, session) },
        { "X-Auth-Roles", roles },
    };
    reply_empty(request, 200);
    enum status status = add_staleness(request);
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LEN(headers); i++)
        status = reply_header(request, headers[i].name, headers[i].value);
    return status == STATUS_OK ? STEP_DONE : reply_problem(request, status);
}

const struct step verify_answer = { "answer", ON_HTTP, .run = answer };
