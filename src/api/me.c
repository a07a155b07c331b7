#include "common.h"
#include "steps.h"

static enum step_result ask_user(struct request *request, struct db_query *query) {
    struct found_user *found = request->scratch = arena_alloc(request->arena, sizeof *found);
    if (found == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    users_find_by_id(query, &request->claims.user_id, found);
    return STEP_NEXT;
}

static enum step_result show(struct request *request) {
    const struct found_user *found = request->scratch;
    return found->found ? reply_user(request, 200, &found->user, true) : reply_problem(request, STATUS_INVALID_TOKEN);
}

const struct step me_show = { "show", ON_DATABASE, .ask = ask_user, .run = show };
