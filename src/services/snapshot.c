#include "jwtd/snapshot.h"

#include "jwtd/clock.h"
#include "jwtd/jwks.h"
#include "jwtd/log.h"
#include "jwtd/options.h"
#include "jwtd/verifier.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_SIZE 512
#define FAILURE_PAUSE_US CLOCK_US_PER_S

struct snapshot_holder {
    const struct token_rules *rules;
    struct revoked_keys *revoked;
    pthread_mutex_t lock;               /* guards `refs` of every snapshot, and is held to replace `current` */
    _Atomic(struct snapshot *) current; /* read without the lock only to see whether a lease is up to date */
    pthread_mutex_t reading; /* guards `failed_us` and `logged_error`, and lets one thread at a time replace `current`; `lock` is
                                taken inside */
    atomic_bool reload_failed, keys_failed; /* the last reload, the last reading of the keys */
    int64_t failed_us;             /* when snapshot_find_key last failed to read the keys; 0: not since the last success */
    char logged_error[ERROR_SIZE]; /* why the keys cannot be read; empty: they can */
};

static void destroy(struct snapshot *snapshot) {
    config_fini(&snapshot->config);
    service_credentials_destroy(snapshot->services);
    verifier_destroy(snapshot->verifier);
    jwks_destroy(snapshot->jwks);
    keyring_destroy(snapshot->keyring);
    free(snapshot);
}

/* Takes *config in both cases. The credentials of services are copied from `before`, or read from their file if it is NULL. */
static struct snapshot *create(struct config *config, const struct snapshot *before, const struct token_rules *rules,
                               struct revoked_keys *revoked, char *error, size_t error_size) {
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    snprintf(error, error_size, "out of memory");
    if (snapshot == NULL) {
        config_fini(config);
        return NULL;
    }
    snapshot->refs = 1; /* the holder's own */
    snapshot->config = *config;
    *config = (struct config){ 0 };
    const struct config *own = &snapshot->config;
    struct key_rules key_rules = key_rules_from_config(own);
    key_rules.revoked = revoked;
    snapshot->keyring = keyring_load(&key_rules, clock_wall_s(), error, error_size);
    if (snapshot->keyring != NULL)
        snapshot->verifier = verifier_create(snapshot->keyring, rules);
    if (snapshot->verifier != NULL)
        snapshot->jwks = jwks_create(snapshot->keyring);
    if (snapshot->jwks != NULL)
        snapshot->services = before != NULL ? service_credentials_copy(before->services)
                                            : service_credentials_load(own->services.credentials_file, error, error_size);
    if (snapshot->services != NULL)
        return snapshot;
    destroy(snapshot);
    return NULL;
}

static struct snapshot *create_like(const struct config *config, const struct snapshot *before, const struct token_rules *rules,
                                    struct revoked_keys *revoked, char *error, size_t error_size) {
    struct config copy;
    if (config_copy(config, &copy))
        return create(&copy, before, rules, revoked, error, error_size);
    snprintf(error, error_size, "out of memory");
    return NULL;
}

struct snapshot_holder *snapshot_holder_create(const struct config *config, const struct token_rules *rules,
                                               struct revoked_keys *revoked, char *error, size_t error_size) {
    struct snapshot_holder *holder = calloc(1, sizeof *holder);
    if (holder == NULL) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    holder->rules = rules;
    holder->revoked = revoked;
    holder->current = create_like(config, NULL, rules, revoked, error, error_size);
    if (holder->current == NULL) {
        free(holder);
        return NULL;
    }
    pthread_mutex_init(&holder->lock, NULL);
    pthread_mutex_init(&holder->reading, NULL);
    return holder;
}

void snapshot_holder_destroy(struct snapshot_holder *holder) {
    struct snapshot *current = holder->current;
    assert(current->refs == 1);
    destroy(current);
    pthread_mutex_destroy(&holder->lock);
    pthread_mutex_destroy(&holder->reading);
    free(holder);
}

