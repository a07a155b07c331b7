/*
 * attempts: the limit on wrong passwords. A try is counted before the hash and given back after a right one, so that many tries at
 * once are no way around it; begin and end enclose the hash, so that nothing that is shed in between counts.
 */
#ifndef JWTD_API_ATTEMPTS_H
#define JWTD_API_ATTEMPTS_H

#include "jwtd/request.h"

/* False when there have been too many: the reply is written. */
bool attempt_begin(struct request *request, struct limit_key key);

/* The password was right, or could not be checked. */
void attempt_take_back(struct request *request, struct limit_key key);

/* The password was wrong. `user_id` is NULL when there is no such account. */
void attempt_fail(struct request *request, struct limit_key key, const struct uuid *user_id);

#endif
