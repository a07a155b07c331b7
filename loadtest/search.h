/*
 * search: the conclusions of a search for the limit, as numbers and one sentence. Pure computation over the record.
 *
 * The modules of a search:
 *
 *     find_command runs one step after the other
 *
 *         find -------- load -------> bench ---- progress, 20 times a second ----> trial ----> sequential
 *           ^      (which to try)       |                                            |   (is the share of bad
 *           |                           | step, with its counts                      |    requests too large?)
 *           |                           v                                            |
 *           +------ good or bad ----- judge <---- good, bad: stop; undecided: continue
 *                        (why it is bad, and whether the generator is the cause)
 *
 *     and at the end
 *
 *         record of all steps -------> search -------> knee, limit, collapse, recovery, headline, exit code
 */
#ifndef FAILPOINT_SEARCH_H
#define FAILPOINT_SEARCH_H

#include "find.h"
#include "run.h"

/* The highest good load up to which latency (p90) stays within three times that of the lowest load; 0 when nothing was good. */
double search_knee(const struct run *run);

/* What the steps "overload" and "recover" of the record say: verdict's beyond, recovered, recovering, recovery, overload_p50,
 * collapse. */
void search_judge_overload(struct run *run, double error_share_allowed);

/* What these two numbers are. */
const char *search_describe_limit(const struct run_verdict *verdict);
const char *search_describe_collapse(const struct run_verdict *verdict);

/* ", but p50 3.4 s for those answered": of the overload; empty when it was not tried, or nobody was. Returns `text`. */
#define SEARCH_WAIT_SIZE 80
const char *search_describe_wait(const struct run *run, char text[SEARCH_WAIT_SIZE]);

/* "at half the limit 98 % of requests fail (mostly: timeout)": of a service that has not recovered; empty when they do not.
 * Returns `text`. */
#define SEARCH_HALF_LOAD_SIZE 128
const char *search_describe_half_load(const struct run *run, char text[SEARCH_HALF_LOAD_SIZE]);

/* The headline, what drifted, and the exit code, when everything else of the verdict is there. `why` and `cause` are of the load
 * that failed. */
void search_conclude(struct run *run, const struct find *find, const char *why, const struct cause *cause);

/* A limiter refuses so much of this step that there is nothing to search for: the verdict says that. False when it does not. */
bool search_meets_limiter(struct run *run, const struct run_step *step);

/* What a limiter lets through, by the steps that met it: per second; 0: none did. */
double search_limiter_rate(const struct run *run);

#endif
