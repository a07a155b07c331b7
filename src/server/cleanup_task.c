#include "task.h"

#include "jwtd/cleanup.h"
#include "jwtd/clock.h"

#define DEADLINE_US (2 * CLOCK_US_PER_S)
#define PAUSE_US CLOCK_US_PER_S /* at the start, and after a round that left some rows */
#define BATCH 500u

/* Not at once: at the start PostgreSQL has other connections to open, which the service waits for until it is ready. */
static int64_t run(const struct task_round *round) {
    const struct services *services = round->services;
    bool *has_paused = round->state;
    if (!*has_paused) {
        *has_paused = true;
        return clock_monotonic_us() + PAUSE_US;
    }
    struct cleanup_rules rules = { &services->session_limits, services->config->token.access_ttl_ms, BATCH };
    struct db_call call = { .db = round->db, .deadline_us = clock_monotonic_us() + DEADLINE_US };
    bool is_complete = false;
    enum status status = cleanup_run(&call, &rules, &is_complete);
    int64_t now_us = clock_monotonic_us();
    if (status == STATUS_OK && !is_complete)
        return now_us + PAUSE_US;
    return now_us + services->config->database.cleanup_interval_ms * 1000;
}

const struct task cleanup_task = { sizeof(bool), run, NULL };
