/*
 * attempts: the limits on wrong passwords. An attempt is counted before the hash and refunded after a right password, so that
 * many at once are no way around it; begin and refund enclose the hash, so that nothing that is shed in between counts.
 *
 * A login counts in up to three buckets, of which each answers another attack:
 *   - its address, over all accounts (limit.address_failures): one password tried on many accounts;
 *   - its account at its address (limit.login_failures, limit.lock): many passwords from one address. This lock shuts out nobody
 * else;
 *   - its account, from all addresses together that it does not know (limit.account_failures): many passwords from many
 * addresses. An address is known to an account that was registered or logged in from there; it is neither counted in the third
 * nor refused by it. At the defaults one address has ten guesses at an account and one an hour from then on, all unknown ones
 * together have a hundred and a hundred a day from then on. So no single address, however patient, shuts an account to the
 * others; five and more can. Whoever is refused by one bucket takes nothing from the others.
 */
#ifndef JWTD_API_ATTEMPTS_H
#define JWTD_API_ATTEMPTS_H

#include "jwtd/request.h"

#define ATTEMPT_BUCKETS_MAX 3

struct attempt {
    size_t count;
    struct attempt_bucket {
        enum limit_class class;
        struct limit_key key;
        const char *event; /* in the log, when it is used up */
    } buckets[ATTEMPT_BUCKETS_MAX];
};

/* At the password of the account with this canonical e-mail address, by whoever holds no token. */
struct attempt attempt_at_login(const struct request *request, struct text canonical, bool knows_address);

/* At the password of the user whose access token was sent: one bucket for each session, apart from those of logins, so that a
 * stolen token is no means to lock its owner out, neither of a login nor of changing the password from another session. */
struct attempt attempt_with_token(const struct request *request);

/* False when there have been too many: the reply is written. */
bool attempt_begin(struct request *request, const struct attempt *attempt) MUST_CHECK;

/* The password was right, or could not be checked. */
void attempt_refund(const struct request *request, const struct attempt *attempt);

/* The password was wrong. `user_id` is NULL when there is no such account. */
void attempt_fail(const struct request *request, const struct attempt *attempt, const struct uuid *user_id);

#endif
