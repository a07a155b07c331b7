/*
 * live: what SIGHUP can change in a running service and requests look at: signing keys and allowed origins. (The log's level and the
 * limiter's rules change in place.)
 *
 * A `struct live` is never changed, only replaced as a whole. A request borrows the one that is in force when it begins and
 * keeps it to its end, so that it never meets two of them; the last who gives an old one back frees it. One mutex guards that.
 */
#ifndef JWTD_LIVE_H
#define JWTD_LIVE_H

#include "jwtd/access_token.h"
#include "jwtd/config.h"
#include "jwtd/keyring.h"

struct live {
    struct keyring *keyring;
    struct verifier *verifier; /* of this ring */
    struct string_list allowed_origins;
    unsigned borrowers; /* live.c's */
};

struct live_holder;

/* Reads the keys that the configuration names, and copies the origins. `rules` are borrowed. NULL: the reason is in `mistake` (at
 * least 512 bytes). */
struct live *live_load(const struct config *config, const struct token_rules *rules, char *mistake, size_t mistake_size);

/* Takes `first`, also on failure. NULL: memory. */
struct live_holder *live_holder_create(struct live *first);
void live_holder_destroy(struct live_holder *holder); /* when everything that was borrowed is back */

/* Takes `next`, which is in force from now on. Any thread. */
void live_replace(struct live_holder *holder, struct live *next);

const struct live *live_borrow(struct live_holder *holder); /* any thread */
void live_give_back(struct live_holder *holder, const struct live *live);

#endif
