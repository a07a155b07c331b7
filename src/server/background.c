#include "background.h"

#include "periodic.h"

#include "jwtd/changed_roles.h"
#include "jwtd/cleanup.h"
#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/readiness.h"
#include "jwtd/revocations.h"

#include <stdlib.h>

#define READ_INTERVAL_US (CLOCK_US_PER_S / 2)
#define PAGE_DEADLINE_US (2 * CLOCK_US_PER_S)
#define CLEANUP_DEADLINE_US (2 * CLOCK_US_PER_S)
#define CLEANUP_PAUSE_US CLOCK_US_PER_S /* after a round that left some: as long as the round took */
#define CLEANUP_BATCH 500u

/* One pass over a table that is read again and again. A page that fails is tried again in the next round: what was read before it
 * stays. */
struct reading {
    struct revocations_cursor cursor;
    bool is_under_way;
    int64_t began_us;      /* this pass, or the last one */
    int64_t good_began_us; /* the last pass that came to its end; 0: none has */
    bool was_read;         /* the last page */
};

/* The same over the changed roles, where each pass begins with what the one before has found out. */
struct roles_reading {
    struct changed_roles_cursor cursor;
    bool is_under_way;
    bool was_through; /* a pass has come to its end */
    bool was_read;    /* the last page */
    int64_t began_us; /* this pass, or the last one */
};

struct background {
    const struct services *services;
    const struct db_options *db_options;
    struct db *reading_db;
    struct db *cleanup_db; /* NULL between two rounds that are far apart */
    struct db *roles_db;
    struct periodic *reading_thread, *cleanup_thread, *roles_thread;
    struct reading revocations; /* this and the next are the reading thread's */
    struct revocations_horizon horizon;
    struct roles_reading roles; /* the roles thread's */
};

/* ---- reading ---- */

/* From long before the last good pass began: a statement commits up to its timeout after the moment that it writes down. What was
 * committed before is seen by every page of a pass. */
static int64_t window_s(const struct background *background, const struct reading *reading) {
    const struct services *services = background->services;
    if (reading->good_began_us == 0)
        return services->token_rules.access_ttl_s + REVOKED_SESSIONS_MARGIN_S;
    int64_t overlap_us = 2 * services->config->database.statement_timeout_ms * 1000 + 5 * CLOCK_US_PER_S;
    return (clock_monotonic_us() - reading->good_began_us + overlap_us) / CLOCK_US_PER_S + 1;
}

static void begin_pass(const struct background *background, struct reading *reading) {
    reading->began_us = clock_monotonic_us();
    reading->cursor = revocations_from(window_s(background, reading));
    reading->is_under_way = true;
}

/* What others revoke during a pass may be written behind its cursor, and is left to the next one. So a long first pass, of
 * millions of rows, is followed by a second, short one before anybody is let in. */
static void end_pass(const struct background *background, struct reading *reading) {
    bool is_up_to_date = reading->good_began_us != 0 || clock_monotonic_us() - reading->began_us < CLOCK_US_PER_S;
    reading->good_began_us = reading->began_us;
    reading->is_under_way = false;
    if (is_up_to_date)
        revoked_sessions_set_ready(background->services->revoked);
}

static void note_page(const struct background *background, struct reading *reading, bool is_good) {
    if (is_good != reading->was_read)
        log_event(is_good ? LOG_INFO : LOG_WARN, is_good ? "revocations_read" : "revocations_unreadable", "sessions=%zu",
                  revoked_sessions_count(background->services->revoked));
    reading->was_read = is_good;
}

static struct db_call call_on(struct db *db) {
    return (struct db_call){ .db = db, .deadline_us = clock_monotonic_us() + PAGE_DEADLINE_US };
}

/* The horizon is read first in each round, so that its first reading comes before the first page. */
static enum status read_late(struct background *background, bool *is_last) {
    struct db_call call = call_on(background->reading_db);
    return revocations_read_late(&call, &background->horizon, background->services->revoked, is_last);
}

/* One page, so that a round is short however much there is to read. Returns when the next one is due. */
static int64_t read_revocations(struct background *background) {
    struct reading *reading = &background->revocations;
    if (!reading->is_under_way)
        begin_pass(background, reading);
    int64_t now_us = clock_monotonic_us();
    bool is_last = false, is_last_late = false;
    enum status status = read_late(background, &is_last_late);
    struct db_call call = call_on(background->reading_db);
    if (status == STATUS_OK)
        status = revocations_read_page(&call, &reading->cursor, background->services->revoked, &is_last);
    note_page(background, reading, status == STATUS_OK);
    if (status != STATUS_OK)
        return now_us + READ_INTERVAL_US;
    if (!is_last)
        return now_us;
    end_pass(background, reading);
    return is_last_late ? reading->began_us + READ_INTERVAL_US : now_us;
}

static int64_t read_what_others_did(void *context) {
    struct background *background = context;
    readiness_ask(background->services->readiness);
    return read_revocations(background);
}

/* ---- reading roles ---- */

