/* What the outcome of a query means: it is done, or runs once more. */
#include "link.h"

#include "jwtd/clock.h"

#include <sodium.h>

#define TRIES_MAX 6
#define PAUSE_MIN_US 1000
#define PAUSE_RANGE_US 20000u

bool link_count_failed_try(struct db_query *query) {
    return ++query->tries < TRIES_MAX && clock_monotonic_us() + PAUSE_MIN_US + PAUSE_RANGE_US < query->deadline_us;
}

bool link_may_rerun(const struct link *link, const struct db_query *query) {
    return !query->was_rerun && link->backoff_us == 0;
}

/* When the next connection fails as well (a server that is read-only, for example), no other is opened until the back-off has
 * passed. */
static enum link_verdict judge_lost(struct link *link, struct db_query *query) {
    if (link->state == LINK_IDLE)
        link_close(link);
    if (!link_may_rerun(link, query)) {
        if (link->retry_us <= clock_monotonic_us()) /* once for all queries of a round trip */
            link_back_off(link, "no connection is usable");
        return VERDICT_DONE;
    }
    query->was_rerun = true;
    return VERDICT_REOPEN;
}

enum link_verdict link_judge(struct link *link, struct db_query *query) {
    switch ((enum db_remedy)query->remedy) {
    case REMEDY_RUN_ALONE:
        return VERDICT_ALONE;
    case REMEDY_RECONNECT:
        return judge_lost(link, query);
    case REMEDY_RETRY:
        /* random, so that the transactions that were in conflict are not in conflict again at once */
        query->not_before_us = clock_monotonic_us() + PAUSE_MIN_US + (int64_t)randombytes_uniform(PAUSE_RANGE_US);
        return VERDICT_PAUSE;
    case REMEDY_NONE:
        break;
    }
    return VERDICT_DONE;
}
