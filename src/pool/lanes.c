#include "jwtd/lanes.h"

#include <assert.h>
#include <stddef.h>

void lanes_push(struct lanes *lanes, struct lane_job *job) {
    assert(job->lane < POOL_LANES);
    job->next = NULL;
    if (lanes->lanes[job->lane].last == NULL)
        lanes->lanes[job->lane].first = job;
    else
        lanes->lanes[job->lane].last->next = job;
    lanes->lanes[job->lane].last = job;
    lanes->count++;
}

/* The lane from which the next job is taken. There is a job. */
static unsigned lane_of_next(const struct lanes *lanes) {
    unsigned lane = lanes->next_lane;
    for (unsigned passed = 0; lanes->lanes[lane].first == NULL; passed++) {
        assert(passed < POOL_LANES);
        lane = (lane + 1) % POOL_LANES;
    }
    return lane;
}

struct lane_job *lanes_take(struct lanes *lanes) {
    if (lanes->count == 0)
        return NULL;
    unsigned lane = lane_of_next(lanes);
    struct lane_job *job = lanes->lanes[lane].first;
    lanes->lanes[lane].first = job->next;
    if (job->next == NULL)
        lanes->lanes[lane].last = NULL;
    lanes->next_lane = (lane + 1) % POOL_LANES;
    lanes->count--;
    return job;
}

struct lane_job *lanes_remove(struct lanes *lanes, bool (*is_wanted)(const struct lane_job *job, void *context), void *context) {
    for (unsigned lane = 0; lane < POOL_LANES; lane++) {
        struct lane_job *before = NULL;
        for (struct lane_job *job = lanes->lanes[lane].first; job != NULL; before = job, job = job->next) {
            if (!is_wanted(job, context))
                continue;
            *(before == NULL ? &lanes->lanes[lane].first : &before->next) = job->next;
            if (job->next == NULL)
                lanes->lanes[lane].last = before;
            lanes->count--;
            return job;
        }
    }
    return NULL;
}

const struct lane_job *lanes_first(const struct lanes *lanes) {
    return lanes->count > 0 ? lanes->lanes[lane_of_next(lanes)].first : NULL;
}
