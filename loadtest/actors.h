/*
 * actors: the accounts and the sessions, with their tokens, for which requests are sent. Each worker has its own.
 *
 * A session that must have one request in flight at a time (refresh: each token is used once) is taken from the free ones and
 * returned to them after the reply.
 */
#ifndef FAILPOINT_ACTORS_H
#define FAILPOINT_ACTORS_H

#include "plan.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define TOKEN_SIZE 4096

struct actor {
    STAILQ_ENTRY(actor) free; /* among the free */
    unsigned account;         /* its number; 0: an address of its own, `fresh` */
    uint64_t fresh;
    char *access_token; /* NULL: none */
    char *refresh_token;
    int64_t renew_at_ns; /* when the access token is to be renewed; INT64_MAX: never */
    bool busy;           /* not among the free */
    bool renewing;       /* a login for it is under way */
};

struct actors {
    const struct plan *plan;
    struct actor *items;
    size_t count;
    STAILQ_HEAD(actor_queue, actor) free; /* the one that was returned first is taken first */
    size_t turn;                          /* of actors_shared, round robin */
    unsigned account_turn;
    unsigned worker;
    uint64_t fresh_count;
};

bool actors_init(struct actors *actors, const struct plan *plan, unsigned worker, size_t count);
void actors_fini(struct actors *actors);

struct actor *actors_shared(struct actors *actors); /* the next in turn that has a token; NULL when none has */
bool actors_has_free(const struct actors *actors);
struct actor *actors_take(struct actors *actors); /* a free one, now busy; NULL when all are busy */
void actors_return(struct actors *actors, struct actor *actor);

/* One that is outside the lists, for one request or one scenario flow; freed with actor_destroy. NULL when memory is exhausted.
 */
struct actor *actor_create_account(struct actors *actors); /* of the next account in turn */
struct actor *actor_create_fresh(struct actors *actors);   /* of an unused address */
void actor_destroy(struct actor *actor);

const char *actor_email(const struct actors *actors, const struct actor *actor, char email[EMAIL_SIZE]);

/* Takes this one, which is free, out of the free ones. */
void actors_take_this(struct actors *actors, struct actor *actor);

/*
 * Keeps copies of the tokens; NULL leaves the old one. False when memory is exhausted, and for a text that is no token: other
 * characters than those of a header's word could make another request of the next one.
 */
bool actor_set_tokens(struct actor *actor, const char *access_token, const char *refresh_token, int64_t renew_at_ns);

#endif
