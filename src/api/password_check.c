#include "password_check.h"

#include "common.h"

#include <assert.h>

static void compare(struct request *request, struct password_check *check, struct text password, const char *hash) {
    check->match = hasher_verify(request->hasher, password, hash);
    if (check->match == HASH_OUT_OF_MEMORY)
        attempt_refund(request, &check->attempt);
}

bool password_check_run(struct request *request, struct password_check *check, const struct attempt *attempt,
                        struct text password, const char *hash) {
    check->attempt = *attempt;
    check->is_accepted = false;
    if (!attempt_begin(request, &check->attempt))
        return false;
    compare(request, check, password, hash);
    return true;
}

void password_check_alternative(struct request *request, struct password_check *check, struct text password, const char *hash) {
    assert(!check->is_accepted && check->match == HASH_DIFFERS);
    compare(request, check, password, hash);
}

void password_check_accept(const struct request *request, struct password_check *check) {
    assert(!check->is_accepted && check->match != HASH_OUT_OF_MEMORY);
    check->is_accepted = true;
    attempt_refund(request, &check->attempt);
}

enum step_result password_check_end(struct request *request, const struct password_check *check, const struct uuid *user_id,
                                    enum step_result (*refuse)(struct request *request)) {
    if (check->is_accepted)
        return STEP_NEXT;
    if (check->match == HASH_OUT_OF_MEMORY)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    if (check->match == HASH_CORRUPT)
        log_account_event(LOG_ERROR, "password_hash_corrupt", user_id, NULL);
    attempt_fail(request, &check->attempt, user_id);
    return refuse(request);
}
