#include "background.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/revocations.h"

#include <pthread.h>
#include <stdlib.h>

#define READ_INTERVAL_US (CLOCK_US_PER_S / 2)
#define READ_DEADLINE_US (2 * CLOCK_US_PER_S)
#define CLEANUP_DEADLINE_US (2 * CLOCK_US_PER_S)
#define CLEANUP_BATCH 500u

struct background {
    const struct services *services;
    struct db *db;
    pthread_t thread;
    pthread_mutex_t stop_lock; /* guards stopping */
    pthread_cond_t stop;
    bool stopping;
    bool was_read;   /* the last reading of the revocations succeeded */
    int64_t read_us; /* when it began */
    int64_t next_cleanup_us;
};

/* From long before the last good reading: a statement commits up to its timeout after the moment that it writes down. */
static int64_t window_s(const struct background *background) {
    const struct services *services = background->services;
    if (background->read_us == 0)
        return services->token_rules.access_ttl_s + ACCESS_TOKEN_LEEWAY_S;
    int64_t overlap_us = 2 * services->config->database.statement_timeout_ms * 1000 + 5 * CLOCK_US_PER_S;
    return (clock_monotonic_us() - background->read_us + overlap_us) / CLOCK_US_PER_S + 1;
}

static void note_reading(struct background *background, bool is_good, int64_t began_us) {
    if (is_good) {
        background->read_us = began_us;
        revoked_sessions_set_ready(background->services->revoked);
    }
    if (is_good != background->was_read)
        log_event(is_good ? LOG_INFO : LOG_WARN, is_good ? "revocations_read" : "revocations_unreadable", "sessions=%zu",
                  revoked_sessions_count(background->services->revoked));
    background->was_read = is_good;
}

static void read_revocations(struct background *background) {
    int64_t began_us = clock_monotonic_us();
    enum status status =
        revocations_read(background->db, began_us + READ_DEADLINE_US, window_s(background), background->services->revoked);
    note_reading(background, status == STATUS_OK, began_us);
}

static void clean_up(struct background *background) {
    const struct services *services = background->services;
    int64_t now_us = clock_monotonic_us();
    if (now_us < background->next_cleanup_us)
        return;
    unsigned deleted = 0;
    enum status status = sessions_delete_dead(background->db, now_us + CLEANUP_DEADLINE_US, &services->session_limits,
                                              services->config->token.access_ttl_ms, CLEANUP_BATCH, &deleted);
    if (status == STATUS_OK && deleted > 0)
        log_event(LOG_INFO, "dead_sessions_deleted", "count=%u", deleted);
    /* a full batch means that there is more: go on in the next round, half a second later */
    if (status != STATUS_OK || deleted < CLEANUP_BATCH)
        background->next_cleanup_us = now_us + services->config->database.cleanup_interval_ms * 1000;
}

static bool rest(struct background *background) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + READ_INTERVAL_US * 1000;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&background->stop_lock);
    if (!background->stopping)
        pthread_cond_timedwait(&background->stop, &background->stop_lock, &until);
    bool is_stopping = background->stopping;
    pthread_mutex_unlock(&background->stop_lock);
    return !is_stopping;
}

static void *work(void *context) {
    struct background *background = context;
    do {
        read_revocations(background);
        if (background->was_read)
            clean_up(background);
    } while (rest(background));
    return NULL;
}

struct background *background_start(const struct services *services, const struct db_options *db_options) {
    struct background *background = calloc(1, sizeof *background);
    if (background == NULL)
        return NULL;
    background->services = services;
    background->was_read = true; /* so that a first failure is told */
    background->db = db_create(db_options);
    pthread_mutex_init(&background->stop_lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&background->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    if (background->db == NULL || pthread_create(&background->thread, NULL, work, background) != 0) {
        log_event(LOG_ERROR, "background_start_failed", "thread=%s", "background");
        if (background->db != NULL)
            db_destroy(background->db);
        free(background);
        return NULL;
    }
    pthread_setname_np(background->thread, "background");
    return background;
}

void background_stop(struct background *background) {
    pthread_mutex_lock(&background->stop_lock);
    background->stopping = true;
    pthread_cond_signal(&background->stop);
    pthread_mutex_unlock(&background->stop_lock);
    pthread_join(background->thread, NULL);
    db_destroy(background->db);
    pthread_cond_destroy(&background->stop);
    pthread_mutex_destroy(&background->stop_lock);
    free(background);
}
