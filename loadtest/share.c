#include "share.h"

#include <assert.h>

void share_report_trouble(struct worker_share *share, enum worker_trouble trouble, enum endpoint endpoint) {
    share_report_wrong_reply(share, trouble, endpoint, 0, FAULT_NONE);
}

/* The kind comes last: a reader that sees it sees the rest. */
void share_report_wrong_reply(struct worker_share *share, enum worker_trouble trouble, enum endpoint endpoint, unsigned status,
                              enum reply_fault fault) {
    assert(trouble != TROUBLE_NONE);
    share->trouble_fault = (int)fault;
    share->trouble_endpoint = (int)endpoint;
    share->trouble_status = status;
    share->trouble = (int)trouble;
}

bool share_is_in_trouble(const struct worker_share *share) {
    return share->trouble != TROUBLE_NONE;
}

void share_note_wrong_reply(struct worker_share *share, enum endpoint endpoint, unsigned status, enum reply_fault fault) {
    if (share->wrong_fault != FAULT_NONE)
        return;
    share->wrong_endpoint = (int)endpoint;
    share->wrong_status = status;
    share->wrong_fault = (int)fault;
}

void share_count_issued(struct worker_share *share, enum endpoint endpoint, int64_t lag_ns) {
    share->issued++;
    share->tallies[endpoint].due++;
    histogram_record(&share->lag, lag_ns);
}

void share_count_ended(struct worker_share *share, enum endpoint endpoint, enum reply_class reply_class, unsigned status,
                       int64_t latency_ns, int64_t generator_ns) {
    assert(status < STATUS_CODES);
    struct tally *tally = &share->tallies[endpoint];
    tally->classes[reply_class]++;
    tally->statuses[status]++;
    if (reply_class == REPLY_SHED)
        histogram_record(&tally->shed, latency_ns);
    if (reply_class != REPLY_OK && reply_class != REPLY_TIMEOUT)
        return;
    histogram_record(&tally->latency, latency_ns);
    histogram_record(&tally->service, latency_ns - generator_ns);
}

void share_count_turn(struct worker_share *share, enum reply_class reply_class, int64_t turn_ns) {
    share->turns.count++;
    share->turns.ok += reply_class == REPLY_OK ? 1 : 0;
    share->turns.sum_ns += (uint64_t)turn_ns;
}
