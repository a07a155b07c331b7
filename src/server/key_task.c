#include "task.h"

#include "jwtd/clock.h"

/* A revoked key must be refused within a second; asking whether the file has changed takes microseconds. */
#define INTERVAL_US (CLOCK_US_PER_S / 4)
#define RETRY_US CLOCK_US_PER_S /* reading all keys again and again */

static int64_t run(const struct task_round *round) {
    bool is_current = snapshot_follow_keys(round->services->snapshots);
    return clock_monotonic_us() + (is_current ? INTERVAL_US : RETRY_US);
}

const struct task key_task = { 0, run, NULL };
