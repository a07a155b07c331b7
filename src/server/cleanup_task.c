#include "task.h"

#include "jwtd/cleanup.h"
#include "jwtd/clock.h"

#define DEADLINE_US (2 * CLOCK_US_PER_S)
#define PAUSE_US CLOCK_US_PER_S /* after a round that left some rows */
#define BATCH 500u

static int64_t run(const struct task_round *round) {
    const struct services *services = round->services;
    struct cleanup_rules rules = { &services->session_limits, services->config->token.access_ttl_ms, BATCH };
    struct db_call call = { .db = round->db, .deadline_us = clock_monotonic_us() + DEADLINE_US };
    bool is_complete = false;
    enum status status = cleanup_run(&call, &rules, &is_complete);
    int64_t now_us = clock_monotonic_us();
    if (status == STATUS_OK && !is_complete)
        return now_us + PAUSE_US;
    return now_us + services->config->database.cleanup_interval_ms * 1000;
}

const struct task cleanup_task = { "cleanup", true, 0, run };
