#include "request.h"

#include <assert.h>
#include <stdlib.h>

struct request *request_create(enum request_purpose purpose, enum endpoint endpoint, int64_t due_ns) {
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->purpose = purpose;
    request->state = REQUEST_TIMED;
    request->endpoint = endpoint;
    request->due_ns = due_ns;
    return request;
}

void request_destroy(struct request *request) {
    if (request->owns_actor && request->actor != NULL)
        actor_destroy(request->actor);
    free(request);
}

void request_pass_actor(struct request *request, struct request *successor) {
    assert(successor->actor == NULL);
    successor->actor = request->actor;
    successor->owns_actor = request->owns_actor;
    request->actor = NULL;
    request->owns_actor = false;
}

bool request_is_counted(const struct request *request) {
    return request->purpose == REQUEST_LOAD || request->purpose == REQUEST_USER;
}
