/*
 * password_check: whether a password is the one that is stored, under the limits on wrong ones (attempts.h). For every route that
 * asks for a password: login, changes of the account, and a registration that is repeated.
 *
 * It takes two steps. password_check_run is ON_CRYPTO and takes no lock that an HTTP thread takes, since it runs at low priority;
 * password_check_end is ON_HTTP, and counts and logs the outcome. In between the route calls password_check_accept if the
 * password matches and nothing else prevents it; a password that is not accepted counts as wrong.
 */
#ifndef JWTD_API_PASSWORD_CHECK_H
#define JWTD_API_PASSWORD_CHECK_H

#include "attempts.h"

#include "jwtd/hasher.h"

struct password_check {
    struct attempt attempt;
    enum hash_match match;
    bool is_accepted;
};

/* Counts `attempt` and compares the password with `hash` (NULL: there is no such account; it takes as long). False: there were
 * too many attempts, and the reply is written. An attempt that could not be decided for lack of memory does not count. */
bool password_check_run(struct request *request, struct password_check *check, const struct attempt *attempt,
                        struct text password, const char *hash) MUST_CHECK;

/* After a password that differs, compares another one, within the same attempt. */
void password_check_alternative(struct request *request, struct password_check *check, struct text password, const char *hash);

/* The password is right: the attempt does not count. At most once, between password_check_run and password_check_end. */
void password_check_accept(const struct request *request, struct password_check *check);

/* STEP_NEXT: the password was accepted. STEP_DONE: it was not, the attempt counts, and `refuse` has written the reply; or there
 * was no memory to compare it, and the reply is 503. A stored hash that is corrupt counts as one that differs, and is logged.
 * `user_id` is for the log; NULL: there is no such account. */
enum step_result password_check_end(struct request *request, const struct password_check *check, const struct uuid *user_id,
                                    enum step_result (*refuse)(struct request *request)) MUST_CHECK;

#endif
