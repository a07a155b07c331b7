#include "recovery.h"

#include <math.h>

#define RECOVERED_IN_A_ROW 3
#define PATIENCE_MIN_S 10.0
#define PATIENCE_FACTOR 2.0
#define PATIENCE_MORE_S 5.0
#define SHRINKS_OVER_S 5.0
#define DRAIN_MIN 0.1 /* per second */
#define SLACK_S 0.2   /* a second may end a little before or after the step does */

struct recovery recovery_of(const struct run *run, const struct run_step *overload, double load_now, double share_allowed) {
    struct tally total;
    run_step_total(overload, &total);
    double unanswered = (double)total.due - (double)tally_ended(&total); /* below 0: they were copied one after the other */
    return (struct recovery){ .begin = overload->begin + overload->seconds,
                              .backlog = fmax(unanswered, 0) + (double)total.classes[REPLY_TIMEOUT],
                              .drain = fmax(run->verdict.limit - load_now, DRAIN_MIN),
                              .share_allowed = share_allowed };
}

double recovery_patience_s(const struct recovery *recovery) {
    double needed = recovery->backlog / recovery->drain;
    return fmin(fmax(PATIENCE_MIN_S, PATIENCE_FACTOR * needed + PATIENCE_MORE_S), RECOVERY_MAX_S);
}

/* Fewer are in flight than some seconds ago, by more than chance explains, and not only since their clients gave up. */
static bool shrinks(const struct run *run, double begin, double end) {
    const struct run_second *last = NULL, *before = NULL;
    bool is_answering = false;
    for (size_t i = 0; i < run->seconds_count; i++) {
        const struct run_second *second = &run->seconds_list[i];
        if (second->at <= begin || second->at > end + SLACK_S)
            continue;
        last = second;
        if (before == NULL || second->at <= end - SHRINKS_OVER_S)
            before = second;
        else
            is_answering = is_answering || second->figures.ok + second->figures.shed > 0;
    }
    if (last == NULL || last == before || !is_answering)
        return false;
    return before->figures.in_flight - last->figures.in_flight > fmax(2 * sqrt(before->figures.in_flight), 1);
}

enum recovery_state recovery_judge(const struct recovery *recovery, const struct run *run, double end, double *seconds) {
    unsigned good = 0;
    double last_bad = recovery->begin;
    for (size_t i = 0; i < run->seconds_count; i++) {
        const struct run_second *second = &run->seconds_list[i];
        if (second->at <= recovery->begin + SLACK_S || second->at > end + SLACK_S)
            continue;
        bool is_good = run_second_is_good(run, second, recovery->share_allowed);
        good = is_good ? good + 1 : 0;
        if (!is_good)
            last_bad = second->at;
    }
    *seconds = 0;
    if (good >= RECOVERED_IN_A_ROW) {
        *seconds = last_bad - recovery->begin;
        return RECOVERY_DONE;
    }
    double elapsed = end - recovery->begin;
    bool is_shrinking = shrinks(run, recovery->begin, end);
    if (elapsed < recovery_patience_s(recovery) || (is_shrinking && elapsed < RECOVERY_MAX_S))
        return RECOVERY_WAITS;
    return is_shrinking ? RECOVERY_UNDER_WAY : RECOVERY_NONE;
}

enum recovery_state recovery_conclude(const struct recovery *recovery, const struct run *run, double end, double *seconds) {
    enum recovery_state state = recovery_judge(recovery, run, end, seconds);
    if (state == RECOVERY_WAITS)
        return shrinks(run, recovery->begin, end) ? RECOVERY_UNDER_WAY : RECOVERY_NONE;
    return state;
}
