/*
 * judge: the result of one step: met or missed, why, and whether the generator was the cause; for hold, soak and the steps of
 * find.
 */
#ifndef FAILPOINT_JUDGE_H
#define FAILPOINT_JUDGE_H

#include "bench.h"

/* Fills in `why` and `generator_limited` of a step that is known to be bad. */
void judge_describe_bad(const struct bench *bench, struct run_step *step);

/* Fewer requests were sent than were due: such a step is no proof that the load that was asked for is good. */
bool judge_generator_fell_behind(const struct bench *bench, const struct run_step *step);

/* Counts, latencies, costs and replies of a step, on standard output. */
void judge_print_details(const struct bench *bench, const struct run_step *step);

/* Verdict of the step, and of the run: headline, because, exit code. */
void judge_hold(struct bench *bench, struct run_step *step);

#endif
