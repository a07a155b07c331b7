#include "jwtd/live.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MISTAKE_SIZE 512
#define FAILURE_PAUSE_US CLOCK_US_PER_S

struct live_holder {
    pthread_mutex_t lock; /* guards the next, and every `borrowers` */
    struct live *current;
    const struct config *config; /* its paths; the rest of it belongs to the main thread */
    const struct token_rules *rules;
    pthread_mutex_t
        reading; /* guards all that follows, and that `current` is replaced by one thread at a time; `lock` is taken inside */
    char active_kid[KID_MAX_LEN + 1];
    int64_t failed_us; /* when live_follow has failed to read the keys; 0: not since the last success */
};

static void destroy(struct live *live) {
    string_list_fini(&live->allowed_origins);
    verifier_destroy(live->verifier);
    keyring_destroy(live->keyring);
    free(live);
}

static struct live *load(const struct live_holder *holder, const char *active_kid, const struct string_list *origins,
                         char *mistake, size_t mistake_size) {
    struct live *live = calloc(1, sizeof *live);
    snprintf(mistake, mistake_size, "out of memory");
    if (live == NULL)
        return NULL;
    live->borrowers = 1; /* the holder's own */
    const char *keys_dir = holder->config->token.keys_dir, *refresh_key_file = holder->config->token.refresh_key_file;
    live->keyring = keyring_load(keys_dir, active_kid, refresh_key_file, mistake, mistake_size);
    if (live->keyring != NULL)
        live->verifier = verifier_create(live->keyring, holder->rules);
    if (live->verifier != NULL && string_list_copy(origins, &live->allowed_origins))
        return live;
    destroy(live);
    return NULL;
}

struct live_holder *live_holder_create(const struct config *config, const struct token_rules *rules, char *mistake,
                                       size_t mistake_size) {
    struct live_holder *holder = calloc(1, sizeof *holder);
    if (holder == NULL) {
        snprintf(mistake, mistake_size, "out of memory");
        return NULL;
    }
    holder->config = config;
    holder->rules = rules;
    snprintf(holder->active_kid, sizeof holder->active_kid, "%s", config->token.active_kid);
    holder->current = load(holder, holder->active_kid, &config->cors.allowed_origins, mistake, mistake_size);
    if (holder->current == NULL) {
        free(holder);
        return NULL;
    }
    pthread_mutex_init(&holder->lock, NULL);
    pthread_mutex_init(&holder->reading, NULL);
    return holder;
}

void live_holder_destroy(struct live_holder *holder) {
    live_give_back(holder, holder->current);
    pthread_mutex_destroy(&holder->lock);
    pthread_mutex_destroy(&holder->reading);
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

/* `reading` is held. */
static void replace(struct live_holder *holder, struct live *next, const char *cause) {
    pthread_mutex_lock(&holder->lock);
    struct live *before = holder->current;
    holder->current = next;
    pthread_mutex_unlock(&holder->lock);
    log_event(LOG_INFO, "keys_read", "count=%zu active_kid=%s cause=%s", keyring_count(next->keyring),
              keyring_active(next->keyring)->kid, cause);
    holder->failed_us = 0;
    live_give_back(holder, before);
}

bool live_reload(struct live_holder *holder, const struct config *config, char *mistake, size_t mistake_size) {
    pthread_mutex_lock(&holder->reading);
    struct live *next = load(holder, config->token.active_kid, &config->cors.allowed_origins, mistake, mistake_size);
    if (next != NULL) {
        snprintf(holder->active_kid, sizeof holder->active_kid, "%s", config->token.active_kid);
        replace(holder, next, "reload");
    }
    pthread_mutex_unlock(&holder->reading);
    return next != NULL;
}

/* Gives what is in force back and takes what is in force now. */
static void swap(struct live_holder *holder, const struct live **live) {
    const struct live *before = *live;
    *live = live_borrow(holder);
    live_give_back(holder, before);
}

static bool has_key(const struct live *live, struct text kid) {
    return keyring_find(live->keyring, kid) != NULL;
}

/* `reading` is held, so that *live is in force until this has come to its end. */
static enum status read_again(struct live_holder *holder, struct text kid, const struct live **live) {
    char mistake[MISTAKE_SIZE];
    swap(holder, live);
    if (has_key(*live, kid))
        return STATUS_OK; /* somebody else was as quick */
    if (holder->failed_us != 0 && clock_monotonic_us() - holder->failed_us < FAILURE_PAUSE_US)
        return STATUS_KEYS_UNAVAILABLE;
    struct live *next = load(holder, holder->active_kid, &(*live)->allowed_origins, mistake, sizeof mistake);
    if (next == NULL) {
        holder->failed_us = clock_monotonic_us();
        log_event(LOG_ERROR, "keys_unreadable", "mistake=%s", mistake);
        return STATUS_KEYS_UNAVAILABLE;
    }
    replace(holder, next, "unknown_kid");
    swap(holder, live);
    return has_key(*live, kid) ? STATUS_OK : STATUS_INVALID_TOKEN; /* the file has gone again */
}

enum status live_follow(struct live_holder *holder, struct text kid, const struct live **live) {
    if (!keyring_may_have(holder->config->token.keys_dir, kid))
        return STATUS_INVALID_TOKEN;
    pthread_mutex_lock(&holder->reading);
    enum status status = read_again(holder, kid, live);
    pthread_mutex_unlock(&holder->reading);
    return status;
}
