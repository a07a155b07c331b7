#include "task.h"

#include "jwtd/clock.h"
#include "jwtd/readiness.h"

/* Shorter than the half second between two questions (readiness.h), so that each is asked soon after it may be. */
#define INTERVAL_US (CLOCK_US_PER_S / 5)

static int64_t run(const struct task_round *round) {
    int64_t now_us = clock_monotonic_us();
    readiness_ask(round->services->readiness);
    return now_us + INTERVAL_US;
}

const struct task readiness_task = { "readiness", false, 0, run };