const struct snapshot *snapshot_acquire(struct snapshot_holder *holder) {
    pthread_mutex_lock(&holder->lock);
    struct snapshot *snapshot = holder->current;
    snapshot->refs++;
    pthread_mutex_unlock(&holder->lock);
    return snapshot;
}

void snapshot_release(struct snapshot_holder *holder, const struct snapshot *snapshot) {
    struct snapshot *own = (struct snapshot *)(uintptr_t)snapshot; /* const for all callers that acquire it */
    pthread_mutex_lock(&holder->lock);
    assert(own->refs > 0);
    bool is_last = --own->refs == 0;
    pthread_mutex_unlock(&holder->lock);
    if (is_last)
        destroy(own);
}

/* What has been acquired through the lease and not released becomes references like others. */
void snapshot_lease_fini(struct snapshot_holder *holder, struct snapshot_lease *lease) {
    struct snapshot *snapshot = lease->snapshot;
    if (snapshot == NULL)
        return;
    pthread_mutex_lock(&holder->lock);
    snapshot->refs += lease->uses;
    pthread_mutex_unlock(&holder->lock);
    *lease = (struct snapshot_lease){ NULL, 0 };
    snapshot_release(holder, snapshot);
}

static void renew(struct snapshot_holder *holder, struct snapshot_lease *lease) {
    snapshot_lease_fini(holder, lease);
    pthread_mutex_lock(&holder->lock);
    lease->snapshot = holder->current;
    lease->snapshot->refs++;
    pthread_mutex_unlock(&holder->lock);
}

/* The lease holds a reference, so that no later snapshot can be at the same address. */
const struct snapshot *snapshot_lease_acquire(struct snapshot_holder *holder, struct snapshot_lease *lease) {
    if (lease->snapshot != atomic_load_explicit(&holder->current, memory_order_relaxed))
        renew(holder, lease);
    lease->uses++;
    return lease->snapshot;
}

void snapshot_lease_release(struct snapshot_holder *holder, struct snapshot_lease *lease, const struct snapshot *snapshot) {
    if (snapshot != lease->snapshot) {
        snapshot_release(holder, snapshot);
        return;
    }
    assert(lease->uses > 0);
    lease->uses--;
}

/* With the public id of the refresh key that signs, so that an operator who replaces it sees which instances have the new one. */
static void log_keys(const struct keyring *keyring, const char *cause) {
    size_t refresh_count;
    const struct signing_key *active = keyring_active(keyring);
    const uint8_t *id = keyring_refresh_keys(keyring, &refresh_count)[0].id;
    char id_text[2 * REFRESH_KEY_ID_BYTES + 1];
    for (size_t i = 0; i < REFRESH_KEY_ID_BYTES; i++)
        snprintf(id_text + 2 * i, 3, "%02x", id[i]);
    log_event(LOG_INFO, "keys_read", "count=%zu active_kid=%s refresh_keys=%zu refresh_key_id=%s cause=%s",
              keyring_count(keyring), active != NULL ? active->kid : "-", refresh_count, id_text, cause);
}

/* `reading` is held. */
static void replace(struct snapshot_holder *holder, struct snapshot *next, const char *cause) {
    pthread_mutex_lock(&holder->lock);
    struct snapshot *before = holder->current;
    holder->current = next;
    pthread_mutex_unlock(&holder->lock);
    log_keys(next->keyring, cause);
    holder->failed_us = 0;
    atomic_store(&holder->keys_failed, false);
    holder->logged_error[0] = '\0';
    snapshot_release(holder, before);
}

static void log_services(const struct snapshot *snapshot) {
    log_event(LOG_INFO, "services_read", "secrets=%zu", service_credentials_count(snapshot->services));
}

bool snapshot_reload(struct snapshot_holder *holder, struct config *config, char *error, size_t error_size) {
    pthread_mutex_lock(&holder->reading);
    struct snapshot *next = create(config, NULL, holder->rules, holder->revoked, error, error_size);
    if (next != NULL) {
        log_services(next);
        replace(holder, next, "reload");
    }
    if (next != NULL)
        atomic_store(&holder->reload_failed, false);
    pthread_mutex_unlock(&holder->reading);
    return next != NULL;
}

