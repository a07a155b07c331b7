#include "refusal_history.h"

#include "jwtd/clock.h"

#define AT_ONCE_US CLOCK_US_PER_S

bool refusal_history_count(struct refusal_history *refusals, int64_t began_us, int64_t now_us) {
    bool is_at_once = now_us < refusals->retry_at_us && began_us - refusals->sent_us < AT_ONCE_US;
    refusals->at_once = is_at_once ? refusals->at_once + 1 : 0;
    return refusals->at_once > REFUSALS_AT_ONCE_MAX;
}

void refusal_history_sent(struct refusal_history *refusals, int64_t retry_after_us, int64_t now_us) {
    refusals->retry_at_us = now_us + retry_after_us;
    refusals->sent_us = now_us;
}
