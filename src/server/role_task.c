#include "task.h"

#include "jwtd/changed_roles.h"
#include "jwtd/clock.h"
#include "jwtd/log.h"

#define INTERVAL_US (CLOCK_US_PER_S / 2)
#define DEADLINE_US (2 * CLOCK_US_PER_S)

/* Passes over the changed roles, page by page; each pass begins where the cursor of the one before ended. A page that fails is
 * read again in the next round. */
struct reading {
    struct changed_roles_cursor cursor;
    bool is_under_way;
    bool has_completed;  /* a pass */
    enum status failure; /* of the last page */
    int64_t began_us;    /* this pass, or the last one */
};

static void begin_pass(const struct services *services, struct reading *reading) {
    if (reading->has_completed)
        reading->cursor = changed_roles_after(&reading->cursor);
    else
        reading->cursor = changed_roles_from(services->token_rules.access_ttl_s + ACCESS_TOKEN_LEEWAY_S);
    reading->began_us = clock_monotonic_us();
    reading->is_under_way = true;
    current_roles_expire(services->roles, clock_retention_s());
}

/* A long first pass is followed by a short one before the service is ready, as for the revocations. */
static void end_pass(const struct services *services, struct reading *reading) {
    bool is_up_to_date = reading->has_completed || clock_monotonic_us() - reading->began_us < CLOCK_US_PER_S;
    reading->has_completed = true;
    reading->is_under_way = false;
    if (is_up_to_date)
        current_roles_set_ready(services->roles);
}

static void log_change(const struct services *services, struct reading *reading, enum status status) {
    bool has_failed = status != STATUS_OK;
    if (has_failed && reading->failure == STATUS_OK)
        log_event(task_level(status, LOG_WARN), "roles_unreadable", "known_users=%zu reason=%s",
                  current_roles_count(services->roles), status_info(status)->name);
    if (!has_failed && reading->failure != STATUS_OK)
        log_event(task_level(reading->failure, LOG_INFO), "roles_read", "known_users=%zu", current_roles_count(services->roles));
    reading->failure = status;
}

/* One page, so that a round is short however much there is to read. */
static int64_t run(const struct task_round *round) {
    struct reading *reading = round->state;
    if (!reading->is_under_way)
        begin_pass(round->services, reading);
    int64_t now_us = clock_monotonic_us();
    bool is_last = false;
    struct db_call call = { .db = round->db, .deadline_us = now_us + DEADLINE_US };
    enum status status = changed_roles_read_page(&call, &reading->cursor, round->services->roles, &is_last);
    log_change(round->services, reading, status);
    if (status != STATUS_OK)
        return now_us + INTERVAL_US;
    if (!is_last)
        return now_us;
    end_pass(round->services, reading);
    return reading->began_us + INTERVAL_US;
}

const struct task role_task = { sizeof(struct reading), run, NULL };
