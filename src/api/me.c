#include "common.h"
#include "steps.h"

static enum step_result show(struct request *request) {
    struct user user;
    bool found;
    struct db_call call = database_call(request);
    enum status status = users_find_by_id(&call, &request->claims.user_id, &user, &found);
    if (status != STATUS_OK)
        return reply_problem(request, status);
    return found ? reply_user(request, 200, &user, true) : reply_problem(request, STATUS_INVALID_TOKEN);
}

const struct step me_show = { "show", ON_DATABASE, show };
