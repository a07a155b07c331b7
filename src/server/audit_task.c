#include "task.h"

#include "jwtd/audit.h"
#include "jwtd/auth_events.h"
#include "jwtd/clock.h"
#include "jwtd/log.h"

#define DEADLINE_US (2 * CLOCK_US_PER_S)
#define LAST_DEADLINE_US CLOCK_US_PER_S /* the service ends when it has passed */
#define FIRST_PAUSE_US (2 * CLOCK_US_PER_S)
#define MAINTENANCE_US (3600 * CLOCK_US_PER_S)
#define RETRY_US (60 * CLOCK_US_PER_S)

static int64_t write_events(const struct task_round *round) {
    int64_t now_us = clock_monotonic_us();
    struct db_call call = { .db = round->db, .deadline_us = now_us + DEADLINE_US };
    return audit_write(round->services->audit, &call, now_us);
}

/* The thread that writes has ended, and its memory is freed: nothing is to be woken. */
static void write_last_events(const struct task_round *round) {
    audit_set_waker(round->services->audit, NULL, NULL);
    struct db_call call = { .db = round->db, .deadline_us = clock_monotonic_us() + LAST_DEADLINE_US };
    audit_write_all(round->services->audit, &call);
}

const struct task audit_task = { 0, write_events, write_last_events };

/* Not at once, as the cleanup. */
static int64_t maintain_partitions(const struct task_round *round) {
    bool *has_paused = round->state;
    if (!*has_paused) {
        *has_paused = true;
        return clock_monotonic_us() + FIRST_PAUSE_US;
    }
    struct db_call call = { .db = round->db, .deadline_us = clock_monotonic_us() + DEADLINE_US };
    struct auth_events_partitions partitions;
    enum status status = auth_events_maintain(&call, round->services->config->audit.keep_ms, &partitions);
    if (status == STATUS_OK && (partitions.made > 0 || partitions.removed > 0 || partitions.waiting > 0))
        log_event(LOG_INFO, "audit_partitions", "made=%lld removed=%lld waiting=%lld", (long long)partitions.made,
                  (long long)partitions.removed, (long long)partitions.waiting);
    bool is_complete = status == STATUS_OK && partitions.waiting == 0;
    return clock_monotonic_us() + (is_complete ? MAINTENANCE_US : RETRY_US);
}

const struct task partition_task = { sizeof(bool), maintain_partitions, NULL };