void snapshot_note_failed_reload(struct snapshot_holder *holder) {
    atomic_store(&holder->reload_failed, true);
}

bool snapshot_is_outdated(const struct snapshot_holder *holder) {
    return atomic_load(&holder->reload_failed) || atomic_load(&holder->keys_failed);
}

/* `reading` is held. A reason is logged once, however long it lasts. */
static void note_failure(struct snapshot_holder *holder, const char *error) {
    atomic_store(&holder->keys_failed, true);
    if (strcmp(error, holder->logged_error) != 0)
        log_event(LOG_ERROR, "keys_unreadable", "error=%s", error);
    snprintf(holder->logged_error, sizeof holder->logged_error, "%s", error);
}

/* `reading` is held, so that the snapshot in force stays. */
static bool follow(struct snapshot_holder *holder, const struct snapshot *current) {
    char error[ERROR_SIZE];
    const char *cause = keyring_outdated(current->keyring, clock_wall_s());
    if (cause == NULL && holder->failed_us != 0)
        cause = "unknown_kid"; /* until a reading succeeds, since nothing but the failure says that there is something to read */
    if (cause == NULL) {       /* also when the files have come back as they were */
        atomic_store(&holder->keys_failed, false);
        holder->logged_error[0] = '\0';
        return true;
    }
    struct snapshot *next = create_like(&current->config, current, holder->rules, holder->revoked, error, sizeof error);
    if (next != NULL) {
        replace(holder, next, cause);
        return true;
    }
    note_failure(holder, error);
    return false;
}

bool snapshot_follow_keys(struct snapshot_holder *holder) {
    pthread_mutex_lock(&holder->reading);
    const struct snapshot *current = snapshot_acquire(holder);
    bool is_current = follow(holder, current);
    snapshot_release(holder, current);
    pthread_mutex_unlock(&holder->reading);
    return is_current;
}

/* Releases a snapshot and acquires the one in force. */
static void swap(struct snapshot_holder *holder, struct snapshot_lease *lease, const struct snapshot **snapshot) {
    snapshot_lease_release(holder, lease, *snapshot);
    *snapshot = snapshot_lease_acquire(holder, lease);
}

static bool has_key(const struct snapshot *snapshot, struct text kid) {
    return keyring_find(snapshot->keyring, kid) != NULL;
}

/* `reading` is held, so that *snapshot stays in force until this returns. */
static enum status read_again(struct snapshot_holder *holder, struct snapshot_lease *lease, struct text kid,
                              const struct snapshot **snapshot) {
    char error[ERROR_SIZE];
    swap(holder, lease, snapshot);
    if (has_key(*snapshot, kid))
        return STATUS_OK; /* another thread has read them meanwhile */
    if (holder->failed_us != 0 && clock_monotonic_us() - holder->failed_us < FAILURE_PAUSE_US)
        return STATUS_KEYS_UNAVAILABLE;
    struct snapshot *next = create_like(&(*snapshot)->config, *snapshot, holder->rules, holder->revoked, error, sizeof error);
    if (next == NULL) {
        holder->failed_us = clock_monotonic_us();
        note_failure(holder, error);
        return STATUS_KEYS_UNAVAILABLE;
    }
    replace(holder, next, "unknown_kid");
    swap(holder, lease, snapshot);
    return has_key(*snapshot, kid) ? STATUS_OK : STATUS_INVALID_TOKEN; /* the file has been removed meanwhile */
}

enum status snapshot_find_key(struct snapshot_holder *holder, struct snapshot_lease *lease, struct text kid,
                              const struct snapshot **snapshot) {
    if (!keyring_may_have((*snapshot)->keyring, kid))
        return STATUS_INVALID_TOKEN;
    pthread_mutex_lock(&holder->reading);
    enum status status = read_again(holder, lease, kid, snapshot);
    pthread_mutex_unlock(&holder->reading);
    return status;
}
