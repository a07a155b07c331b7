#include "task.h"

#include "jwtd/readiness.h"

static int64_t run(const struct task_round *round) {
    return readiness_ask(round->services->readiness);
}

const struct task readiness_task = { 0, run, NULL };
