/*
 * share: what a worker counts, in memory that it shares with the tester. The worker is the only writer, the tester the only
 * reader; counts only grow.
 *
 * What decides how the tester proceeds is atomic. The other counters are plain 64-bit integers, and the tester copies them while
 * the worker writes: each is aligned and one machine word, which the processors that this runs on load and store whole, so a copy
 * holds for each counter a value that it had, and counters that belong together differ by the requests of the copy's few
 * microseconds. The figures allow for that: a histogram's total is taken from its buckets, and a difference of two copies of a
 * counter is never negative. Atomic increments would cost a locked instruction for each of the dozen counters of a request.
 */
#ifndef FAILPOINT_SHARE_H
#define FAILPOINT_SHARE_H

#include "api.h"
#include "fault.h"
#include "tally.h"

#include <stdatomic.h>
#include <stdint.h>

_Static_assert(sizeof(uint64_t) <= sizeof(void *), "a counter is read while it is written: it must be one machine word");

/* Why the order cannot be carried out. */
enum worker_trouble {
    TROUBLE_NONE,
    TROUBLE_NO_PORTS, /* every source address is used up */
    TROUBLE_NO_DESCRIPTORS,
    TROUBLE_NO_MEMORY,
    TROUBLE_REFUSED,      /* while preparing: nobody listens */
    TROUBLE_UNREACHABLE,  /* while preparing: there was no reply for another reason */
    TROUBLE_RATE_LIMITED, /* while preparing: 429 */
    TROUBLE_NOT_ADMITTED, /* while preparing: a reply with `trouble_status` that is not the right one */
};

/*
 * Of the users of a closed loop: a turn lasts from when a request is due until the user's next one is, or would be if the order
 * went on. So N users are answered N * ok / sum_ns times a ns, however many of them wait when the order ends. The first turn of
 * each user is left out: all begin at once, and those who come first find nobody before them.
 */
struct turns {
    uint64_t count, ok, sum_ns;
};

struct worker_share {
    _Atomic uint64_t finished; /* the number of the last order that is done */
    _Atomic int trouble;       /* enum worker_trouble; once set, the worker accepts no further load */
    _Atomic unsigned trouble_status;
    _Atomic int trouble_endpoint, trouble_fault;
    _Atomic int wrong_fault; /* of the first reply of the test that was no good one, enum reply_fault; FAULT_NONE: none was */
    _Atomic unsigned wrong_status;
    _Atomic int wrong_endpoint;
    _Atomic unsigned in_flight, waiting, connections, users_done; /* now */
    _Atomic unsigned sessions;                                    /* that are open: progress while preparing */
    uint64_t opened;                                              /* connections */
    uint64_t retried;                                             /* requests sent again: request.h */
    uint64_t issued;
    uint64_t wait_sum_ns; /* for a free connection, or a free session */
    struct turns turns;
    struct histogram lag;       /* of the generator: from due to issued */
    struct histogram logged_in; /* with plan.once: from the beginning to each user's success */
    struct tally tallies[ENDPOINTS];
};

void share_report_trouble(struct worker_share *share, enum worker_trouble trouble, enum endpoint endpoint);

/* The same, of a reply: its status, 0 if there was none, and what was wrong with it. */
void share_report_wrong_reply(struct worker_share *share, enum worker_trouble trouble, enum endpoint endpoint, unsigned status,
                              enum reply_fault fault);
bool share_is_in_trouble(const struct worker_share *share);

/* Keeps the first. */
void share_note_wrong_reply(struct worker_share *share, enum endpoint endpoint, unsigned status, enum reply_fault fault);

void share_count_issued(struct worker_share *share, enum endpoint endpoint, int64_t lag_ns);

/* The end of a request; `status` 0 without a reply. Of `latency_ns`, `generator_ns` may be the generator's own doing. */
void share_count_ended(struct worker_share *share, enum endpoint endpoint, enum reply_class reply_class, unsigned status,
                       int64_t latency_ns, int64_t generator_ns);

void share_count_turn(struct worker_share *share, enum reply_class reply_class, int64_t turn_ns);

#endif