static void begin_roles_pass(const struct background *background, struct roles_reading *reading) {
    const struct services *services = background->services;
    if (reading->was_through)
        reading->cursor = changed_roles_after(&reading->cursor);
    else
        reading->cursor = changed_roles_from(services->token_rules.access_ttl_s + ACCESS_TOKEN_LEEWAY_S);
    reading->began_us = clock_monotonic_us();
    reading->is_under_way = true;
    current_roles_expire(services->roles, clock_wall_s());
}

/* A first pass that has taken long is followed by a short one before anybody is let in, as for the revocations. */
static void end_roles_pass(const struct background *background, struct roles_reading *reading) {
    bool is_up_to_date = reading->was_through || clock_monotonic_us() - reading->began_us < CLOCK_US_PER_S;
    reading->was_through = true;
    reading->is_under_way = false;
    if (is_up_to_date)
        current_roles_set_ready(background->services->roles);
}

static void note_roles_page(const struct background *background, struct roles_reading *reading, bool is_good) {
    if (is_good != reading->was_read)
        log_event(is_good ? LOG_INFO : LOG_WARN, is_good ? "roles_read" : "roles_unreadable", "users=%zu",
                  current_roles_count(background->services->roles));
    reading->was_read = is_good;
}

static int64_t read_roles(void *context) {
    struct background *background = context;
    struct roles_reading *reading = &background->roles;
    if (!reading->is_under_way)
        begin_roles_pass(background, reading);
    int64_t now_us = clock_monotonic_us();
    bool is_last = false;
    struct db_call call = call_on(background->roles_db);
    enum status status = changed_roles_read_page(&call, &reading->cursor, background->services->roles, &is_last);
    note_roles_page(background, reading, status == STATUS_OK);
    if (status != STATUS_OK)
        return now_us + READ_INTERVAL_US;
    if (!is_last)
        return now_us;
    end_roles_pass(background, reading);
    return reading->began_us + READ_INTERVAL_US;
}

/* ---- cleaning up ---- */

static enum status delete_dead(struct background *background, bool *is_complete) {
    const struct services *services = background->services;
    if (background->cleanup_db == NULL)
        background->cleanup_db = db_create(background->db_options);
    if (background->cleanup_db == NULL)
        return STATUS_OUT_OF_MEMORY;
    struct cleanup_rules rules = { &services->session_limits, services->config->token.access_ttl_ms, CLEANUP_BATCH };
    struct db_call call = { .db = background->cleanup_db, .deadline_us = clock_monotonic_us() + CLEANUP_DEADLINE_US };
    return cleanup_run(&call, &rules, is_complete);
}

/* Not kept for a minute: nobody would notice meanwhile that its host has turned read-only. */
static void end_cleanup_connection(struct background *background) {
    if (background->cleanup_db != NULL)
        db_destroy(background->cleanup_db);
    background->cleanup_db = NULL;
}

static int64_t clean_up(void *context) {
    struct background *background = context;
    bool is_complete = false;
    enum status status = delete_dead(background, &is_complete);
    int64_t now_us = clock_monotonic_us();
    if (status == STATUS_OK && !is_complete)
        return now_us + CLEANUP_PAUSE_US;
    end_cleanup_connection(background);
    return now_us + background->services->config->database.cleanup_interval_ms * 1000;
}

/* ---- all ---- */

static bool start(struct background *background) {
    background->reading_db = db_create(background->db_options);
    background->roles_db = db_create(background->db_options);
    if (background->reading_db == NULL || background->roles_db == NULL) {
        log_event(LOG_ERROR, "background_start_failed", "error=%s", "out of memory");
        return false;
    }
    background->reading_thread = periodic_start("revocations", read_what_others_did, background);
    background->roles_thread = periodic_start("roles", read_roles, background);
    background->cleanup_thread = periodic_start("cleanup", clean_up, background);
    return background->reading_thread != NULL && background->roles_thread != NULL && background->cleanup_thread != NULL;
}

struct background *background_start(const struct services *services, const struct db_options *db_options) {
    struct background *background = calloc(1, sizeof *background);
    if (background == NULL) {
        log_event(LOG_ERROR, "background_start_failed", "error=%s", "out of memory");
        return NULL;
    }
    background->services = services;
    background->db_options = db_options;
    background->revocations.was_read = background->roles.was_read = true; /* so that a first failure is told */
    if (start(background))
        return background;
    background_stop(background);
    return NULL;
}

void background_stop(struct background *background) {
    periodic_stop(background->reading_thread);
    periodic_stop(background->roles_thread);
    periodic_stop(background->cleanup_thread);
    if (background->reading_db != NULL)
        db_destroy(background->reading_db);
    if (background->roles_db != NULL)
        db_destroy(background->roles_db);
    end_cleanup_connection(background);
    free(background);
}

bool background_is_alive(const struct background *background, int64_t limit_us) {
    return !periodic_is_late(background->reading_thread, limit_us) && !periodic_is_late(background->roles_thread, limit_us) &&
           !periodic_is_late(background->cleanup_thread, limit_us);
}
