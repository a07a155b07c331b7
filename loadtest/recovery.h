/*
 * recovery: after an overload, with half the limit arriving: has the service recovered, is it on the way, or not? Pure
 * computation over the seconds of a record.
 *
 * It has recovered when RECOVERED_IN_A_ROW seconds in a row met the objective. How long that may take follows from what is
 * queued: a service that is full answers at its limit and works off the queue with what that leaves over. So it is given twice
 * the time that this takes, and more for as long as fewer and fewer requests are in flight.
 */
#ifndef FAILPOINT_RECOVERY_H
#define FAILPOINT_RECOVERY_H

#include "run.h"

#define RECOVERY_MAX_S 90.0

struct recovery {
    double begin;         /* when the load dropped */
    double backlog;       /* requests that were due by then and not answered: in flight, or given up by the client alone */
    double drain;         /* per second: what is answered at the limit less what arrives now */
    double share_allowed; /* of requests that may be shed or fail */
};

/* Of the record's last overload, and the load that followed it. */
struct recovery recovery_of(const struct run *run, const struct run_step *overload, double load_now, double share_allowed);

/* For how long it is waited in any case. */
double recovery_patience_s(const struct recovery *recovery);

enum recovery_state { RECOVERY_WAITS, RECOVERY_DONE, RECOVERY_UNDER_WAY, RECOVERY_NONE };

/*
 * By the seconds of the record from recovery->begin to `end`. RECOVERY_WAITS: too early to say. RECOVERY_UNDER_WAY: still no
 * good seconds, though the queue shrinks by what is answered; RECOVERY_NONE: it does not. *seconds is how long it took, 0 unless
 * it is done.
 */
enum recovery_state recovery_judge(const struct recovery *recovery, const struct run *run, double end, double *seconds);

/* The same when the load is over, and nothing more is waited for: never RECOVERY_WAITS. */
enum recovery_state recovery_conclude(const struct recovery *recovery, const struct run *run, double end, double *seconds);

#endif
