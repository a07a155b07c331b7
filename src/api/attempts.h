/*
 * attempts: the limits on wrong passwords. An attempt is counted before the hash and refunded after a right password, so that
 * concurrent attempts are limited too; it begins in the step that hashes, so that a request that never gets there does not count.
 *
 * A login counts in up to three buckets, each against another attack:
 *   - its address, over all accounts (limit.address_failures): one password tried on many accounts;
 *   - its account at its address (limit.login_failures, limit.lock): many passwords from one address. This lock affects no other
 * address;
 *   - its account, from all addresses together that it does not know (limit.account_failures): many passwords from many
 * addresses. An address is known to an account that was registered or logged in from there; it is neither counted in this bucket
 * nor refused by it.
 *
 * At the defaults one address has ten guesses at an account and one an hour from then on, all unknown ones together have a
 * hundred and a hundred a day from then on. So no single address, however long it tries, locks an account for the others; five
 * and more can. An attempt that one bucket refuses takes nothing from the others.
 */
#ifndef JWTD_API_ATTEMPTS_H
#define JWTD_API_ATTEMPTS_H

#include "jwtd/request.h"

#define ATTEMPT_BUCKETS_MAX 3

struct attempt {
    size_t count;
    struct attempt_bucket {
        enum limit_class limit_class;
        struct limit_key key;
        const char *event; /* of the log line when the bucket is used up */
    } buckets[ATTEMPT_BUCKETS_MAX];
};

/* At the password of the account with this canonical e-mail address, without a token. */
struct attempt attempt_at_login(const struct request *request, struct text canonical, bool knows_address);

/* At the password of the user whose access token was sent: one bucket for each session, apart from those of logins, so that a
 * stolen token cannot lock its owner out, neither of a login nor of changing the password from another session. */
struct attempt attempt_with_token(const struct request *request);

/* Takes one from each bucket. False: one of them is used up, none is taken, and the reply is written: 429
 * rate_limited if it is that of the address, else account_locked. */
bool attempt_begin(struct request *request, const struct attempt *attempt) MUST_CHECK;

/* To be called when the password was right, or could not be checked: returns what attempt_begin has taken. */
void attempt_refund(const struct request *request, const struct attempt *attempt);

/* To be called when the password was wrong: locks and logs each bucket that it has used up. `user_id` is for the log; NULL: there
 * is no such account. */
void attempt_fail(const struct request *request, const struct attempt *attempt, const struct uuid *user_id);

#endif
