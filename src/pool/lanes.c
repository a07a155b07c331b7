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

const struct lane_job *lanes_first(const struct lanes *lanes) {
    return lanes->count > 0 ? lanes->lanes[lane_of_next(lanes)].first : NULL;
}
