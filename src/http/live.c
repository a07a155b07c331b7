#include "jwtd/live.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct live_holder {
    pthread_mutex_t lock; /* guards the next, and every `borrowers` */
    struct live *current;
};

static void destroy(struct live *live) {
    string_list_fini(&live->allowed_origins);
    verifier_destroy(live->verifier);
    keyring_destroy(live->keyring);
    free(live);
}

struct live *live_load(const struct config *config, const struct token_rules *rules, char *mistake, size_t mistake_size) {
    struct live *live = calloc(1, sizeof *live);
    snprintf(mistake, mistake_size, "out of memory");
    if (live == NULL)
        return NULL;
    live->borrowers = 1; /* the holder's own */
    live->keyring =
        keyring_load(config->token.keys_dir, config->token.active_kid, config->token.refresh_key_file, mistake, mistake_size);
    if (live->keyring != NULL)
        live->verifier = verifier_create(live->keyring, rules);
    if (live->verifier != NULL && string_list_copy(&config->cors.allowed_origins, &live->allowed_origins))
        return live;
    destroy(live);
    return NULL;
}

struct live_holder *live_holder_create(struct live *first) {
    struct live_holder *holder = calloc(1, sizeof *holder);
    if (holder == NULL) {
        destroy(first);
        return NULL;
    }
    pthread_mutex_init(&holder->lock, NULL);
    holder->current = first;
    return holder;
}

void live_holder_destroy(struct live_holder *holder) {
    live_give_back(holder, holder->current);
    pthread_mutex_destroy(&holder->lock);
    free(holder);
}

const struct live *live_borrow(struct live_holder *holder) {
    pthread_mutex_lock(&holder->lock);
    struct live *live = holder->current;
    live->borrowers++;
    pthread_mutex_unlock(&holder->lock);
    return live;
}

void live_give_back(struct live_holder *holder, const struct live *live) {
    struct live *own = (struct live *)(uintptr_t)live; /* const for those who borrow */
    pthread_mutex_lock(&holder->lock);
    bool is_last = --own->borrowers == 0;
    pthread_mutex_unlock(&holder->lock);
    if (is_last)
        destroy(own);
}

void live_replace(struct live_holder *holder, struct live *next) {
    pthread_mutex_lock(&holder->lock);
    struct live *before = holder->current;
    holder->current = next;
    pthread_mutex_unlock(&holder->lock);
    live_give_back(holder, before);
}
