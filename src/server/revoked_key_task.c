#include "task.h"

#include "jwtd/clock.h"
#include "jwtd/key_revocations.h"
#include "jwtd/log.h"

#define INTERVAL_US (CLOCK_US_PER_S / 2)
/* A table that cannot be read, because it is locked, must not hold up the other tasks of this thread for most of the time. */
#define DEADLINE_US CLOCK_US_PER_S
#define PAUSE_US (4 * CLOCK_US_PER_S)

static int64_t run(const struct task_round *round) {
    const struct services *services = round->services;
    bool *has_failed = round->state;
    int64_t now_us = clock_monotonic_us();
    struct db_call call = { .db = round->db, .deadline_us = now_us + DEADLINE_US };
    enum status status = key_revocations_read(&call, services->revoked_keys);
    if (status == STATUS_OK)
        revoked_keys_set_read(services->revoked_keys, now_us);
    else if (!*has_failed)
        log_event(task_level(status, LOG_WARN), "revoked_keys_unreadable", "known_keys=%zu reason=%s",
                  revoked_keys_count(services->revoked_keys), status_info(status)->name);
    bool fails_again = *has_failed && status != STATUS_OK;
    *has_failed = status != STATUS_OK;
    return now_us + (fails_again ? PAUSE_US : INTERVAL_US);
}

const struct task revoked_key_task = { sizeof(bool), run, NULL };
