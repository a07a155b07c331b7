#include "change.h"

#include "exchange.h"

#include "jwtd/change_context.h"
#include "jwtd/service_credentials.h"

#include <assert.h>
#include <stdio.h>

#define ACTOR_SIZE (sizeof "service:" + SERVICE_NAME_MAX_LEN)

/* NULL: the request has no credential that says who it is. */
static const char *actor_of(const struct request *request, char text[ACTOR_SIZE]) {
    char id[UUID_TEXT_SIZE];
    if (request->service != NULL)
        (void)snprintf(text, ACTOR_SIZE, "service:%s", request->service);
    else if (request->has_claims)
        (void)snprintf(text, ACTOR_SIZE, "%s:%s", request->route->role != NULL ? "admin" : "user",
                       uuid_text(&request->claims.user_id, id));
    else
        return NULL;
    return text;
}

const char *request_change(struct request *request, bool *is_out_of_memory) {
    struct exchange *exchange = exchange_of(request);
    *is_out_of_memory = false;
    if (exchange->change != NULL || !route_may_change_state(request->route))
        return exchange->change;
    char actor[ACTOR_SIZE], session[UUID_TEXT_SIZE], ip[ADDRESS_TEXT_SIZE];
    struct change_context context = {
        .actor = actor_of(request, actor),
        .session = request->route->role != NULL ? uuid_text(&request->claims.session_id, session) : NULL,
        .ip = request->client.known ? address_text(&request->client, ip) : NULL,
        .user_agent = request->user_agent,
        .request_id = request->request_id,
        .key = request->key.digest,
        .fingerprint = request->key.fingerprint,
    };
    exchange->change = change_context_text(&context, request->arena);
    *is_out_of_memory = exchange->change == NULL;
    return exchange->change;
}
