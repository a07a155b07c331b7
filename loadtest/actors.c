#include "actors.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Account `turn` of this worker's share of them, so that two workers prepare different ones. */
static unsigned own_account(const struct actors *actors, unsigned turn) {
    unsigned workers = actors->plan->workers, accounts = actors->plan->accounts;
    unsigned own = accounts / workers + (accounts % workers > actors->worker ? 1 : 0);
    return own == 0 ? 1 + turn % accounts : 1 + actors->worker + turn % own * workers;
}

bool actors_init(struct actors *actors, const struct plan *plan, unsigned worker, size_t count) {
    *actors = (struct actors){ .plan = plan, .worker = worker, .count = count };
    STAILQ_INIT(&actors->free);
    if (count == 0)
        return true;
    actors->items = calloc(count, sizeof *actors->items);
    if (actors->items == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        actors->items[i].account = own_account(actors, (unsigned)i);
        actors->items[i].renew_at_ns = INT64_MAX;
        actors->items[i].busy = true; /* until it has logged in */
    }
    return true;
}

static void wipe(struct actor *actor) {
    free(actor->access_token);
    free(actor->refresh_token);
    actor->access_token = actor->refresh_token = NULL;
}

void actors_fini(struct actors *actors) {
    for (size_t i = 0; i < actors->count; i++)
        wipe(&actors->items[i]);
    free(actors->items);
    actors->items = NULL;
    actors->count = 0;
}

struct actor *actors_shared(struct actors *actors) {
    for (size_t i = 0; i < actors->count; i++) {
        struct actor *actor = &actors->items[actors->turn++ % actors->count];
        if (actor->access_token != NULL)
            return actor;
    }
    return NULL;
}

bool actors_has_free(const struct actors *actors) {
    return !STAILQ_EMPTY(&actors->free);
}

struct actor *actors_take(struct actors *actors) {
    struct actor *actor = STAILQ_FIRST(&actors->free);
    if (actor != NULL)
        actors_take_this(actors, actor);
    return actor;
}

void actors_take_this(struct actors *actors, struct actor *actor) {
    assert(!actor->busy);
    STAILQ_REMOVE(&actors->free, actor, actor, free);
    actor->busy = true;
}

void actors_return(struct actors *actors, struct actor *actor) {
    assert(actor->busy);
    STAILQ_INSERT_TAIL(&actors->free, actor, free);
    actor->busy = false;
}

struct actor *actor_create_account(struct actors *actors) {
    struct actor *actor = calloc(1, sizeof *actor);
    if (actor == NULL)
        return NULL;
    actor->account = own_account(actors, actors->account_turn++);
    actor->renew_at_ns = INT64_MAX;
    return actor;
}

struct actor *actor_create_fresh(struct actors *actors) {
    struct actor *actor = calloc(1, sizeof *actor);
    if (actor == NULL)
        return NULL;
    actor->fresh = ++actors->fresh_count;
    actor->renew_at_ns = INT64_MAX;
    return actor;
}

void actor_destroy(struct actor *actor) {
    wipe(actor);
    free(actor);
}

const char *actor_email(const struct actors *actors, const struct actor *actor, char email[EMAIL_SIZE]) {
    const struct plan *plan = actors->plan;
    if (actor->account != 0)
        return plan_email(plan, actor->account, email);
    snprintf(email, EMAIL_SIZE, "%s%s-%u-%llu%s", plan->email_before, plan->run_tag, actors->worker,
             (unsigned long long)actor->fresh, plan->email_after);
    return email;
}

/* Visible ASCII without what JSON would escape. */
static bool is_token(const char *text) {
    size_t len = 0;
    for (; text[len] != '\0'; len++)
        if (text[len] <= ' ' || text[len] > '~' || text[len] == '"' || text[len] == '\\' || len >= TOKEN_SIZE)
            return false;
    return len > 0;
}

static bool replace(char **place, const char *text) {
    if (text == NULL)
        return true;
    if (*place != NULL && strlen(*place) == strlen(text)) { /* as nearly always */
        memcpy(*place, text, strlen(text));
        return true;
    }
    char *copy = strdup(text);
    if (copy == NULL)
        return false;
    free(*place);
    *place = copy;
    return true;
}

bool actor_set_tokens(struct actor *actor, const char *access_token, const char *refresh_token, int64_t renew_at_ns) {
    if ((access_token != NULL && !is_token(access_token)) || (refresh_token != NULL && !is_token(refresh_token)))
        return false;
    actor->renew_at_ns = renew_at_ns;
    return replace(&actor->access_token, access_token) && replace(&actor->refresh_token, refresh_token);
}
